// Takes records out of a batch. What stays is what it was: its bytes, its offset, its place in the sequence of its
// producer. Only compaction does this; see docs/adr/0016.
import {
  attributeBits,
  batchCrcStart,
  batchField,
  batchHeaderBytes,
  batchPrefixBytes,
  writeInt64,
} from "./batch-format.js";
import { compress } from "./compression.js";
import { crc32c } from "./crc32c.js";
import type { RecordBatch } from "./record-batch.js";
import type { LogRecord } from "./record-cursor.js";

/**
 * The batch with the records that `keeps` is true of, in the order in which it is asked: the very bytes where all stay, a
 * new batch with the same offsets, codec and producer where some go, undefined where all do. Throws CORRUPT_BATCH,
 * CODEC_MISSING.
 */
export function filterBatch(batch: RecordBatch, keeps: (record: LogRecord) => boolean): Buffer | undefined {
  const cursor = batch.cursor(0);
  const kept: Buffer[] = [];
  let count = 0;
  let maxTimestamp = Number.NEGATIVE_INFINITY;
  for (let start = 0; ; start = cursor.position) {
    const record = cursor.take();
    if (record === undefined) break;
    if (!keeps(record)) continue;
    kept.push(cursor.since(start));
    count++;
    maxTimestamp = Math.max(maxTimestamp, record.timestamp);
  }
  if (count === batch.recordCount) return batch.bytes;
  return count === 0 ? undefined : rebuilt(batch, kept, maxTimestamp);
}

/** `kept`: encoded records. Their deltas count from the base offset and the base timestamp, which therefore stay. */
function rebuilt({ bytes, compression }: RecordBatch, kept: readonly Buffer[], maxTimestamp: number): Buffer {
  const records = compress(compression, Buffer.concat(kept));
  const batch = Buffer.allocUnsafe(batchHeaderBytes + records.length);
  batch.set(bytes.subarray(0, batchHeaderBytes));
  batch.set(records, batchHeaderBytes);
  batch.writeInt32BE(batch.length - batchPrefixBytes, batchField.batchLength);
  batch.writeInt32BE(kept.length, batchField.recordCount);
  // The time of the append is that of all records.
  const isStamped = (batch.readInt16BE(batchField.attributes) & attributeBits.logAppendTime) !== 0;
  if (!isStamped) writeInt64(batch, batchField.maxTimestamp, maxTimestamp);
  batch.writeUInt32BE(crc32c(batch, 0, batchCrcStart), batchField.crc);
  return batch;
}
