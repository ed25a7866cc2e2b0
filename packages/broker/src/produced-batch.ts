// What a batch from a producer must be, besides whole and undamaged, which the log itself checks.
import { ErrorCode } from "@strandlog/protocol";
import type { Refusal } from "./error-codes.js";

// Layout: docs/format/record-batch.md.
const headerBytes = 61;
const lengthAt = 8;
const lengthPrefix = 12;
const magicAt = 16;
const attributesAt = 21;
const lastOffsetDeltaAt = 23;
const producerIdAt = 43;
const baseSequenceAt = 53;
const recordCountAt = 57;
const transactionalBit = 0x10;
const controlBit = 0x20;

/** One batch, as producers of today write them: nothing that only a broker may write. */
export function batchRefusal(records: Buffer | null): Refusal | undefined {
  if (records === null || records.length < headerBytes) return corrupt("there is no whole record batch");
  if (records[magicAt] !== 2) {
    const errorMessage = `message format ${records[magicAt]} is not taken: only 2, which clients speak since 2017`;
    return { errorCode: ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT, errorMessage };
  }
  const length = records.readInt32BE(lengthAt) + lengthPrefix;
  if (length < headerBytes || length > records.length)
    return corrupt(`a batch of ${length} bytes in ${records.length}`);
  if (length < records.length) return invalid("there is more than one batch for the partition");
  const count = records.readInt32BE(recordCountAt);
  if (count <= 0 || records.readInt32BE(lastOffsetDeltaAt) !== count - 1)
    return invalid(`it counts ${count} records`);
  if ((records.readInt16BE(attributesAt) & controlBit) !== 0)
    return invalid("only a broker writes control batches");
  if ((records.readInt16BE(attributesAt) & transactionalBit) !== 0) {
    return { errorCode: ErrorCode.INVALID_TXN_STATE, errorMessage: "there are no transactions yet" };
  }
  const hasProducer = records.readInt32BE(producerIdAt) >= 0;
  if (hasProducer && records.readInt32BE(baseSequenceAt) < 0)
    return invalid("it has a producer and no sequence");
  return undefined;
}

function corrupt(errorMessage: string): Refusal {
  return { errorCode: ErrorCode.CORRUPT_MESSAGE, errorMessage };
}

function invalid(errorMessage: string): Refusal {
  return { errorCode: ErrorCode.INVALID_RECORD, errorMessage };
}
