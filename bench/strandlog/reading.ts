// What is read: records one by one, raw batches, and both beside a writer.
import { type Log, openLog, type Topic } from "@strandlog/log";
import { runProducers } from "../producers.js";
import { type Answer, latencyOf, type Request, valuesOf } from "../subject.js";
import { appendBytes } from "./appending.js";

export async function read(request: Request): Promise<Answer> {
  return withSegments(request, async (topic) => {
    let records = 0;
    let bytes = 0;
    let sum = 0;
    for await (const { value } of topic.partition(0).read()) {
      records++;
      bytes += value?.length ?? 0;
      sum += value?.[0] ?? 0;
    }
    if (sum === 0) throw new Error("the records that were read are empty");
    return { records, bytes };
  });
}

/** Whole batches, checked, not decoded. */
export async function readBatches(request: Request): Promise<Answer> {
  return withSegments(request, async (topic) => {
    let records = 0;
    let bytes = 0;
    for await (const batch of topic.partition(0).readBatches()) {
      records += batch.recordCount;
      bytes += batch.bytes.length;
    }
    return { records, bytes };
  });
}

/** A writer beside readers that read all there is, again and again, in the same process. */
export async function readers(request: Request): Promise<Answer> {
  return withLog(request, async (log) => {
    const topic = await log.topic("bench");
    const other = await log.topic("read");
    await appendBytes(
      other,
      { ...request, recordBytes: 1024, batchRecords: 256, partitions: 1 },
      request.bytes,
    );
    const end = new AbortController();
    let bytesRead = 0;
    const reader = async (): Promise<void> => {
      while (!end.signal.aborted) {
        for await (const batch of other.partition(0).readBatches()) {
          bytesRead += batch.bytes.length;
          if (end.signal.aborted) return;
        }
      }
    };
    const reading = Array.from({ length: request.readers }, reader);
    const values = valuesOf(request.recordBytes);
    const answer = await runProducers(request, (number) =>
      topic.append({ value: values[number % values.length] as Buffer }),
    );
    end.abort();
    await Promise.all(reading);
    if (request.readers > 0 && bytesRead === 0) throw new Error("nothing was read beside the writer");
    return answer;
  });
}

/** From the append to the follower that has the record, at a steady rate that leaves the log idle in between. */
export async function follow(request: Request): Promise<Answer> {
  return withLog(request, async (log) => {
    const topic = await log.topic("bench", { durability: request.durability });
    const times: number[] = [];
    const sent: number[] = [];
    const end = new AbortController();
    const following = (async () => {
      try {
        for await (const { offset } of topic.partition(0).read({ follow: true, signal: end.signal }))
          times.push(performance.now() - (sent[offset] as number));
      } catch (error) {
        if (!end.signal.aborted) throw error;
      }
    })();
    const values = valuesOf(request.recordBytes);
    const appendUntil = async (ends: number): Promise<number> => {
      while (performance.now() < ends) {
        const receipt = topic.append({ value: values[sent.length % values.length] as Buffer });
        sent.push(performance.now());
        await receipt;
      }
      return sent.length;
    };
    const warmedUp = await appendUntil(performance.now() + request.seconds * 1000);
    await appendUntil(performance.now() + request.seconds * 1000);
    while (times.length < sent.length) await new Promise(setImmediate);
    end.abort();
    await following;
    const measured = times.slice(warmedUp);
    return { records: measured.length, seconds: request.seconds, latencyMicros: latencyOf(measured) };
  });
}

async function withSegments(
  request: Request,
  pass: (topic: Topic) => Promise<{ records: number; bytes: number }>,
): Promise<Answer> {
  await withLog(request, async (log) => {
    const batchRecords = Math.max(1, Math.floor(65_536 / request.recordBytes));
    const topic = await log.topic("bench", { durability: "os" });
    await appendBytes(topic, { ...request, batchRecords, partitions: 1 }, request.bytes);
  });
  return withLog(request, async (log) => {
    const topic = await log.existingTopic("bench");
    let records = 0;
    let bytes = 0;
    let began = performance.now();
    const ends = began + request.seconds * 1250;
    // The first time is to warm up.
    for (let passes = 0; passes < 2 || performance.now() < ends; passes++) {
      const read = await pass(topic);
      if (passes === 0) began = performance.now();
      else {
        records += read.records;
        bytes += read.bytes;
      }
    }
    return { records, bytes, seconds: (performance.now() - began) / 1000 };
  });
}

async function withLog<T>({ directory }: Request, action: (log: Log) => Promise<T>): Promise<T> {
  const log = await openLog(directory);
  const result = await action(log);
  await log.close();
  return result;
}
