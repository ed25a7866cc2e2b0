// The fixed workloads. Each answers its figure and, beside it, the raw disk's from the same moment.
import { readdirSync, rmSync } from "node:fs";
import { type Log, openLog, type Topic } from "@strandlog/log";
import { RawFile, readMegabytesPerSecond } from "./raw-disk.js";

export interface Measurement {
  readonly value: number;
  readonly raw: number;
}

export interface Workload {
  readonly name: string;
  readonly unit: string;
  /** What the raw figure is. */
  readonly against: string;
  run(directory: string, seconds: number): Promise<Measurement>;
}

const mebibyte = 1024 * 1024;
// One record that fills a batch of a mebibyte.
const bulkValueBytes = mebibyte - 200;

export const workloads: readonly Workload[] = [
  ...[1, 16, 256, 4096].map(durableAppends),
  bulkAppends("burst", 48),
  bulkAppends("sustained", 1024),
  {
    name: "read records of 100 B",
    unit: "records/s",
    against: "reading the same files raw, at the same record size",
    run: (directory) => withSegments(directory, 100, 1_000_000, readRecords),
  },
  {
    name: "read raw batches",
    unit: "MB/s",
    against: "reading the same files raw",
    run: (directory) => withSegments(directory, bulkValueBytes, 512, readBatches),
  },
];

function durableAppends(inFlight: number): Workload {
  return {
    name: `append 100 B durably, ${inFlight} in flight`,
    unit: "appends/s",
    against: "write + fdatasync of the same blocks, times the appends in each",
    async run(directory, seconds) {
      const value = Buffer.alloc(100, "x");
      return withLog(directory, async (log, topic) => {
        let count = 0;
        let isOver = false;
        const append = async (): Promise<void> => {
          while (!isOver) {
            await topic.append({ value });
            count++;
          }
        };
        const lanes = (ms: number): Promise<void>[] => {
          isOver = false;
          setTimeout(() => {
            isOver = true;
          }, ms);
          return Array.from({ length: inFlight }, append);
        };
        await Promise.all(lanes(seconds * 250)); // Until the code is compiled and the journal has its size.
        count = 0;
        const before = (await log.stats()).storage;
        const started = performance.now();
        await Promise.all(lanes(seconds * 1000));
        const value1 = (count / (performance.now() - started)) * 1000;
        const after = (await log.stats()).storage;
        const blocks = after.journalBlocks - before.journalBlocks;
        const blockBytes =
          Math.round((after.journalBlockBytes - before.journalBlockBytes) / blocks / 4096) * 4096;
        const file = new RawFile(`${directory}.raw`, 64 * mebibyte);
        const rawBlocks = await file.syncedWritesPerSecond(Math.max(blockBytes, 4096), seconds / 2);
        file.close();
        return { value: value1, raw: rawBlocks * (count / blocks) };
      });
    },
  };
}

function bulkAppends(kind: "burst" | "sustained", megabytes: number): Workload {
  return {
    name: `append 1 MiB batches durably, ${kind} (${megabytes} MiB)`,
    unit: "MB/s",
    against: "write + fdatasync of 1 MiB on an overwritten file",
    async run(directory) {
      const value = Buffer.alloc(bulkValueBytes, "x");
      return withLog(
        directory,
        async (log, topic) => {
          if (kind === "burst") await append(topic, value, 160); // The journal's files are made and free again.
          await log.sync();
          const started = performance.now();
          await append(topic, value, megabytes);
          if (kind === "sustained") await log.close(); // All of it is in segments, synced a second time.
          const rate = (megabytes * mebibyte) / 1000 / (performance.now() - started);
          const file = new RawFile(`${directory}.raw`, 512 * mebibyte);
          const raw = await file.syncedMegabytesPerSecond(mebibyte, Math.min(megabytes, 512) * mebibyte);
          file.close();
          return { value: rate, raw };
        },
        kind === "burst" ? 512 * mebibyte : undefined,
      );
    },
  };
}

async function append(topic: Topic, value: Buffer, count: number): Promise<void> {
  // Eight at a time, awaited: as a producer that reads a file does it.
  let left = count;
  const worker = async (): Promise<void> => {
    while (left-- > 0) await topic.append({ value });
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

async function withLog<T>(
  directory: string,
  action: (log: Log, topic: Topic) => Promise<T>,
  tailBytesMax?: number,
): Promise<T> {
  rmSync(directory, { recursive: true, force: true });
  const log = await openLog(directory, tailBytesMax === undefined ? {} : { tailBytesMax });
  try {
    return await action(log, await log.topic("bench"));
  } finally {
    await log.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function withSegments(
  directory: string,
  valueBytes: number,
  count: number,
  action: (topic: Topic, paths: readonly string[], count: number) => Promise<Measurement>,
): Promise<Measurement> {
  return withLog(directory, async (log, topic) => {
    const value = Buffer.alloc(valueBytes, "x");
    for (let n = 0; n < count; n++) {
      const receipt = topic.append({ value });
      if (n % 2000 === 1999 || valueBytes > 10_000) await receipt;
    }
    await log.close();
    const paths = readdirSync(`${directory}/topics/bench-0`).filter((name) => name.endsWith(".log"));
    const again = await openLog(directory);
    try {
      return await action(
        await again.topic("bench"),
        paths.map((name) => `${directory}/topics/bench-0/${name}`),
        count,
      );
    } finally {
      await again.close();
    }
  });
}

async function readRecords(topic: Topic, paths: readonly string[], expected: number): Promise<Measurement> {
  const started = performance.now();
  let count = 0;
  let bytes = 0;
  for await (const record of topic.partition(0).read()) {
    count++;
    bytes += record.value?.length ?? 0;
  }
  const value = (count / (performance.now() - started)) * 1000;
  if (count !== expected) throw new Error(`${count} records came back instead of ${expected}`);
  return { value, raw: (readMegabytesPerSecond(paths) * 1e6) / (bytes / count) };
}

async function readBatches(topic: Topic, paths: readonly string[]): Promise<Measurement> {
  const started = performance.now();
  let bytes = 0;
  for await (const batch of topic.partition(0).readBatches()) bytes += batch.bytes.length;
  return { value: bytes / 1000 / (performance.now() - started), raw: readMegabytesPerSecond(paths) };
}
