// What is appended: by producers, in bulk, and by queues that are emptied again.
import { openLog, type Topic } from "@strandlog/log";
import { runProducers } from "../producers.js";
import { type Answer, type Request, valuesOf } from "../subject.js";

const mebibyte = 1024 * 1024;
const queueLength = 1000;
const queueKept = 100;

/** Batches to the partitions in turn, each awaited by whoever appended it. */
export async function append(request: Request): Promise<Answer> {
  return withTopic(request, (topic) => runProducers(request, appenderOf(topic, request)));
}

/** Queues of short life: records are deleted long before a checkpoint would come to them. */
export async function queue(request: Request): Promise<Answer> {
  return withTopic(request, (topic) => {
    const { partitions, batchRecords } = request;
    const appendOne = appenderOf(topic, request);
    const appended = new Float64Array(partitions);
    const every = Math.ceil(queueLength / batchRecords);
    return runProducers(request, async (number) => {
      await appendOne(number);
      const partition = number % partitions;
      const batches = (appended[partition] as number) + 1;
      appended[partition] = batches;
      if (batches % every !== 0) return;
      const before = batches * batchRecords - queueKept;
      await topic.partition(partition).deleteRecords(Math.max(0, before));
    });
  });
}

/** As much as the journal takes, once it has its size: no checkpoint is waited for. */
export async function burst(request: Request): Promise<Answer> {
  return withTopic(
    request,
    async (topic, sync) => {
      await appendBytes(topic, request, 320 * mebibyte);
      await topic.partition(0).deleteRecords("latest");
      await sync();
      const began = performance.now();
      const bytes = await appendBytes(topic, request, request.bytes);
      return { bytes, seconds: (performance.now() - began) / 1000 };
    },
    512 * mebibyte,
  );
}

/** Until all of it is in segments, synced, and the log is closed. */
export async function sustained(request: Request): Promise<Answer> {
  const log = await openLog(request.directory);
  const topic = await log.topic("bench", { durability: request.durability });
  const began = performance.now();
  const bytes = await appendBytes(topic, request, request.bytes);
  await log.close();
  return { bytes, seconds: (performance.now() - began) / 1000 };
}

/** Eight at a time, as a producer does it that reads a file. */
export async function appendBytes(topic: Topic, request: Request, bytes: number): Promise<number> {
  const appendOne = appenderOf(topic, request);
  const batches = Math.ceil(bytes / (request.recordBytes * request.batchRecords));
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < batches) await appendOne(next++);
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return batches * request.recordBytes * request.batchRecords;
}

function appenderOf(topic: Topic, request: Request): (number: number) => Promise<unknown> {
  const { partitions, batchRecords, recordBytes } = request;
  const values = valuesOf(recordBytes);
  const valueFor = (number: number): Buffer => values[number % values.length] as Buffer;
  if (batchRecords === 1)
    return (number) => topic.append({ value: valueFor(number), partition: number % partitions });
  return (number) => {
    const partition = number % partitions;
    const records = Array.from({ length: batchRecords }, (_, n) => ({
      value: valueFor(number + n),
      partition,
    }));
    return topic.appendAll(records);
  };
}

async function withTopic(
  { directory, durability, partitions }: Request,
  action: (topic: Topic, sync: () => Promise<void>) => Promise<Answer>,
  tailBytesMax?: number,
): Promise<Answer> {
  const log = await openLog(directory, tailBytesMax === undefined ? {} : { tailBytesMax });
  const topic = await log.topic("bench", { durability, partitions });
  const answer = await action(topic, () => log.sync());
  await log.close();
  return answer;
}
