// Record batches for the fuzzer: kept ones, and ones made of any fields, right where nobody asked for wrong.
import fc from "fast-check";
import { nodeFileSystem } from "../fs/index.js";
import { batchCrcStart, batchField, batchHeaderBytes, batchPrefixBytes } from "../record/batch-format.js";
import { type Compression, compress, compressionIds } from "../record/compression.js";
import { BatchBuilder, crc32c } from "../record/index.js";
import { int32, int64, mostly } from "./arbitraries.js";

export const compressions: readonly Compression[] = ["none", "gzip", "snappy", "lz4", "zstd"];
const directory = new URL("../../../../docs/format/golden/", import.meta.url).pathname;

/** The golden files whose names end so. */
export async function goldenFiles(suffix: string): Promise<Buffer[]> {
  const names = ((await nodeFileSystem.list(directory)) ?? []).filter((name) => name.endsWith(suffix));
  const contents = await Promise.all(names.map((name) => nodeFileSystem.readFile(directory + name)));
  return contents.filter((content) => content !== undefined);
}

/** One of our own. The records repeat themselves so that any codec finds something to do. */
export function ownBatch(compression: Compression, records = 5, baseOffset = 0): Buffer {
  const builder = new BatchBuilder(256);
  for (let n = 0; n < records; n++) {
    const headers = n % 2 === 0 ? { source: "web", empty: null } : undefined;
    builder.append(
      n === 1 ? null : `user-${n}`,
      "paid ".repeat(10 + n),
      headers,
      1_700_000_000_000 + 1000 * n,
    );
  }
  return Buffer.from(builder.seal({ baseOffset, partitionLeaderEpoch: 3, compression }));
}

/** Small batches that unpack to much: zeros by gzip, a repeated byte by zstd and lz4, a size that is only claimed. */
export function bombs(): Buffer[] {
  const zeros = Buffer.alloc(1024 * 1024);
  const zstdBlock = Buffer.from([0x02, 0x00, 0x10, 0x00]);
  const zstdLast = Buffer.from([0x03, 0x00, 0x10, 0x00]);
  const zstd = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88]), zstdBlock, zstdBlock, zstdLast];
  const claim = Buffer.from([0xff, 0xff, 0xff, 0x7f, 0x00, 0x41]);
  return [
    packedBatch("gzip", Buffer.from(compress("gzip", zeros))),
    packedBatch("lz4", Buffer.from(compress("lz4", zeros))),
    packedBatch("zstd", Buffer.concat(zstd)),
    packedBatch("snappy", claim),
  ];
}

/** A batch around bytes that are, or are not, compressed records. */
function packedBatch(compression: Compression, packed: Buffer): Buffer {
  const header = ownBatch("none", 1).subarray(0, batchHeaderBytes);
  const batch = Buffer.concat([header, packed]);
  batch.writeInt16BE(compressionIds[compression], batchField.attributes);
  return repairBatch(batch);
}

/** Length, magic and checksum, in place; what is too short to be a batch stays as it is. */
export function repairBatch(batch: Buffer): Buffer {
  if (batch.length < batchHeaderBytes) return batch;
  batch.writeInt32BE(batch.length - batchPrefixBytes, batchField.batchLength);
  batch[batchField.magic] = 2;
  batch.writeUInt32BE(crc32c(batch.subarray(batchCrcStart)), batchField.crc);
  return batch;
}

interface RecordFields {
  readonly timestampDelta: bigint;
  /** What is added to the right offset delta. */
  readonly offsetShift: number;
  readonly key: Content;
  readonly value: Content;
  readonly headers: readonly (readonly [Content, Content])[];
  readonly headerShift: number;
  readonly lengthShift: number;
}

/** Null, or bytes whose length may be told wrong. */
interface Content {
  readonly bytes: Uint8Array | null;
  readonly shift: number;
}

const shift = mostly(0, fc.oneof(fc.integer({ min: -3, max: 3 }), int32));
const content: fc.Arbitrary<Content> = fc.record({
  bytes: fc.option(fc.uint8Array({ maxLength: 12 })),
  shift: mostly(0, shift),
});
const recordFields: fc.Arbitrary<RecordFields> = fc.record({
  timestampDelta: mostly(5n, int64),
  offsetShift: mostly(0, shift),
  key: content,
  value: content,
  headers: fc.array(fc.tuple(content, content), { maxLength: 2 }),
  headerShift: mostly(0, shift),
  lengthShift: mostly(0, shift),
});

/** Any batch. Its checksum is always right, its length nearly always. */
export const batchFields: fc.Arbitrary<Buffer> = fc
  .record({
    records: fc.array(recordFields, { minLength: 1, maxLength: 4 }),
    compression: fc.constantFrom(...compressions),
    flags: fc.oneof(fc.constant(0), fc.constantFrom(8, 16, 32, 56), int32),
    baseOffset: mostly(7n, int64),
    baseTimestamp: mostly(1_700_000_000_000n, int64),
    maxTimestamp: mostly(1_700_000_000_000n, int64),
    countShift: mostly(0, shift),
    deltaShift: mostly(0, fc.oneof(fc.constant(10), int32)),
    lengthShift: mostly(0, shift),
    rest: mostly(new Uint8Array(0), fc.uint8Array({ maxLength: 8 })),
  })
  .map((fields) => {
    const plain = Buffer.concat([...fields.records.map(encodeRecord), fields.rest]);
    const batch = packedBatch(fields.compression, Buffer.from(compress(fields.compression, plain)));
    batch.writeBigInt64BE(BigInt.asIntN(64, fields.baseOffset), batchField.baseOffset);
    batch.writeInt32BE((batch.length - batchPrefixBytes + fields.lengthShift) | 0, batchField.batchLength);
    const attributes = (fields.flags & 0x7ff8) | compressionIds[fields.compression];
    batch.writeInt16BE(attributes, batchField.attributes);
    batch.writeInt32BE((fields.records.length - 1 + fields.deltaShift) | 0, batchField.lastOffsetDelta);
    batch.writeBigInt64BE(BigInt.asIntN(64, fields.baseTimestamp), batchField.baseTimestamp);
    batch.writeBigInt64BE(BigInt.asIntN(64, fields.maxTimestamp), batchField.maxTimestamp);
    batch.writeInt32BE((fields.records.length + fields.countShift) | 0, batchField.recordCount);
    batch.writeUInt32BE(crc32c(batch.subarray(batchCrcStart)), batchField.crc);
    return batch;
  });

function encodeRecord(fields: RecordFields, index: number): Buffer {
  const body = Buffer.concat([
    Buffer.from([0]),
    varint(fields.timestampDelta),
    varint(BigInt(index + fields.offsetShift)),
    encodeContent(fields.key),
    encodeContent(fields.value),
    varint(BigInt(fields.headers.length + fields.headerShift)),
    ...fields.headers.flatMap(([name, value]) => [encodeContent(name), encodeContent(value)]),
  ]);
  return Buffer.concat([varint(BigInt(body.length + fields.lengthShift)), body]);
}

function encodeContent({ bytes, shift: by }: Content): Buffer {
  if (bytes === null) return varint(BigInt(-1 + by));
  return Buffer.concat([varint(BigInt(bytes.length + by)), bytes]);
}

/** A zigzag varint of any length, so that too long ones can be made. */
function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let zigzag = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
  for (; zigzag > 0x7fn; zigzag >>= 7n) bytes.push(Number(zigzag & 0x7fn) | 0x80);
  bytes.push(Number(zigzag));
  return Buffer.from(bytes);
}
