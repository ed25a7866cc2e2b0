// The encoder: records in, one RecordBatch v2 out. Owned by a partition while a batch forms, used once, dropped.
// Appending a record allocates nothing; the caller's bytes are copied here and nowhere else.
import { assert } from "../assert.js";
import {
  attributeBits,
  batchCrcStart,
  batchField,
  batchHeaderBytes,
  batchPrefixBytes,
  writeInt64,
} from "./batch-format.js";
import { type Compression, compress, compressionId } from "./compression.js";
import { crc32c } from "./crc32c.js";
import { placeBatch, type RecordBatch, stampBatch } from "./record-batch.js";
import { varintSize, varlongSize, writeVarint, writeVarlong } from "./varint.js";

export type Bytes = Uint8Array | string;

/** Header name to value, in order. A value may be null, as in Kafka. */
export type HeadersInput = Readonly<Record<string, Bytes | null>>;

const noHeaders: readonly [string, Bytes | null][] = [];
// Above this a native copy beats a loop, for strings and for arrays (measured with the encoder alone).
const loopBytesMax = 48;
const sizeMin = 128;

export interface SealOptions {
  baseOffset: number;
  partitionLeaderEpoch: number;
  compression: Compression;
  /** What all its records get for their time; without it each keeps its own. */
  appendTime?: number | undefined;
}

export class BatchBuilder {
  #buffer: Buffer;
  #end = batchHeaderBytes;
  #count = 0;
  #baseTimestamp = 0;
  #maxTimestamp = 0;

  constructor(sizeHint: number) {
    // Small ones share the pool's slabs, so that ten thousand of them do not cost ten thousand allocations.
    this.#buffer = Buffer.allocUnsafe(Math.max(sizeHint, sizeMin));
  }

  get recordCount(): number {
    return this.#count;
  }

  /** Bytes so far, header included, before compression. */
  get size(): number {
    return this.#end;
  }

  get maxTimestamp(): number {
    return this.#maxTimestamp;
  }

