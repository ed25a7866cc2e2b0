// Our decoder against batches of other implementations, our encoder against another decoder, and both against damage.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import fc from "fast-check";
import { withCode } from "../test-support.js";
import { BatchBuilder, type HeadersInput, recordSizeMax } from "./batch-builder.js";
import { batchField, batchHeaderBytes, writeInt64 } from "./batch-format.js";
import { type Compression, compress, compressionId } from "./compression.js";
import { crc32c } from "./crc32c.js";
import { batchLengthAt, placeBatch, RecordBatch, stampBatch } from "./record-batch.js";

const require = createRequire(import.meta.url);
const KafkajsDecoder = require("kafkajs/src/protocol/decoder") as new (bytes: Buffer) => object;
const decodeWithKafkajs = require("kafkajs/src/protocol/recordBatch/v0/decoder") as (
  decoder: object,
) => Promise<KafkajsBatch>;
interface KafkajsBatch {
  readonly firstOffset: string;
  readonly maxTimestamp: string;
  readonly partitionLeaderEpoch: number;
  readonly lastOffsetDelta: number;
  readonly producerId: string;
  readonly records: readonly {
    readonly offset: string;
    readonly timestamp: string;
    readonly key: Buffer | null;
    readonly value: Buffer | null;
    readonly headers: Readonly<Record<string, Buffer | null>>;
  }[];
}

interface Input {
  readonly key: Uint8Array | string | null;
  readonly value: Uint8Array | string | null;
  readonly headers?: HeadersInput;
  readonly timestamp: number;
}

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
const place = { baseOffset: 41, partitionLeaderEpoch: 3 };
const inputs: Input[] = [
  { key: "user-17", value: "paid", headers: { source: "web" }, timestamp: 1_700_000_000_000 },
  { key: null, value: Buffer.from([0, 127, 128, 255]), timestamp: 1_700_000_000_123 },
  { key: "", value: "", headers: {}, timestamp: 1_699_999_999_997 },
  {
    key: "größe",
    value: null,
    headers: { ключ: "значение", none: null, empty: "" },
    timestamp: 1_700_000_000_005,
  },
  { key: Buffer.alloc(70, 1), value: "x".repeat(300), timestamp: 1_710_000_000_000 },
];

function encode(records: readonly Input[], compression: Compression = "none"): Buffer {
  const builder = new BatchBuilder(256);
  for (const { key, value, headers, timestamp } of records) builder.append(key, value, headers, timestamp);
  return builder.seal({ ...place, compression });
}

const bytesOf = (value: Uint8Array | string | null): Buffer | null =>
  value === null ? null : Buffer.from(value);

function expected(records: readonly Input[]): unknown[] {
  return records.map(({ key, value, headers = {}, timestamp }, index) => ({
    offset: place.baseOffset + index,
    timestamp,
    key: bytesOf(key),
    value: bytesOf(value),
    headers: Object.entries(headers).map(([name, header]) => [name, bytesOf(header)]),
  }));
}

function decode(bytes: Buffer): unknown[] {
  return [...new RecordBatch(bytes).verify().records()].map(({ offset, timestamp, key, value, headers }) => {
    return { offset, timestamp, key, value, headers };
  });
}

const goldenDirectory = new URL("../../../../docs/format/golden/", import.meta.url);
const goldenNames = readdirSync(goldenDirectory).filter((name) => name.endsWith(".batch"));
for (const name of goldenNames) {
  test(`${name} is read as its writer meant it`, () => {
    const bytes = readFileSync(new URL(name, goldenDirectory));
    const meant = JSON.parse(readFileSync(new URL(name.replace(".batch", ".json"), goldenDirectory), "utf8"));
    const batch = new RecordBatch(bytes).verify();
    const hex = (found: Buffer | null): string | null => found?.toString("hex") ?? null;
    assert.deepEqual(
      {
        baseOffset: batch.baseOffset,
        partitionLeaderEpoch: batch.partitionLeaderEpoch,
        attributes: bytes.readInt16BE(batchField.attributes),
        compression: batch.compression,
        transactional: batch.isTransactional,
        lastOffsetDelta: batch.lastOffset - batch.baseOffset,
        baseTimestamp: batch.baseTimestamp,
        maxTimestamp: batch.maxTimestamp,
        producerId: batch.producerId,
        producerEpoch: batch.producerEpoch,
        baseSequence: batch.baseSequence,
        records: [...batch.records()].map(({ offset, timestamp, key, value, headers }) => ({
          offset,
          timestamp,
          key: hex(key),
          value: hex(value),
          headers: headers.map(([header, content]) => ({ name: header, value: hex(content) })),
        })),
      },
      meant,
    );
    assert.equal(batch.recordCount, meant.records.length);
    assert.equal(batch.nextOffset, meant.baseOffset + meant.lastOffsetDelta + 1);
  });
}

