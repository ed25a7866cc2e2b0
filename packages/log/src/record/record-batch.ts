// The decoder. A RecordBatch is a view of its bytes: header fields are read when asked for, records are decoded
// when iterated, keys and values are slices, not copies.
import { LogError } from "../errors.js";
import {
  attributeBits,
  batchCrcStart,
  batchField,
  batchHeaderBytes,
  batchPrefixBytes,
  readInt64,
  writeInt64,
} from "./batch-format.js";
import { type Compression, compressionFromId, decompress } from "./compression.js";
import { crc32c } from "./crc32c.js";
import { combineCrc32c } from "./crc32c-combine.js";
import { corrupt, type LogRecord, RecordCursor } from "./record-cursor.js";

/** Decompressed records of one batch may not exceed this: a bound against bombs. */
const decompressedBytesMax: number = 256 * 1024 * 1024;
/** Who only looks for a time does not unpack more than this, or than so many times what is packed. */
const searchedBytesMax: number = 4 * 1024 * 1024;
const searchedDensityMax = 8;

export class RecordBatch {
  /** The partition's number within its topic. */
  readonly partition: number;
  /** The whole batch, header included: Kafka's bytes. */
  readonly bytes: Buffer;

  /** Takes bytes as they are; call {@link verify} on any that come from outside. */
  constructor(bytes: Buffer, partition = 0) {
    this.bytes = bytes;
    this.partition = partition;
  }

  get baseOffset(): number {
    return readInt64(this.bytes, batchField.baseOffset);
  }
  get lastOffset(): number {
    return this.baseOffset + this.bytes.readInt32BE(batchField.lastOffsetDelta);
  }
  get nextOffset(): number {
    return this.lastOffset + 1;
  }
  get partitionLeaderEpoch(): number {
    return this.bytes.readInt32BE(batchField.partitionLeaderEpoch);
  }
  get compression(): Compression {
    return compressionFromId(this.bytes.readInt16BE(batchField.attributes) & attributeBits.compression);
  }
  get timestampType(): "create" | "append" {
    return (this.bytes.readInt16BE(batchField.attributes) & attributeBits.logAppendTime) === 0
      ? "create"
      : "append";
  }
  get isControl(): boolean {
    return (this.bytes.readInt16BE(batchField.attributes) & attributeBits.control) !== 0;
  }
  get isTransactional(): boolean {
    return (this.bytes.readInt16BE(batchField.attributes) & attributeBits.transactional) !== 0;
  }
  get baseTimestamp(): number {
    return readInt64(this.bytes, batchField.baseTimestamp);
  }
  get maxTimestamp(): number {
    return readInt64(this.bytes, batchField.maxTimestamp);
  }
  get producerId(): number {
    return readInt64(this.bytes, batchField.producerId);
  }
  get producerEpoch(): number {
    return this.bytes.readInt16BE(batchField.producerEpoch);
  }
  get baseSequence(): number {
    return this.bytes.readInt32BE(batchField.baseSequence);
  }
  get recordCount(): number {
    return this.bytes.readInt32BE(batchField.recordCount);
  }

  /** Throws CORRUPT_BATCH unless the header is consistent and the checksum matches. */
  verify(): this {
    const { bytes } = this;
    const length = bytes.length < batchHeaderBytes ? -1 : batchLengthAt(bytes, 0);
    if (length !== bytes.length) throw corrupt(`its length is ${bytes.length}, its header says ${length}`);
    const expected = bytes.readUInt32BE(batchField.crc);
    const actual = crc32c(bytes, 0, batchCrcStart);
    if (actual !== expected) throw corrupt(`checksum ${actual.toString(16)} is not ${expected.toString(16)}`);
    const count = this.recordCount;
    if (count <= 0 || this.bytes.readInt32BE(batchField.lastOffsetDelta) < count - 1) {
      throw corrupt(`it claims ${count} records up to offset ${this.lastOffset}`);
    }
    if (this.baseOffset < 0) throw corrupt("its base offset is negative");
    if (this.nextOffset > Number.MAX_SAFE_INTEGER) {
      throw new LogError("NUMBER_TOO_LARGE", "the last offset of a record batch is beyond 2^53");
    }
    return this;
  }

