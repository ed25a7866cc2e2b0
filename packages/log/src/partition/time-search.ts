// Finding records by time within a batch.
import { RecordBatch } from "../record/index.js";

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