test("the golden files are all there", () => {
  assert.equal(goldenNames.length, 12);
});

for (const compression of ["none", "gzip"] as const) {
  test(`kafkajs reads what we write with compression ${compression}`, async () => {
    const bytes = encode(inputs, compression);
    const batch = await decodeWithKafkajs(new KafkajsDecoder(bytes));
    assert.deepEqual(
      [
        batch.firstOffset,
        batch.partitionLeaderEpoch,
        batch.lastOffsetDelta,
        batch.producerId,
        batch.maxTimestamp,
      ],
      ["41", 3, 4, "-1", "1710000000000"],
    );
    assert.deepEqual(
      batch.records.map(({ offset, timestamp, key, value, headers }) => ({
        offset: Number(offset),
        timestamp: Number(timestamp),
        key,
        value,
        headers: Object.entries(headers),
      })),
      expected(inputs),
    );
  });
}

for (const compression of ["none", "gzip", "snappy", "lz4", "zstd"] as const) {
  test(`any records come back from a batch with compression ${compression}`, (t) => {
    t.diagnostic(`seed ${seed}`);
    const bytes = fc.oneof(
      fc.constant(null),
      fc.uint8Array({ maxLength: 200 }),
      fc.string({ unit: "grapheme", maxLength: 80 }),
    );
    const record = fc.record({
      key: bytes,
      value: bytes,
      headers: fc.dictionary(fc.string({ unit: "grapheme", maxLength: 10 }), bytes, { maxKeys: 3 }),
      timestamp: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    });
    const property = fc.property(fc.array(record, { minLength: 1, maxLength: 20 }), (records) => {
      const encoded = encode(records, compression);
      assert.deepEqual(decode(encoded), expected(records));
      const sizeMax = records.reduce(
        (sum, { key, value, headers }) => sum + recordSizeMax(key, value, headers),
        0,
      );
      assert.ok(encoded.length <= batchHeaderBytes + sizeMax);
    });
    fc.assert(property, { seed, numRuns: 200 });
  });
}

test("a batch gets its place without a new checksum", () => {
  const bytes = encode(inputs);
  placeBatch(bytes, 2 ** 40 + 7, 9);
  const batch = new RecordBatch(bytes).verify();
  assert.deepEqual(
    [batch.baseOffset, batch.nextOffset, batch.partitionLeaderEpoch],
    [2 ** 40 + 7, 2 ** 40 + 12, 9],
  );
});

test("a batch that is stamped has one time for all its records, for kafkajs too", async () => {
  const builder = new BatchBuilder(100);
  for (const timestamp of [5, 7, 6]) builder.append(null, "x".repeat(100), undefined, timestamp);
  const bytes = builder.seal({ baseOffset: 3, partitionLeaderEpoch: 0, compression: "gzip" });
  stampBatch(bytes, 1_700_000_000_000);
  const batch = new RecordBatch(bytes).verify();
  assert.deepEqual(
    [batch.timestampType, batch.baseTimestamp, batch.maxTimestamp, batch.compression],
    ["append", 5, 1_700_000_000_000, "gzip"],
  );
  const times = Array.from(batch.records(), ({ timestamp }) => timestamp);
  assert.deepEqual(times, Array(3).fill(1_700_000_000_000));
  const read = await decodeWithKafkajs(new KafkajsDecoder(bytes));
  assert.equal(read.maxTimestamp, "1700000000000");
});