  /** The records whose offset is `from` or more, decoded as the iteration reaches them. */
  records(from = 0): IterableIterator<LogRecord, undefined, void> {
    return this.cursor(from);
  }

  /** @internal The same, for who wants no object for each step. */
  cursor(from: number): RecordCursor {
    return new RecordCursor(this, this.#recordBytes(), from);
  }

  /**
   * The first record, from an offset on, that is not older than `timestamp`. Of a batch that unpacks to very much, or
   * cannot be unpacked, where it begins: who looks for a time, or has it looked for, is not to need the memory.
   */
  firstAt(timestamp: number, from: number): { offset: number; timestamp: number } | undefined {
    if (this.maxTimestamp < timestamp) return undefined;
    const bytes = this.#searchedBytes();
    if (bytes === undefined) return { offset: Math.max(this.baseOffset, from), timestamp: this.maxTimestamp };
    for (const record of new RecordCursor(this, bytes, from)) {
      if (record.timestamp >= timestamp) return { offset: record.offset, timestamp: record.timestamp };
    }
    return undefined;
  }

  #searchedBytes(): Buffer | undefined {
    try {
      const dense = Math.min(this.bytes.length * searchedDensityMax, decompressedBytesMax);
      return this.#recordBytes(Math.max(searchedBytesMax, dense));
    } catch (error) {
      if (error instanceof LogError && error.code === "CORRUPT_BATCH") return undefined;
      throw error;
    }
  }

  #recordBytes(bytesMax: number = decompressedBytesMax): Buffer {
    const packed = this.bytes.subarray(batchHeaderBytes);
    const codec = this.compression;
    if (codec === "none") return packed;
    const plain = decompress(codec, packed, bytesMax);
    return Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength);
  }
}

/**
 * The length of the batch that starts at `position`, or −1 when the bytes there cannot be one. At least
 * {@link batchHeaderBytes} must be readable.
 */
export function batchLengthAt(buffer: Buffer, position: number): number {
  const length = buffer.readInt32BE(position + batchField.batchLength) + batchPrefixBytes;
  return length < batchHeaderBytes || buffer[position + batchField.magic] !== 2 ? -1 : length;
}

/** The checksum of a whole batch, header included, from the one that it carries, which covers nearly all of it. */
export function batchChecksum(bytes: Buffer): number {
  const head = crc32c(bytes.subarray(0, batchCrcStart));
  return combineCrc32c(head, bytes.readUInt32BE(batchField.crc), bytes.length - batchCrcStart);
}

/** Gives all records of a batch the time at which it is appended, and the batch the checksum that goes with it. */
export function stampBatch(bytes: Buffer, appendTime: number): void {
  const attributes = bytes.readInt16BE(batchField.attributes) | attributeBits.logAppendTime;
  bytes.writeInt16BE(attributes, batchField.attributes);
  writeInt64(bytes, batchField.maxTimestamp, appendTime);
  bytes.writeUInt32BE(crc32c(bytes, 0, batchCrcStart), batchField.crc);
}

/** Gives a batch the offset and leader epoch that it gets in a partition: both lie outside its checksum. */
export function placeBatch(bytes: Buffer, baseOffset: number, partitionLeaderEpoch: number): void {
  writeInt64(bytes, batchField.baseOffset, baseOffset);
  bytes.writeInt32BE(partitionLeaderEpoch, batchField.partitionLeaderEpoch);
}

/** Where the last of some whole batches ends. */
export function endOfBatches(batches: Buffer): number {
  let last = 0;
  for (let at = 0; at < batches.length; at += batchLengthAt(batches, at)) last = at;
  return new RecordBatch(batches.subarray(last)).nextOffset;
}
