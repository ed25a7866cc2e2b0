import { LogError } from "../errors.js";
import type { RecordBatch } from "../record/index.js";

/** Decodes every record of a batch whose checksum is good. Answers what is wrong, or that it could not be told. */
export function checkRecords(batch: RecordBatch): { problem?: string; unchecked?: string } {
  let last = batch.baseOffset - 1;
  try {
    for (const record of batch.records()) {
      if (record.offset <= last || record.offset > batch.lastOffset) {
        return { problem: `record ${record.offset} is out of order in its batch` };
      }
      last = record.offset;
      void record.headers; // Decoded when asked for.
    }
  } catch (error) {
    const message = (error as Error).message;
    return error instanceof LogError && error.code === "CODEC_MISSING"
      ? { unchecked: message }
      : { problem: `its records do not decode: ${message}` };
  }
  return {};
}
