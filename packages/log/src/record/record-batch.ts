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
import { VarintReader } from "./varint.js";

/** Decompressed records of one batch may not exceed this: a bound against bombs. */
const decompressedBytesMax: number = 256 * 1024 * 1024;

export type Header = readonly [name: string, value: Buffer | null];

/** One record. Key, value and headers are views of the batch's memory: copy them to keep them apart from it. */
export class LogRecord {
  readonly partition: number;
  readonly offset: number;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly #headerSource: Buffer | undefined;

  constructor(
    partition: number,
    offset: number,
    timestamp: number,
    key: Buffer | null,
    value: Buffer | null,
    headerSource: Buffer | undefined,
  ) {
    this.partition = partition;
    this.offset = offset;
    this.timestamp = timestamp;
    this.key = key;
    this.value = value;
    this.#headerSource = headerSource;
  }

  /** Decoded when asked for. */
  get headers(): readonly Header[] {
    return this.#headerSource === undefined ? [] : decodeHeaders(this.#headerSource);
  }
}

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
    const actual = crc32c(bytes.subarray(batchCrcStart));
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
  *records(from = 0): Generator<LogRecord, void, void> {
    const source = this.#recordBytes();
    const reader = new VarintReader(source, 0, source.length);
    const { baseOffset, baseTimestamp, partition } = this;
    // Small integers, so that checking the order costs next to nothing.
    const lastDelta = this.bytes.readInt32BE(batchField.lastOffsetDelta);
    let nextDelta = 0;
    const appendTime = this.timestampType === "append" ? this.maxTimestamp : undefined;
    for (let left = this.recordCount; left > 0; left--) {
      const length = reader.next();
      const end = reader.position + length;
      if (length < 0 || end > source.length) throw corrupt("a record is longer than its batch");
      reader.position++;
      const timestamp = appendTime ?? baseTimestamp + reader.nextLong();
      if (appendTime !== undefined) reader.nextLong();
      if (timestamp > Number.MAX_SAFE_INTEGER || timestamp < Number.MIN_SAFE_INTEGER) {
        throw new LogError("NUMBER_TOO_LARGE", "a timestamp is beyond 2^53");
      }
      const delta = reader.next();
      const offset = baseOffset + delta;
      if (delta < nextDelta || delta > lastDelta) throw corrupt(`offset ${offset} is out of order`);
      nextDelta = delta + 1;
      if (offset < from) {
        reader.position = end;
        continue;
      }
      const key = readBytes(source, reader, end);
      const value = readBytes(source, reader, end);
      if (reader.position >= end) throw corrupt("a record is shorter than its fields");
      const headers = source[reader.position] === 0 ? undefined : source.subarray(reader.position, end);
      if (headers === undefined && reader.position + 1 !== end)
        throw corrupt("a record is longer than its fields");
      reader.position = end;
      yield new LogRecord(partition, offset, timestamp, key, value, headers);
    }
    if (reader.position !== source.length) throw corrupt("bytes are left over after its last record");
  }

  #recordBytes(): Buffer {
    const packed = this.bytes.subarray(batchHeaderBytes);
    const codec = this.compression;
    if (codec === "none") return packed;
    const plain = decompress(codec, packed, decompressedBytesMax);
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

/** Gives a batch the offset and leader epoch that it gets in a partition: both lie outside its checksum. */
export function placeBatch(bytes: Buffer, baseOffset: number, partitionLeaderEpoch: number): void {
  writeInt64(bytes, batchField.baseOffset, baseOffset);
  bytes.writeInt32BE(partitionLeaderEpoch, batchField.partitionLeaderEpoch);
}

function readBytes(source: Buffer, reader: VarintReader, end: number): Buffer | null {
  const length = reader.next();
  if (length < 0) return null;
  const start = reader.position;
  if (start + length > end) throw corrupt("a key or value is longer than its record");
  reader.position = start + length;
  return source.subarray(start, start + length);
}

function decodeHeaders(source: Buffer): Header[] {
  const reader = new VarintReader(source, 0, source.length);
  const count = reader.next();
  if (count < 0 || count > source.length) throw corrupt(`a record claims ${count} headers`);
  const headers: Header[] = [];
  for (let n = 0; n < count; n++) {
    const name = readBytes(source, reader, source.length);
    if (name === null) throw corrupt("a header has no name");
    headers.push([name.toString("utf8"), readBytes(source, reader, source.length)]);
  }
  if (reader.position !== source.length) throw corrupt("a record is longer than its fields");
  return headers;
}

function corrupt(message: string): LogError {
  return new LogError("CORRUPT_BATCH", `not a valid record batch: ${message}`);
}
