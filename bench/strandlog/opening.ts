// What it takes to open: after kill -9, and with very many topics that nobody uses.
import { readdirSync } from "node:fs";
import { openLog } from "@strandlog/log";
import type { Answer, Request } from "../subject.js";
import { appendBytes } from "./appending.js";

const topicsAtOnce = 64;

/** Leaves what a killed process leaves. */
export async function fill(request: Request): Promise<Answer> {
  const log = await openLog(request.directory);
  const topic = await log.topic("bench", { durability: request.durability, partitions: request.partitions });
  const bytes = await appendBytes(topic, request, request.bytes);
  process.stdout.write(`${JSON.stringify({ bytes })}\n`, () => process.kill(process.pid, "SIGKILL"));
  return new Promise(() => undefined);
}

/** Until the first record is appended durably. */
export async function open({ directory }: Request): Promise<Answer> {
  const began = performance.now();
  const log = await openLog(directory);
  const topic = await log.existingTopic("bench");
  await topic.append({ value: "the first one" });
  const seconds = (performance.now() - began) / 1000;
  await log.close();
  return { records: 1, seconds };
}

/** As many topics as `partitions` says, each with one record, closed. */
export async function makeTopics({ directory, partitions }: Request): Promise<Answer> {
  const log = await openLog(directory);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < partitions) await (await log.topic(`idle-${next++}`)).append({ value: "x" });
  };
  await Promise.all(Array.from({ length: topicsAtOnce }, worker));
  await log.close();
  return { records: partitions };
}

/** What they cost while nobody uses them. Run with --expose-gc. */
export async function idle({ directory }: Request): Promise<Answer> {
  const before = heapBytes();
  const began = performance.now();
  const log = await openLog(directory);
  const seconds = (performance.now() - began) / 1000;
  const heap = heapBytes() - before;
  const descriptors = process.platform === "linux" ? readdirSync("/proc/self/fd").length : 0;
  const topics = await log.topics();
  await log.close();
  return { records: topics.length, seconds, heapBytes: heap, descriptors };
}

function heapBytes(): number {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) throw new Error("start it with --expose-gc");
  for (let turn = 0; turn < 3; turn++) gc();
  return process.memoryUsage().heapUsed;
}
