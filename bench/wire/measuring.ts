// What is asked of a broker on the wire: a client's rates, the latency at a fixed rate, or what it takes to be there.
import { setTimeout as sleep } from "node:timers/promises";
import { Admin } from "@platformatic/kafka";
import type { Answer, Request } from "../subject.js";
import { type Broker, brokerFor } from "./brokers.js";
import { type Client, clients } from "./clients.js";
import { latency } from "./latency.js";

const topic = "bench";
const topicsAtOnce = 100;
const settleMs = 3000;

export async function wire(request: Request): Promise<Answer> {
  const client = clients[request.client];
  const missing = client?.missing?.();
  if (missing !== undefined) return { skipped: missing };
  const broker = await brokerFor(request.subject, request.directory);
  const known = broker.version === undefined ? {} : { version: broker.version };
  if (client !== undefined) return { ...(await rates(broker, client, request)), ...known };
  return { ...(await (request.client === "start" ? presence : delay)(broker, request)), ...known };
}

/** Records a second, first into the broker and then out of it. */
async function rates(broker: Broker, client: Client, request: Request): Promise<Answer> {
  const { bytes, recordBytes, partitions, directory } = request;
  const server = await broker.start();
  try {
    const { bootstrap } = server;
    await makeTopics(bootstrap, [topic], partitions);
    const records = Math.ceil(bytes / recordBytes);
    const work = { bootstrap, topic, partitions, records, recordBytes, directory };
    const before = server.processorSeconds();
    const seconds = await client.produce(work);
    const between = server.processorSeconds();
    const readSeconds = await client.consume(work);
    return {
      records,
      bytes: records * recordBytes,
      seconds,
      readSeconds,
      processorSeconds: between - before,
      readProcessorSeconds: server.processorSeconds() - between,
    };
  } finally {
    await server.stop();
  }
}

async function delay(broker: Broker, request: Request): Promise<Answer> {
  const server = await broker.start();
  try {
    await makeTopics(server.bootstrap, [topic], 1);
    return await latency(server.bootstrap, topic, request);
  } finally {
    await server.stop();
  }
}

/** How long it takes to start, without and with as many topics as `partitions` says, and what those cost. */
async function presence(broker: Broker, { partitions }: Request): Promise<Answer> {
  const first = await broker.start();
  await makeTopics(
    first.bootstrap,
    Array.from({ length: partitions }, (_, n) => `idle-${n}`),
    1,
  );
  await first.stop();
  const server = await broker.start();
  await sleep(settleMs);
  const residentBytes = server.residentBytes();
  await server.stop();
  return {
    records: partitions,
    seconds: first.startSeconds,
    reopenSeconds: server.startSeconds,
    residentBytes,
  };
}

async function makeTopics(bootstrap: string, names: readonly string[], partitions: number): Promise<void> {
  const admin = new Admin({ clientId: "bench", bootstrapBrokers: [bootstrap], retries: 10 });
  for (let from = 0; from < names.length; from += topicsAtOnce)
    await admin.createTopics({ topics: names.slice(from, from + topicsAtOnce), partitions, replicas: 1 });
  await admin.close();
}