test("a time is found in a batch, and one that unpacks to very much is not looked into", () => {
  const builder = new BatchBuilder(100);
  for (const timestamp of [5, 7, 6]) builder.append(null, "x".repeat(100), undefined, timestamp);
  const bytes = builder.seal({ baseOffset: 30, partitionLeaderEpoch: 0, compression: "gzip" });
  const batch = new RecordBatch(bytes);
  assert.deepEqual(batch.firstAt(6, 0), { offset: 31, timestamp: 7 });
  assert.deepEqual(batch.firstAt(6, 32), { offset: 32, timestamp: 6 });
  assert.equal(batch.firstAt(8, 0), undefined);
  const bomb = new RecordBatch(
    Buffer.concat([bytes.subarray(0, batchHeaderBytes), compress("gzip", Buffer.alloc(2 ** 25 + 1))]),
  );
  assert.deepEqual(bomb.firstAt(6, 0), { offset: 30, timestamp: 7 });
  assert.deepEqual(bomb.firstAt(6, 31), { offset: 31, timestamp: 7 });
  assert.equal(bomb.firstAt(8, 0), undefined);
});

test("reading from an offset leaves out what comes before it", () => {
  const offsets = [...new RecordBatch(encode(inputs)).records(43)].map(({ offset }) => offset);
  assert.deepEqual(offsets, [43, 44, 45]);
});

test("any changed bit that the checksum covers is noticed", () => {
  const bytes = encode(inputs);
  const covered = [...bytes.keys()].filter((at) => at >= 8 && (at < 12 || at >= 16));
  for (const at of covered) {
    const damaged = Buffer.from(bytes);
    damaged[at] = (bytes[at] as number) ^ (1 << (at & 7));
    assert.throws(() => new RecordBatch(damaged).verify(), withCode("CORRUPT_BATCH"), `byte ${at}`);
  }
});

test("a batch that is cut short anywhere, or goes on, is refused", () => {
  const bytes = encode(inputs);
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => new RecordBatch(bytes.subarray(0, length)).verify(), withCode("CORRUPT_BATCH"));
  }
  assert.throws(() => new RecordBatch(Buffer.concat([bytes, bytes])).verify(), withCode("CORRUPT_BATCH"));
});

test("zeros are no batch", () => {
  const zeros = Buffer.alloc(100);
  assert.equal(batchLengthAt(zeros, 0), -1);
  assert.throws(() => new RecordBatch(zeros).verify(), withCode("CORRUPT_BATCH"));
});

/** A batch that somebody else made, with a checksum that matches. */
function forge(
  records: number[],
  change: (bytes: Buffer) => void = () => undefined,
  codec: Compression = "none",
): RecordBatch {
  const head = encode([{ key: null, value: "x", timestamp: 0 }]).subarray(0, batchHeaderBytes);
  const bytes = Buffer.concat([head, compress(codec, Buffer.from(records))]);
  bytes.writeInt32BE(bytes.length - 12, batchField.batchLength);
  bytes.writeInt16BE(compressionId(codec), batchField.attributes);
  change(bytes);
  bytes.writeUInt32BE(crc32c(bytes.subarray(batchField.attributes)), batchField.crc);
  return new RecordBatch(bytes);
}

// length, attributes, timestamp delta, offset delta, key (null), value ("x"), number of headers
const good = [14, 0, 0, 0, 1, 2, 120, 0];

test("the batch that the forgeries below begin with is a good one", () => {
  const [record] = [...forge(good).verify().records()];
  assert.deepEqual([record?.key, record?.value?.toString()], [null, "x"]);
});

const forgeries: [string, number[]][] = [
  ["that is longer than its batch", [16, ...good.slice(1)]],
  ["of negative length", [1, ...good.slice(1)]],
  ["whose fields go on beyond its length", [4, ...good.slice(1)]],
  ["that is longer than its fields", [16, ...good.slice(1), 0]],
  ["whose key is longer than itself", [14, 0, 0, 0, 40, 2, 120, 0]],
  ["whose value is longer than itself", [14, 0, 0, 0, 1, 40, 120, 0]],
  ["that is followed by bytes of no record", [...good, 0]],
  ["that is missing", []],
  ["with more headers than bytes", [14, 0, 0, 0, 1, 2, 120, 126]],
  ["with a header that has no name", [18, 0, 0, 0, 1, 2, 120, 2, 1, 1]],
  ["whose offset is beyond its batch", [14, 0, 0, 2, 1, 2, 120, 0]],
  ["whose offset is before its batch", [14, 0, 0, 1, 1, 2, 120, 0]],
  ["whose last field is the next one's length", [10, 0, 0, 0, 1, 1, 2]],
];
for (const [name, records] of forgeries) {
  for (const codec of ["none", "gzip"] as const) {
    test(`a record ${name} is refused (${codec})`, () => {
      const read = (): unknown =>
        [
          ...forge(records, () => undefined, codec)
            .verify()
            .records(),
        ].map((r) => r.headers);
      assert.throws(read, withCode("CORRUPT_BATCH"));
    });
  }
}