  append(key: Bytes | null, value: Bytes | null, headers: HeadersInput | undefined, timestamp: number): void {
    const entries = headers === undefined ? noHeaders : Object.entries(headers);
    if (this.#count === 0) this.#baseTimestamp = this.#maxTimestamp = timestamp;
    else if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp;
    const delta = timestamp - this.#baseTimestamp;
    const keyBytes = key === null ? -1 : byteLength(key);
    const valueBytes = value === null ? -1 : byteLength(value);
    let body = 1 + varlongSize(delta) + varintSize(this.#count) + varintSize(entries.length);
    body += varintSize(keyBytes) + Math.max(keyBytes, 0);
    body += varintSize(valueBytes) + Math.max(valueBytes, 0);
    if (entries.length > 0) body += headersSize(entries);
    this.#reserve(body + 5);

    const buffer = this.#buffer;
    let at = writeVarint(buffer, this.#end, body);
    const bodyEnd = at + body;
    buffer[at++] = 0;
    at = writeVarlong(buffer, at, delta);
    at = writeVarint(buffer, at, this.#count);
    at = writeBytes(buffer, at, key, keyBytes);
    at = writeBytes(buffer, at, value, valueBytes);
    at = writeVarint(buffer, at, entries.length);
    for (const [name, headerValue] of entries) {
      at = writeBytes(buffer, at, name, byteLength(name));
      at = writeBytes(buffer, at, headerValue, headerValue === null ? -1 : byteLength(headerValue));
    }
    assert(at === bodyEnd, "an encoded record has the length that was computed for it");
    this.#end = at;
    this.#count++;
  }

  /** Completes the batch and hands its bytes over. The builder is of no further use. */
  seal(options: SealOptions): Buffer {
    assert(this.#count > 0, "a batch that is sealed holds records");
    let batch = this.#buffer;
    let end = this.#end;
    let codec: Compression = "none";
    if (options.compression !== "none") {
      const packed = compress(options.compression, batch.subarray(batchHeaderBytes, end));
      if (packed.length < end - batchHeaderBytes) {
        codec = options.compression;
        end = batchHeaderBytes + packed.length;
        batch.set(packed, batchHeaderBytes);
      }
    }
    if (batch.length - end > end >> 2) {
      const exact = Buffer.allocUnsafe(end);
      exact.set(batch.subarray(0, end));
      batch = exact;
    } else if (batch.length > end) batch = batch.subarray(0, end);

    writeInt64(batch, batchField.baseOffset, options.baseOffset);
    batch.writeInt32BE(end - batchPrefixBytes, batchField.batchLength);
    batch.writeInt32BE(options.partitionLeaderEpoch, batchField.partitionLeaderEpoch);
    batch[batchField.magic] = 2;
    const stamp = options.appendTime === undefined ? 0 : attributeBits.logAppendTime;
    batch.writeInt16BE(compressionId(codec) | stamp, batchField.attributes);
    batch.writeInt32BE(this.#count - 1, batchField.lastOffsetDelta);
    writeInt64(batch, batchField.baseTimestamp, this.#baseTimestamp);
    writeInt64(batch, batchField.maxTimestamp, options.appendTime ?? this.#maxTimestamp);
    writeInt64(batch, batchField.producerId, -1);
    batch.writeInt16BE(-1, batchField.producerEpoch);
    batch.writeInt32BE(-1, batchField.baseSequence);
    batch.writeInt32BE(this.#count, batchField.recordCount);
    batch.writeUInt32BE(crc32c(batch, 0, batchCrcStart), batchField.crc);
    return batch;
  }

  #reserve(bytes: number): void {
    const needed = this.#end + bytes;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2));
    grown.set(this.#buffer.subarray(0, this.#end));
    this.#buffer = grown;
  }
}

/** A batch that somebody else has encoded and checked, to be given a place as it is. */
export class SealedBatch {
  readonly batch: RecordBatch;

  constructor(batch: RecordBatch) {
    this.batch = batch;
  }

  get size(): number {
    return this.batch.bytes.length;
  }

  /** How many offsets it takes: more than it has records if some were removed. */
  get recordCount(): number {
    return this.batch.bytes.readInt32BE(batchField.lastOffsetDelta) + 1;
  }

  seal({ baseOffset, partitionLeaderEpoch, appendTime }: SealOptions): Buffer {
    const { bytes } = this.batch;
    if (appendTime !== undefined) stampBatch(bytes, appendTime);
    placeBatch(bytes, baseOffset, partitionLeaderEpoch);
    return bytes;
  }
}

/** What a record will take in a batch, at most. */
export function recordSizeMax(
  key: Bytes | null,
  value: Bytes | null,
  headers: HeadersInput | undefined,
): number {
  let size = 32 + (key === null ? 0 : byteLength(key)) + (value === null ? 0 : byteLength(value));
  if (headers !== undefined) size += headersSize(Object.entries(headers));
  return size;
}

function headersSize(entries: readonly [string, Bytes | null][]): number {
  let size = 0;
  for (const [name, value] of entries) {
    const nameBytes = byteLength(name);
    const valueBytes = value === null ? -1 : byteLength(value);
    size += varintSize(nameBytes) + nameBytes + varintSize(valueBytes) + Math.max(valueBytes, 0);
  }
  return size;
}

function byteLength(bytes: Bytes): number {
  if (typeof bytes !== "string") return bytes.length;
  if (bytes.length > loopBytesMax) return Buffer.byteLength(bytes);
  for (let at = 0; at < bytes.length; at++) if (bytes.charCodeAt(at) > 0x7f) return Buffer.byteLength(bytes);
  return bytes.length;
}

/** Writes the length (−1 for null) and the bytes; returns the position after them. */
function writeBytes(buffer: Buffer, position: number, bytes: Bytes | null, length: number): number {
  const at = writeVarint(buffer, position, length);
  if (bytes === null) return at;
  if (typeof bytes !== "string") {
    if (length > loopBytesMax) buffer.set(bytes, at);
    else for (let n = 0; n < length; n++) buffer[at + n] = bytes[n] as number;
  } else if (bytes.length === length && length <= loopBytesMax) {
    for (let n = 0; n < length; n++) buffer[at + n] = bytes.charCodeAt(n);
  } else buffer.write(bytes, at, length, "utf8");
  return at + length;
}
