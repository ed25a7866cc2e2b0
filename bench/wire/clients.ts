// The clients that put brokers to work: each produces so many records, and another of its kind consumes them.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { Consumer, ProduceAcks, Producer } from "@platformatic/kafka";
import { valuesOf } from "../subject.js";
import { prepare } from "../subjects.js";
import { kafkaClasspath } from "./brokers.js";

const runMsMax = 300_000;
const sendBytes = 64 * 1024;
const sendsInFlight = 8;

/** What is to be produced to a topic that is there, or consumed from its beginning. */
interface Work {
  readonly bootstrap: string;
  readonly topic: string;
  readonly partitions: number;
  readonly records: number;
  readonly recordBytes: number;
  readonly directory: string;
}

/** Both answer how many seconds it took. */
export interface Client {
  /** Why it cannot be used here. */
  missing?(): string | undefined;
  produce(work: Work): Promise<number>;
  consume(work: Work): Promise<number>;
}

/** Kafka's own tools; the figures are what they print. Connecting and joining a group do not count. */
const java: Client = {
  missing() {
    return kafkaClasspath() === undefined ? `Kafka's tools are not there: ${prepare}` : undefined;
  },
  async produce({ bootstrap, topic, records, recordBytes }) {
    const load = ["--topic", topic, "--num-records", `${records}`, "--record-size", `${recordBytes}`];
    const how = ["--throughput", "-1", "--producer-props", `bootstrap.servers=${bootstrap}`, "acks=all"];
    const said = await tool("org.apache.kafka.tools.ProducerPerformance", [...load, ...how]);
    const summary = said.trim().split("\n").at(-1) ?? "";
    const rate = /^(\d+) records sent, ([\d.]+) records\/sec/.exec(summary);
    if (Number(rate?.[1]) !== records) throw new Error(`ProducerPerformance said: ${said.slice(-1000)}`);
    return records / Number(rate?.[2]);
  },
  async consume({ bootstrap, topic, records }) {
    const args = ["--bootstrap-server", bootstrap, "--topic", topic, "--messages", `${records}`];
    const said = await tool("org.apache.kafka.tools.ConsumerPerformance", [...args, "--timeout", "60000"]);
    // start, end, MB, MB/s, records, records/s, ms to join, ms to fetch, MB/s, records/s
    const columns = (said.trim().split("\n").at(-1) ?? "").split(",").map((column) => column.trim());
    if (Number(columns[4]) < records) throw new Error(`ConsumerPerformance said: ${said.slice(-1000)}`);
    return Number(columns[4]) / Number(columns[9]);
  },
};

/** The whole run of the program counts, from its start to its end. */
const kcat: Client = {
  missing() {
    return spawnSync("kcat", ["-V"]).error === undefined ? undefined : "kcat is not installed";
  },
  async produce({ bootstrap, topic, records, recordBytes, directory }) {
    const file = join(directory, "lines.txt");
    await writeLines(file, records, recordBytes);
    return timed("kcat", ["-P", "-b", bootstrap, "-t", topic, "-X", "acks=all", "-l", file]);
  },
  consume({ bootstrap, topic, records }) {
    return timed("kcat", ["-C", "-q", "-b", bootstrap, "-t", topic, "-o", "beginning", "-c", `${records}`]);
  },
};

/** A client in Node, in this process: eight sends of 64 KiB in flight. */
const platformatic: Client = {
  async produce({ bootstrap, topic, partitions, records, recordBytes }) {
    const producer = new Producer({
      clientId: "bench",
      bootstrapBrokers: [bootstrap],
      acks: ProduceAcks.ALL,
    });
    const values = valuesOf(recordBytes);
    const each = Math.ceil(sendBytes / recordBytes);
    let next = 0;
    const send = async (): Promise<void> => {
      while (next < records) {
        const first = next;
        next = Math.min(records, first + each);
        const partition = Math.floor(first / each) % partitions;
        const messages = Array.from({ length: next - first }, (_, n) => ({
          topic,
          partition,
          value: values[n % values.length] as Buffer,
        }));
        await producer.send({ messages });
      }
    };
    await producer.metadata({ topics: [topic] });
    const began = performance.now();
    await Promise.all(Array.from({ length: sendsInFlight }, send));
    const seconds = (performance.now() - began) / 1000;
    await producer.close();
    return seconds;
  },
  async consume({ bootstrap, topic, records }) {
    const consumer = new Consumer({ clientId: "bench", groupId: "bench", bootstrapBrokers: [bootstrap] });
    const stream = await consumer.consume({ topics: [topic], mode: "earliest", autocommit: false });
    let left = records;
    let began = 0;
    for await (const _ of stream) {
      if (began === 0) began = performance.now();
      if (--left === 0) break;
    }
    const seconds = (performance.now() - began) / 1000;
    await consumer.close(true);
    return seconds;
  },
};

export const clients: Readonly<Record<string, Client>> = { java, kcat, platformatic };

async function tool(name: string, args: readonly string[]): Promise<string> {
  const jvm = ["-Xmx512M", "-cp", kafkaClasspath() ?? "", name];
  const child = spawn("java", [...jvm, ...args], { stdio: ["ignore", "pipe", "ignore"], timeout: runMsMax });
  return text(child.stdout);
}

async function timed(program: string, args: readonly string[]): Promise<number> {
  const began = performance.now();
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"], timeout: runMsMax });
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, "close")]);
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${said.slice(-1000)}`);
  return (performance.now() - began) / 1000;
}

/** A record a line. */
async function writeLines(file: string, records: number, recordBytes: number): Promise<void> {
  const lines = valuesOf(recordBytes).map((value) => `${value.toString("latin1").replaceAll("\n", " ")}\n`);
  const output = createWriteStream(file);
  const chunk = lines.join("");
  for (let left = records; left > 0; left -= lines.length) {
    const part = left >= lines.length ? chunk : lines.slice(0, left).join("");
    if (!output.write(part)) await once(output, "drain");
  }
  output.end();
  await once(output, "close");
}
