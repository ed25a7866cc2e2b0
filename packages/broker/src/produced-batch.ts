// What a batch from a producer must be, besides whole and undamaged, which the log itself checks.
import { ErrorCode } from "@strandlog/protocol";
import type { Producer } from "./coordinator/transaction-state.js";
import type { Refusal } from "./error-codes.js";

// Layout: docs/format/record-batch.md.
const headerBytes = 61;
const lengthAt = 8;
const lengthPrefix = 12;
const magicAt = 16;
const attributesAt = 21;
const lastOffsetDeltaAt = 23;
const timestampsAt = [27, 35];
const maxTimestampAt = 35;
const producerIdAt = 43;
const producerEpochAt = 51;
const baseSequenceAt = 53;
const recordCountAt = 57;
/** A record takes at least this: seven fields of a byte each. */
const recordBytesMin = 7;
const codecBits = 0x07;
const codecMax = 4;
const appendTimeBit = 0x08;
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
  return attributesRefusal(records, count) ?? timestampsRefusal(records) ?? producerRefusal(records);
}

/** Who has written it, if it is part of a transaction. */
export function transactionalProducer(records: Buffer): Producer | undefined {
  if ((records.readInt16BE(attributesAt) & transactionalBit) === 0) return undefined;
  return {
    producerId: Number(records.readBigInt64BE(producerIdAt)),
    producerEpoch: records.readInt16BE(producerEpochAt),
  };
}

/** The bytes, to be kept for long: they must not hold a frame in memory that is much larger. */
export function owned(records: Buffer): Buffer {
  if (records.length * 2 >= records.buffer.byteLength) return records;
  const copy = Buffer.allocUnsafeSlow(records.length);
  records.copy(copy);
  return copy;
}

/** Of a batch that was appended: the time that the topic has given it; -1 if its records have kept their own. */
export function appendTimeOf(batch: Buffer): number {
  const isStamped = (batch.readInt16BE(attributesAt) & appendTimeBit) !== 0;
  return isStamped ? Number(batch.readBigInt64BE(maxTimestampAt)) : -1;
}

function attributesRefusal(records: Buffer, count: number): Refusal | undefined {
  const attributes = records.readInt16BE(attributesAt);
  const codec = attributes & codecBits;
  if (codec > codecMax) {
    const errorMessage = `compression ${codec} is not known`;
    return { errorCode: ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, errorMessage };
  }
  if (codec === 0 && count * recordBytesMin > records.length - headerBytes)
    return invalid(`it counts ${count} records in ${records.length - headerBytes} bytes`);
  if ((attributes & appendTimeBit) !== 0) return untimely("only a broker writes the time of the append");
  if ((attributes & controlBit) !== 0) return invalid("only a broker writes control batches");
  const isOfNobody = records.readInt32BE(producerIdAt) < 0;
  if ((attributes & transactionalBit) !== 0 && isOfNobody)
    return invalid("it is transactional and has no producer");
  return undefined;
}

/** -1 stands for none. */
function timestampsRefusal(records: Buffer): Refusal | undefined {
  const isFit = timestampsAt.every((at) => isWhole(records, at) || records.readBigInt64BE(at) === -1n);
  return isFit ? undefined : untimely("a timestamp is negative or beyond 2^53");
}

function producerRefusal(records: Buffer): Refusal | undefined {
  if (records.readInt32BE(producerIdAt) < 0) return undefined;
  if (!isWhole(records, producerIdAt)) return invalid("its producer's id is beyond 2^53");
  if (records.readInt32BE(baseSequenceAt) < 0) return invalid("it has a producer and no sequence");
  return undefined;
}

/** Whether a 64-bit number is not negative, and one that is exact here. */
function isWhole(records: Buffer, at: number): boolean {
  const high = records.readInt32BE(at);
  return high >= 0 && high < 2 ** 21;
}

function corrupt(errorMessage: string): Refusal {
  return { errorCode: ErrorCode.CORRUPT_MESSAGE, errorMessage };
}

function untimely(errorMessage: string): Refusal {
  return { errorCode: ErrorCode.INVALID_TIMESTAMP, errorMessage };
}

function invalid(errorMessage: string): Refusal {
  return { errorCode: ErrorCode.INVALID_RECORD, errorMessage };
}
