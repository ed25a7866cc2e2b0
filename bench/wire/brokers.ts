// The brokers that are measured on the wire: ours, and Apache Kafka as one node without ZooKeeper.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { kafkaClasspathFile, kafkaSynced, ours } from "../subjects.js";
import { freePort, type Server, start } from "./server.js";

const command: string = fileURLToPath(
  new URL("../../../packages/strandlog/dist/cli/main.js", import.meta.url),
);
const clusterId: string = Buffer.from("strandlog-bench!").toString("base64url");
/** What Kafka's own scripts start it with. */
const kafkaJvm = [
  ..."-Xms1G -Xmx1G -server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35".split(
    " ",
  ),
  ..."-XX:+ExplicitGCInvokesConcurrent -XX:MaxInlineLevel=15 -Djava.awt.headless=true".split(" "),
];

/** A broker on a directory, to be started as often as one likes. */
export interface Broker {
  readonly version?: string;
  start(): Promise<Server>;
}

/** Kafka and its tools; undefined where they have not been made ready. */
export function kafkaClasspath(): string | undefined {
  return existsSync(kafkaClasspathFile) ? readFileSync(kafkaClasspathFile, "utf8").trim() : undefined;
}

export async function brokerFor(subject: string, directory: string): Promise<Broker> {
  mkdirSync(directory, { recursive: true });
  return subject === ours ? strandlog(directory) : kafka(directory, subject === kafkaSynced);
}

async function strandlog(directory: string): Promise<Broker> {
  const port = await freePort();
  const args = ["--data", join(directory, "data"), "serve", "--kafka", `127.0.0.1:${port}`];
  return { start: () => start([process.execPath, command, ...args], port) };
}

async function kafka(directory: string, isSynced: boolean): Promise<Broker> {
  const classpath = kafkaClasspath() ?? "";
  const [port, controllerPort] = [await freePort(), await freePort()];
  const properties = join(directory, "server.properties");
  const settings = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.quorum.voters": `1@127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    "controller.listener.names": "CONTROLLER",
    "log.dirs": join(directory, "data"),
    "offsets.topic.replication.factor": 1,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "group.initial.rebalance.delay.ms": 0,
    ...(isSynced ? { "log.flush.interval.messages": 1 } : {}),
  };
  const lines = Object.entries(settings).map((pair) => pair.join("="));
  writeFileSync(properties, `${lines.join("\n")}\n`);
  const format = ["-cp", classpath, "kafka.tools.StorageTool", "format", "-t", clusterId, "-c", properties];
  const { status, stderr, stdout } = spawnSync("java", format, { encoding: "utf8" });
  if (status !== 0) throw new Error(`Kafka's storage could not be formatted: ${stderr}${stdout}`);
  const version = /kafka_2\.13-([\d.]+)\.jar/.exec(classpath)?.[1] ?? "";
  const args = [...kafkaJvm, "-cp", classpath, "kafka.Kafka", properties];
  return { version, start: () => start(["java", ...args], port) };
}
