// How far a group is behind.
import { batchLengthAt, RecordBatch } from "../record/index.js";
import { endOffset, type Isolation, type ReadSource } from "./read-source.js";

export interface PartitionLag {
  readonly partition: number;
  /** The next record that the group wants. */
  readonly committed: number;
  /** The end of what readers see: for a consumer with "read_committed" the last stable offset. */
  readonly end: number;
  /** Records from there to the end, by their offsets: gaps count. */
  readonly records: number;
  /** Bytes of the batches from there on. */
  readonly bytes: number;
  /** Age of the first of them, in milliseconds; 0 if there is none. */
  readonly ms: number;
}

/** The sums over all partitions, but `ms` is the largest. */
export interface GroupLag {
  readonly records: number;
  readonly bytes: number;
  readonly ms: number;
  readonly partitions: readonly PartitionLag[];
}

export async function lagOf(
  sources: readonly ReadSource[],
  committed: (partition: number) => number,
  nowMs: number,
  isolation?: Isolation,
): Promise<GroupLag> {
  const partitions = await Promise.all(
    sources.map((source) => partitionLag(source, committed(source.partition), nowMs, isolation)),
  );
  return {
    records: partitions.reduce((sum, { records }) => sum + records, 0),
    bytes: partitions.reduce((sum, { bytes }) => sum + bytes, 0),
    ms: partitions.reduce((most, { ms }) => Math.max(most, ms), 0),
    partitions,
  };
}

async function partitionLag(
  source: ReadSource,
  committed: number,
  nowMs: number,
  isolation: Isolation | undefined,
): Promise<PartitionLag> {
  await source.settle();
  const { storage, id, partition } = source;
  const { logStartOffset, highWatermark, bytesFrom } = await storage.describe(id, committed);
  const end = Math.min(highWatermark, await endOffset(source, isolation));
  const from = Math.max(committed, logStartOffset);
  const records = Math.max(0, end - from);
  if (records === 0) return { partition, committed, end, records, bytes: 0, ms: 0 };
  const undecided = end < highWatermark ? (await storage.describe(id, end)).bytesFrom : 0;
  const bytes = Math.max(0, bytesFrom - undecided);
  const timestamp = await timestampAt(source, from);
  const ms = timestamp === undefined ? 0 : Math.max(0, nowMs - timestamp);
  return { partition, committed, end, records, bytes, ms };
}

async function timestampAt(
  { storage, id, partition }: ReadSource,
  offset: number,
): Promise<number | undefined> {
  const { chunks, startOffset } = await storage.read(id, offset, 1);
  const [chunk] = chunks;
  if (chunk === undefined) return undefined;
  const batch = new RecordBatch(chunk.subarray(0, batchLengthAt(chunk, 0)), partition);
  for (const { timestamp } of batch.records(startOffset)) return timestamp;
  return undefined;
}
