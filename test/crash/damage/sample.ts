// The logs that are damaged: small, but with everything in them that a log can hold. Built the same way each time, so
// that every worker has the same bytes.
import { type Log, openLog, type Topic } from "@strandlog/log";
import { valueFor } from "../content.js";
import { type Contents, contentsOf } from "./contents.js";
import { MemoryFiles } from "./memory-files.js";
import { quickClock } from "./quick-clock.js";

export const directory = "/data";

/** closed: everything is in segments, the journal is empty. killed: the journal holds blocks that count. */
export type Ending = "closed" | "killed";

export interface Sample {
  readonly ending: Ending;
  readonly files: MemoryFiles;
  readonly contents: Contents;
  /** What was there before the journal's last block: whether that one is torn or damaged nobody can tell. */
  readonly before: Contents;
}

const settings = { journalFileBytes: 64 * 1024, journalBytesMax: 256 * 1024 };
const values = { topic: "sample", partition: 0, generation: 0 };

export async function makeSample(ending: Ending): Promise<Sample> {
  const files = new MemoryFiles();
  await files.makeDirectory(directory);
  const first = await openSample(files, 1);
  await fillSegments(first);
  await first.close();
  if (ending === "closed") {
    const contents = await contentsOf(await openSample(files.copy(), 2));
    return { ending, files, contents, before: contents };
  }
  const second = await openSample(files, 3);
  await fillJournal(second);
  const before = await contentsOf(await openSample(files.copy(), 4));
  const plain = await second.existingTopic("plain");
  await plain.appendAll([{ value: "the last block" }, { value: "of the journal" }]);
  const killed = files.copy();
  const contents = await contentsOf(await openSample(killed.copy(), 5));
  return { ending, files: killed, contents, before };
}

export function openSample(files: MemoryFiles, seed: number, readOnly = false): Promise<Log> {
  return openLog(directory, { ...settings, readOnly, fileSystem: files, clock: quickClock(seed) });
}

async function fillSegments(log: Log): Promise<void> {
  const plain = await log.topic("plain", { segmentBytes: 6 * 1024 });
  for (let round = 0; round < 36; round++) {
    const records = Array.from({ length: 1 + (round % 3) }, (_, n) => ({
      key: `key-${round % 5}`,
      value: valueFor(values, round, n)?.subarray(0, 150) ?? null,
      timestamp: 1_760_000_000_000 + round * 1000 + n,
      ...(round % 4 === 0 ? { headers: { round: `${round}` } } : {}),
    }));
    await plain.appendAll(records);
  }
  const even = await log.topic("even");
  for (let n = 0; n < 6; n++) await even.append({ value: `even ${n}`, timestamp: 1_760_000_000_000 });
  const sparse = await log.topic("sparse");
  let offset = 0;
  for (let n = 0; n < 12; n++) {
    await sparse.append({ value: `sparse ${n}`, timestamp: 1_760_000_000_000 + n }, { offset });
    offset += 1 + (n % 3) * 5;
  }
  const table = await log.topic("table", { cleanup: "compact", segmentBytes: 1024 });
  for (let n = 0; n < 12; n++)
    await table.appendAll(
      Array.from({ length: 4 }, (_, index) => ({
        key: index === 0 ? `once-${n}` : `key-${(n + index) % 4}`,
        value: `table ${n} ${index} ${"again and ".repeat(3)}`,
        timestamp: 1_760_000_000_000 + n,
      })),
    );
  await table.compact();
  for (const compression of ["gzip", "snappy", "lz4", "zstd"] as const) {
    const packed = await log.topic(compression, { compression, partitions: compression === "gzip" ? 2 : 1 });
    for (let n = 0; n < 3; n++) await packed.appendAll(packedRecords(packed, n));
  }
  await (await log.topic("gone")).append({ value: "to be deleted" });
  await log.deleteTopic("gone");
  await consume(plain, "billing", 5);
}

/** Each of these is a block of its own. */
async function fillJournal(log: Log): Promise<void> {
  const plain = await log.existingTopic("plain");
  const gzip = await log.existingTopic("gzip");
  await plain.append({ key: "a", value: "first after the opening" });
  await gzip.appendAll(packedRecords(gzip, 7));
  await log.transaction((tx) => {
    tx.append(plain, { value: "of a transaction" });
    tx.append(gzip, { key: "k", value: "of a transaction, elsewhere" });
  });
  await plain.partition(0).deleteRecords(9);
  await consume(plain, "billing", 12);
  await log.topic("late", { partitions: 2 });
  const late = await log.existingTopic("late");
  for (let n = 0; n < 4; n++) await late.append({ value: `late ${n}`, partition: n % 2 });
  const large = valueFor(values, 1, 1) ?? Buffer.alloc(0);
  await plain.append({ value: Buffer.concat(Array.from({ length: 60 }, () => large)).subarray(0, 6000) });
  await (await log.existingTopic("sparse")).append({ value: "far away" }, { offset: 200 });
  await log.topic("short");
  await log.deleteTopic("short");
  await plain.append({ key: "b", value: "once" }, { dedupeId: "id-1", producer: "p" });
  await plain.append({ value: "the last but one" });
}

function packedRecords(topic: Topic, round: number): { key: string; value: string; partition: number }[] {
  return Array.from({ length: 8 }, (_, n) => ({
    key: `key-${n}`,
    value: `${topic.name} ${round} ${n} ${"again and ".repeat(6)}`,
    partition: (round + (n >> 2)) % topic.partitionCount,
  }));
}

async function consume(topic: Topic, group: string, count: number): Promise<void> {
  const consumer = topic.consumer(group, { commit: "explicit" });
  for (let n = 0; n < count; n++) await consumer.next();
  await consumer.commit();
  await consumer.close();
}
