// Finding records by time.
import { batchLengthAt, RecordBatch } from "../record/index.js";
import type { Segment } from "../segment/index.js";
import type { ReadResult } from "../storage/contracts.js";
import type { Tail } from "./tail.js";

/** What is searched: a partition. */
interface Searched {
  readonly logStartOffset: number;
  readonly highWatermark: number;
  readonly deleted: boolean;
  readonly segments: readonly Segment[];
  readonly tail: Tail;
  read(from: number, bytesMax: number): Promise<ReadResult>;
}

const chunkBytes = 1024 * 1024;

/** The first visible record that is not older than `timestamp`. */
export async function findByTime(
  partition: Searched,
  timestamp: number,
): Promise<{ offset: number; timestamp: number } | undefined> {
  const { segments } = partition;
  try {
    for (const segment of segments) {
      const found = await segment.offsetForTimestamp(timestamp);
      if (found !== undefined && found.offset >= partition.logStartOffset) return found;
      if (found !== undefined) return scanForTimestamp(partition, timestamp);
    }
  } catch (error) {
    // Deleted or compacted while it was being read: then there are others to look at.
    if (partition.segments === segments || partition.deleted) throw error;
    return findByTime(partition, timestamp);
  }
  for (const batch of partition.tail.from(partition.logStartOffset)) {
    if (batch.baseOffset >= partition.highWatermark) break;
    if (batch.maxTimestamp < timestamp) continue;
    const found = new RecordBatch(batch.bytes).firstAt(timestamp, partition.logStartOffset);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Where the index leads to a record that has been deleted: looks through what is left, from its start. */
async function scanForTimestamp(
  partition: Searched,
  timestamp: number,
): Promise<{ offset: number; timestamp: number } | undefined> {
  for (let offset = partition.logStartOffset; offset < partition.highWatermark; ) {
    const { chunks, startOffset } = await partition.read(offset, chunkBytes);
    if (chunks.length === 0) return undefined;
    for (const chunk of chunks) {
      for (let at = 0; at < chunk.length; ) {
        const length = batchLengthAt(chunk, at);
        const batch = new RecordBatch(chunk.subarray(at, at + length));
        const found = batch.firstAt(timestamp, startOffset);
        if (found !== undefined) return found;
        offset = batch.nextOffset;
        at += length;
      }
    }
  }
  return undefined;
}
