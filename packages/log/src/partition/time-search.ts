// Finding records by time within a batch.
import { batchLengthAt, RecordBatch } from "../record/index.js";
import type { ReadResult } from "../storage/contracts.js";

/** The first record of the batch, from an offset on, that is not older than `timestamp`. */
export function firstAt(
  bytes: Buffer,
  timestamp: number,
  from: number,
): { offset: number; timestamp: number } | undefined {
  for (const record of new RecordBatch(bytes).records(from)) {
    if (record.timestamp >= timestamp) return { offset: record.offset, timestamp: record.timestamp };
  }
  return undefined;
}

/** What is searched: a partition. */
interface Searched {
  readonly logStartOffset: number;
  readonly highWatermark: number;
  read(from: number, bytesMax: number): Promise<ReadResult>;
}

const chunkBytes = 1024 * 1024;

/** Where the index leads to a record that has been deleted: looks through what is left, from its start. */
export async function scanForTimestamp(
  partition: Searched,
  timestamp: number,
): Promise<{ offset: number; timestamp: number } | undefined> {
  for (let offset = partition.logStartOffset; offset < partition.highWatermark; ) {
    const { chunks, startOffset } = await partition.read(offset, chunkBytes);
    if (chunks.length === 0) return undefined;
    for (const chunk of chunks) {
      for (let at = 0; at < chunk.length; ) {
        const length = batchLengthAt(chunk, at);
        const bytes = chunk.subarray(at, at + length);
        const batch = new RecordBatch(bytes);
        const found = batch.maxTimestamp < timestamp ? undefined : firstAt(bytes, timestamp, startOffset);
        if (found !== undefined) return found;
        offset = batch.nextOffset;
        at += length;
      }
    }
  }
  return undefined;
}
