// A client that does nothing wrong, in a process of its own: it produces one record after the other, reads all of them
// back as a member of a group, and tells how long it had to wait. Whatever fails is told, nothing is tried again.
import { setTimeout as sleep } from "node:timers/promises";
import { Kafka, logLevel, Partitioners } from "kafkajs";

export type Phase = "calm" | "attacked";

export type Order = { readonly port: number } | { readonly phase: Phase } | { readonly end: true };

export interface Waits {
  readonly requests: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface GoodReport {
  readonly waits: Readonly<Record<Phase, Waits>>;
  readonly failures: readonly string[];
}

const pauseMs = 5;
const lastRecordsMsMax = 60_000;
const failuresMax = 10;
const topic = "good";
const failures: string[] = [];
const waited: Record<Phase, number[]> = { calm: [], attacked: [] };
const seen = new Set<string>();
let phase: Phase = "calm";
let isEnding = false;

async function run(port: number): Promise<void> {
  const kafka = new Kafka({
    brokers: [`127.0.0.1:${port}`],
    logLevel: logLevel.NOTHING,
    // It tries nothing again, so it must not give up early either: kafkajs waits for a second otherwise.
    retry: { retries: 0 },
    connectionTimeout: 30_000,
  });
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  const consumer = kafka.consumer({ groupId: "good", maxWaitTimeInMs: 50 });
  const admin = kafka.admin();
  await Promise.all([producer.connect(), consumer.connect(), admin.connect()]);
  await admin.createTopics({ topics: [{ topic }] });
  await consumer.subscribe({ topic, fromBeginning: true });
  consumer.on("consumer.crash", ({ payload }) => void fail(`the consumer crashed: ${payload.error.message}`));
  await consumer.run({
    eachMessage: async ({ message }) => {
      seen.add(String(message.value));
    },
  });
  process.send?.("ready");
  let sent = 0;
  while (!isEnding) {
    const began = performance.now();
    await producer.send({ topic, messages: [{ value: String(sent) }] }).then(() => sent++, fail);
    waited[phase].push(performance.now() - began);
    await sleep(pauseMs);
  }
  for (const end = performance.now() + lastRecordsMsMax; seen.size < sent && performance.now() < end; )
    await sleep(pauseMs);
  if (seen.size < sent) fail(new Error(`${sent - seen.size} of ${sent} records were not read`));
  const report: GoodReport = {
    waits: { calm: waits(waited.calm), attacked: waits(waited.attacked) },
    failures,
  };
  process.send?.(report, () => process.exit());
}

function fail(error: unknown): void {
  if (failures.length < failuresMax) failures.push(error instanceof Error ? error.message : String(error));
}

function waits(all: number[]): Waits {
  const sorted = all.sort((one, other) => one - other);
  const p99Ms = sorted[Math.ceil(sorted.length * 0.99) - 1] ?? 0;
  return { requests: sorted.length, p99Ms, maxMs: sorted.at(-1) ?? 0 };
}

process.on("message", (order: Order) => {
  if ("end" in order) isEnding = true;
  else if ("phase" in order) phase = order.phase;
  else
    run(order.port).catch((error: unknown) => {
      fail(error);
      const none = { requests: 0, p99Ms: 0, maxMs: 0 };
      process.send?.({ waits: { calm: none, attacked: none }, failures }, () => process.exit());
    });
});
process.on("disconnect", () => process.exit());
