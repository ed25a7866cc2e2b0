// strandlog serve: the log in a directory, served to Kafka's clients until a signal comes.
import { subscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { type BrokerOptions, listen } from "@strandlog/broker";
import { Command } from "commander";
import { type GlobalOptions, globalOptions, openForWriting, withLog } from "./session.js";
import { listenForSignals } from "./signals.js";
import { parseDuration, parseInteger } from "./units.js";

interface ServeOptions extends GlobalOptions {
  readonly kafka: string;
  readonly advertise?: string;
  readonly autoCreateTopics: boolean;
  readonly numPartitions?: number;
  readonly offsetsRetention?: number;
}

const help = `
Clients find the broker at the address given with --kafka; port 0 takes any that is free. The address that they are told
to come back to is the one by which they came, unless --advertise says otherwise.
SIGTERM and SIGINT end it in order: what has been asked is answered, then the log is closed.

Examples:
  $ strandlog serve
  $ strandlog serve --data /var/lib/strandlog --kafka 0.0.0.0:9092
  $ strandlog serve --kafka 0.0.0.0:9092 --advertise broker.example:9092
  $ kcat -b 127.0.0.1:9092 -L
`;

export function serveCommand(): Command {
  return new Command("serve")
    .description("be a broker: Kafka's clients produce to the log and consume from it")
    .option("--kafka <host:port>", "where to listen for Kafka's clients", "127.0.0.1:9092")
    .option("--advertise <host:port>", "what clients are told to connect to")
    .option("--no-auto-create-topics", "do not make a topic because a client asks for it")
    .option(
      "--num-partitions <number>",
      "how many partitions a topic gets if nobody says (default: 1)",
      parseInteger,
    )
    .option(
      "--offsets-retention <duration>",
      "how long committed offsets outlive their group's last member; -1: for ever (default: 7d)",
      parseDuration,
    )
    .addHelpText("after", help)
    .action(async (_: unknown, command: Command) => {
      await serve({ ...command.opts(), ...globalOptions(command) });
    });
}

async function serve({
  data,
  json,
  kafka,
  advertise,
  autoCreateTopics,
  numPartitions,
  offsetsRetention,
}: ServeOptions): Promise<void> {
  const startedMs = performance.now();
  const interruption = listenForSignals();
  const options: BrokerOptions = {
    kafka,
    autoCreateTopics,
    ...(advertise === undefined ? {} : { advertise }),
    ...(numPartitions === undefined ? {} : { numPartitions }),
    ...(offsetsRetention === undefined ? {} : { offsetsRetentionMs: offsetsRetention }),
  };
  subscribe("strandlog:broker", (message) => {
    const { error } = message as { error: unknown };
    process.stderr.write(
      `strandlog: a connection was closed: ${error instanceof Error ? error.message : error}\n`,
    );
  });
  await withLog(openForWriting(data), async (log) => {
    await using broker = await listen(log, options);
    const ms = Math.round(performance.now() - startedMs);
    const text = `listening for Kafka's clients on ${broker.bootstrap}, data in ${data}, ready after ${ms} ms`;
    process.stdout.write(`${json ? JSON.stringify({ kafka: broker.bootstrap, data, ms }) : text}\n`);
    if (!interruption.signal.aborted) await once(interruption.signal, "abort");
  });
  interruption.stopListening();
}
