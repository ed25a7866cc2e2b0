// strandlog serve: the log in a directory, served to Kafka's clients until a signal comes.
import { once } from "node:events";
import { type Broker, listen } from "@strandlog/broker";
import { type Log, openLog, type RecoveryProgress } from "@strandlog/log";
import { Command } from "commander";
import {
  type Configuration,
  configurationOf,
  type Given,
  givenByOverride,
  givenInEnvironment,
  givenInFile,
} from "../config/index.js";
import {
  closedOrStuck,
  errorFields,
  type Health,
  type Logger,
  letHeapGrow,
  openHealth,
  openLogger,
  Readiness,
  tellEvents,
  withAdvice,
} from "../serving/index.js";
import { printConfiguration } from "./print-config.js";
import { type GlobalOptions, globalOptions } from "./session.js";
import { type Interruption, listenForSignals } from "./signals.js";
import { bytesText } from "./units.js";
import { version } from "./version.js";

interface ServeOptions extends GlobalOptions {
  readonly config?: string;
  readonly override?: readonly string[];
  readonly printConfig?: boolean;
}

/** Options that say what a key of the configuration says. */
const flags: readonly { readonly option: string; readonly flag: string; readonly key: string }[] = [
  { option: "data", flag: "--data", key: "log.dir" },
  { option: "kafka", flag: "--kafka", key: "listeners" },
  { option: "advertise", flag: "--advertise", key: "advertised.listeners" },
  { option: "autoCreateTopics", flag: "--no-auto-create-topics", key: "auto.create.topics.enable" },
  { option: "numPartitions", flag: "--num-partitions", key: "num.partitions" },
  { option: "health", flag: "--health", key: "strandlog.health" },
  { option: "logLevel", flag: "--log-level", key: "strandlog.log.level" },
];

const help = `
A configuration file has the syntax and the keys of Kafka's server.properties; ours begin with "strandlog.". What is set
in the environment counts more than the file: num.partitions is STRANDLOG_NUM_PARTITIONS, strandlog.durability is
STRANDLOG_DURABILITY. Options count most. --print-config shows all keys, what counts, and where it comes from.

Clients are told to come back to the address by which they came, unless --advertise or advertised.listeners say otherwise.
SIGTERM and SIGINT end it in order: what has been asked is answered, then the log is closed. A second one ends it at once.
What it has to say goes to standard output, in JSON unless that is a terminal.

Examples:
  $ strandlog serve
  $ strandlog serve --data /var/lib/strandlog --kafka 0.0.0.0:9092 --advertise broker.example:9092
  $ strandlog serve --config server.properties --override log.retention.hours=24
  $ STRANDLOG_NUM_PARTITIONS=8 strandlog serve --config server.properties --print-config
  $ strandlog serve --health 127.0.0.1:8080 & curl http://127.0.0.1:8080/readyz
  $ kcat -b 127.0.0.1:9092 -L

Exit codes:
  1         it could not start, or not go on: the message says what may help
  2         an option or a key of the configuration is unknown or has a value that is not allowed
  3         another process has the directory open for writing
  130, 143  ended in order by SIGINT or SIGTERM
`;

export function serveCommand(): Command {
  return new Command("serve")
    .description("be a broker: Kafka's clients produce to the log and consume from it")
    .option("--config <file>", "a configuration file, as Kafka's server.properties")
    .option(
      "--override <key=value>",
      "a key of the configuration; can be repeated",
      (text: string, before: readonly string[] = []) => [...before, text],
    )
    .option(
      "--kafka <host:port>",
      "where to listen for Kafka's clients; a port alone is for programs of this machine (default: 127.0.0.1:9092)",
    )
    .option("--advertise <host:port>", "what clients are told to connect to")
    .option("--no-auto-create-topics", "do not make a topic because a client asks for it")
    .option("--num-partitions <number>", "how many partitions a topic gets if nobody says (default: 1)")
    .option("--health <host:port>", "where to answer GET /healthz and GET /readyz (default: nowhere)")
    .option("--log-level <level>", "debug, info, warn or error (default: info)")
    .option("--print-config", "print the configuration that counts, and where it comes from; start nothing")
    .addHelpText("after", help)
    .action(async (_: unknown, command: Command) => {
      const options = { ...command.opts<ServeOptions>(), ...globalOptions(command) };
      const configuration = configurationOf([
        options.config === undefined ? [] : givenInFile(options.config),
        givenInEnvironment(process.env),
        (options.override ?? []).map(givenByOverride),
        givenByFlags(command),
      ]);
      if (options.printConfig === true) await printConfiguration(configuration, options.json === true);
      else await serve(configuration, options.json === true);
    });
}