const headerForgeries: [string, (bytes: Buffer) => void][] = [
  ["no records", (bytes) => bytes.writeInt32BE(0, batchField.recordCount)],
  ["a negative number of records", (bytes) => bytes.writeInt32BE(-1, batchField.recordCount)],
  ["more records than offsets", (bytes) => bytes.writeInt32BE(2, batchField.recordCount)],
  ["a negative last offset delta", (bytes) => bytes.writeInt32BE(-1, batchField.lastOffsetDelta)],
  ["a negative base offset", (bytes) => writeInt64(bytes, batchField.baseOffset, -1)],
  ["an unknown codec", (bytes) => bytes.writeInt16BE(5, batchField.attributes)],
  ["a codec that its records do not have", (bytes) => bytes.writeInt16BE(1, batchField.attributes)],
];
for (const [name, change] of headerForgeries) {
  test(`a batch with ${name} is refused`, () => {
    assert.throws(() => [...forge(good, change).verify().records()], withCode("CORRUPT_BATCH"));
  });
}

test("an offset or a timestamp beyond 2^53 is refused as such", () => {
  const far = forge(good, (bytes) => bytes.writeBigInt64BE(2n ** 53n, batchField.baseOffset));
  assert.throws(() => far.verify(), withCode("NUMBER_TOO_LARGE"));
  const late = forge(good, (bytes) => bytes.writeBigInt64BE(2n ** 53n, batchField.maxTimestamp));
  assert.throws(() => late.maxTimestamp, withCode("NUMBER_TOO_LARGE"));
});

test("records whose offsets do not ascend are refused", () => {
  const two = (bytes: Buffer): void => {
    bytes.writeInt32BE(2, batchField.recordCount);
    bytes.writeInt32BE(5, batchField.lastOffsetDelta);
  };
  const later = [...good.slice(0, 3), 10, ...good.slice(4)];
  assert.equal(
    [
      ...forge([...good, ...later], two)
        .verify()
        .records(),
    ].length,
    2,
  );
  for (const records of [
    [...good, ...good],
    [...later, ...good],
  ])
    assert.throws(() => [...forge(records, two).verify().records()], withCode("CORRUPT_BATCH"));
});

test("an offset or a timestamp that only a sum takes beyond 2^53 is refused as such", () => {
  const far = forge(good, (bytes) => {
    bytes.writeBigInt64BE(2n ** 53n - 5n, batchField.baseOffset);
    bytes.writeInt32BE(10, batchField.lastOffsetDelta);
  });
  assert.throws(() => far.verify(), withCode("NUMBER_TOO_LARGE"));
  const delayed = [14, 0, 2, 0, 1, 2, 120, 0];
  const late = forge(delayed, (bytes) => bytes.writeBigInt64BE(2n ** 53n - 1n, batchField.baseTimestamp));
  assert.throws(() => [...late.verify().records()], withCode("NUMBER_TOO_LARGE"));
});

test("keys and values are Buffers, and views of the batch's memory", () => {
  const builder = new BatchBuilder(128);
  builder.append("key", "value", undefined, 1000);
  builder.append(null, "", undefined, 1000);
  const sealed = builder.seal({ baseOffset: 0, partitionLeaderEpoch: 0, compression: "none" });
  const bytes = Buffer.concat([Buffer.alloc(5), sealed, Buffer.alloc(5)]).subarray(5, 5 + sealed.length);
  const [first, second] = [...new RecordBatch(bytes).records()];
  for (const view of [first?.key, first?.value, second?.value]) {
    assert.ok(Buffer.isBuffer(view));
    assert.equal(view.buffer, bytes.buffer);
  }
  assert.deepEqual(
    [String(first?.key), String(first?.value), second?.key, second?.value?.length],
    ["key", "value", null, 0],
  );
  first?.value?.fill("x");
  assert.ok(bytes.includes("xxxxx"));
});
