// Where each field of a Kafka RecordBatch v2 lies, and how 64-bit numbers are read and written.
// Layout and source: docs/format/record-batch.md.
import { LogError } from "../errors.js";

export const batchField = {
  baseOffset: 0,
  batchLength: 8,
  partitionLeaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  recordCount: 57,
} as const;

/** Bytes before the first record. */
export const batchHeaderBytes = 61;
/** baseOffset and batchLength: what batchLength does not count. */
export const batchPrefixBytes = 12;
/** The checksum covers the batch from here to its end. */
export const batchCrcStart: number = batchField.attributes;

export const attributeBits = {
  compression: 0x07,
  logAppendTime: 0x08,
  transactional: 0x10,
  control: 0x20,
} as const;

export function writeInt64(buffer: Buffer, position: number, value: number): void {
  // Byte by byte: Node's own calls make an object of a number beyond 2^31.
  const high = Math.floor(value / 0x1_0000_0000);
  buffer[position] = high >>> 24;
  buffer[position + 1] = high >>> 16;
  buffer[position + 2] = high >>> 8;
  buffer[position + 3] = high;
  buffer[position + 4] = value >>> 24;
  buffer[position + 5] = value >>> 16;
  buffer[position + 6] = value >>> 8;
  buffer[position + 7] = value;
}

export function readInt64(buffer: Buffer, position: number): number {
  const value = buffer.readInt32BE(position) * 0x1_0000_0000 + buffer.readUInt32BE(position + 4);
  if (!Number.isSafeInteger(value)) {
    throw new LogError("NUMBER_TOO_LARGE", `a 64-bit field at byte ${position} is beyond 2^53`);
  }
  return value;
}