/** Those that somebody has given: their defaults are the configuration's. */
function givenByFlags(command: Command): Given[] {
  const values = command.optsWithGlobals<Record<string, unknown>>();
  return flags
    .filter(({ option }) => command.getOptionValueSourceWithGlobals(option) === "cli")
    .map(({ option, flag, key }) => ({ key, text: textOf(flag, String(values[option])), origin: flag }));
}

/** A port alone is one of this machine, as with `listen`. */
function textOf(flag: string, value: string): string {
  return flag === "--kafka" && /^\d+$/.test(value) ? `127.0.0.1:${value}` : value;
}

/** What is open, and closed again in reverse order however it ends. */
interface Serving {
  health?: Health;
  log?: Log;
  broker?: Broker;
}

async function serve(configuration: Configuration, json: boolean): Promise<void> {
  const startedMs = performance.now();
  letHeapGrow();
  const interruption = listenForSignals();
  const { logger, close } = openLogger({ level: configuration.logLevel, json });
  const readiness = new Readiness();
  const stopTelling = tellEvents({ logger, readiness, nowMs: () => performance.now() });
  const serving: Serving = {};
  try {
    logger.info({ event: "starting", version, pid: process.pid, data: configuration.data }, "starting");
    for (const { key, origin, why } of configuration.warnings) {
      logger.warn({ event: "no-effect", key, origin, why }, "a key of the configuration has no effect");
    }
    await start(serving, configuration, readiness, logger, interruption);
    if (serving.broker !== undefined) {
      const ms = Math.round(performance.now() - startedMs);
      const { bootstrap, listeners } = serving.broker;
      const fields = {
        event: "listening",
        kafka: bootstrap,
        listeners: listeners.map((listener) => `${listener.name}://${listener.bootstrap}`),
        health: serving.health?.address,
        data: configuration.data,
        ms,
      };
      const places = listeners.map((listener) => listener.bootstrap).join(", ");
      logger.info(fields, `listening for Kafka's clients on ${places}`);
      if (!interruption.signal.aborted) await once(interruption.signal, "abort");
    }
    const stoppingMs = performance.now();
    readiness.draining();
    logger.info(
      { event: "stopping", signal: interruption.name },
      "stopping: what has been asked is answered",
    );
    const stuck = await stop(serving);
    const ms = Math.round(performance.now() - stoppingMs);
    if (stuck === undefined) logger.info({ event: "stopped", ms }, "stopped: the log is closed");
    else {
      logger.error(
        { event: "not-closed", error: stuck },
        "stopped: the log could not be closed, its journal has it all",
      );
      await close();
      process.exit(1); // what waits for the disk would keep the process
    }
  } catch (error) {
    const advised = withAdvice(error, configuration.data);
    logger.fatal({ event: "failed", ...errorFields(advised) }, "the broker ends");
    await stop(serving).catch(() => undefined); // the first error is the one to be told
    throw advised;
  } finally {
    stopTelling();
    interruption.stopListening();
    await close();
  }
}

async function start(
  serving: Serving,
  { data, health, log, broker }: Configuration,
  readiness: Readiness,
  logger: Logger,
  { signal }: Interruption,
): Promise<void> {
  if (health !== undefined) serving.health = await openHealth(health, readiness);
  serving.log = await openLog(data, { ...log, onRecovery: recoveryTold(readiness, logger) });
  if (signal.aborted) return;
  serving.broker = await listen(serving.log, broker);
  const { storage } = serving.log;
  readiness.ready(() => storage.counters.trouble);
}

/** Answers what keeps the log from being closed, if anything does. */
async function stop({ health, log, broker }: Serving): Promise<string | undefined> {
  try {
    await broker?.close();
    if (log === undefined) return undefined;
    return await closedOrStuck(log.close(), () => log.storage.counters.trouble, log.clock);
  } finally {
    await health?.close();
  }
}

const recoveryEveryMs = 1000;

/** How far recovery has come, now and then. */
function recoveryTold(readiness: Readiness, logger: Logger): (progress: RecoveryProgress) => void {
  const startedMs = performance.now();
  let toldMs = Number.NEGATIVE_INFINITY;
  return ({ phase, blocks, bytes }) => {
    const now = performance.now();
    const fields = { event: "recovery", phase, blocks, bytes, ms: Math.round(now - startedMs) };
    if (phase === "done") {
      if (blocks > 0) logger.info(fields, `recovered: ${bytesText(bytes)} of the journal replayed`);
      return;
    }
    readiness.recovering();
    if (now - toldMs < recoveryEveryMs) return;
    toldMs = now;
    logger.info(fields, `recovering: ${bytesText(bytes)} of the journal replayed`);
  };
}
