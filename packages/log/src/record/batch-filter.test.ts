// Random batches and random subsets of their records: what stays reads as it did, in ours and in another decoder.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BatchBuilder } from "./batch-builder.js";
import { filterBatch } from "./batch-filter.js";
import { attributeBits, batchCrcStart, batchField, writeInt64 } from "./batch-format.js";
import type { Compression } from "./compression.js";
import { crc32c } from "./crc32c.js";
import { RecordBatch } from "./record-batch.js";
import type { LogRecord } from "./record-cursor.js";

interface Input {
  readonly key: string | null;
  readonly value: string | null;
  readonly timestamp: number;
  readonly headers: Record<string, string>;
}

const inputs = fc.array(
  fc.record({
    key: fc.option(fc.string({ maxLength: 20 })),
    value: fc.option(fc.string({ maxLength: 200 })),
    timestamp: fc.nat({ max: 2 ** 40 }),
    headers: fc.dictionary(fc.string({ maxLength: 5 }), fc.string({ maxLength: 5 }), { maxKeys: 2 }),
  }),
  { minLength: 1, maxLength: 40 },
);
const codecs = fc.constantFrom<Compression>("none", "gzip", "snappy", "lz4", "zstd");

function encode(records: readonly Input[], compression: Compression, isStamped = false): RecordBatch {
  const builder = new BatchBuilder(256);
  for (const { key, value, headers, timestamp } of records) builder.append(key, value, headers, timestamp);
  const bytes = builder.seal({ baseOffset: 41, partitionLeaderEpoch: 3, compression });
  // As an idempotent producer's.
  writeInt64(bytes, batchField.producerId, 7);
  bytes.writeInt16BE(2, batchField.producerEpoch);
  bytes.writeInt32BE(100, batchField.baseSequence);
  if (isStamped) {
    const attributes = bytes.readInt16BE(batchField.attributes) | attributeBits.logAppendTime;
    bytes.writeInt16BE(attributes, batchField.attributes);
  }
  bytes.writeUInt32BE(crc32c(bytes, 0, batchCrcStart), batchField.crc);
  return new RecordBatch(bytes);
}

function told({ offset, timestamp, key, value, headers }: LogRecord): unknown {
  const text = headers.map(([name, header]) => [name, `${header}`]);
  return [offset, timestamp, key === null ? null : `${key}`, value === null ? null : `${value}`, text];
}

test("the records that stay keep their offsets, times, keys, values and headers, and the batch its place", () => {
  fc.assert(
    fc.property(inputs, codecs, fc.boolean(), fc.nat(), (records, codec, isStamped, lot) => {
      const batch = encode(records, codec, isStamped);
      const keeps = ({ offset }: LogRecord): boolean => (lot >> ((offset - 41) % 31)) % 2 === 1;
      const expected = [...batch.records()].filter(keeps).map(told);
      const left = filterBatch(batch, keeps);
      if (expected.length === 0) return assert.equal(left, undefined);
      assert.ok(left !== undefined);
      const filtered = new RecordBatch(left).verify();
      assert.deepEqual([...filtered.records()].map(told), expected);
      for (const field of [
        "baseOffset",
        "lastOffset",
        "partitionLeaderEpoch",
        "compression",
        "timestampType",
        "baseTimestamp",
        "producerId",
        "producerEpoch",
        "baseSequence",
      ] as const)
        assert.equal(filtered[field], batch[field], field);
      assert.equal(filtered.recordCount, expected.length);
      const times = [...filtered.records()].map(({ timestamp }) => timestamp);
      assert.equal(filtered.maxTimestamp, Math.max(...times));
    }),
  );
});

test("a batch of which all records stay is the same bytes, one of which none stays is gone", () => {
  const batch = encode([{ key: "k", value: "v", timestamp: 1, headers: {} }], "none");
  assert.equal(
    filterBatch(batch, () => true),
    batch.bytes,
  );
  assert.equal(
    filterBatch(batch, () => false),
    undefined,
  );
});

test("what is filtered twice is what is filtered once by both", () => {
  fc.assert(
    fc.property(inputs, codecs, (records, codec) => {
      const batch = encode(records, codec);
      const even = ({ offset }: LogRecord): boolean => offset % 2 === 0;
      const third = ({ offset }: LogRecord): boolean => offset % 3 === 0;
      const once = filterBatch(batch, (record) => even(record) && third(record));
      const first = filterBatch(batch, even);
      const twice = first === undefined ? undefined : filterBatch(new RecordBatch(first), third);
      assert.deepEqual(twice, once);
    }),
  );
});

test("a damaged batch is not filtered", () => {
  const { bytes } = encode([{ key: "k", value: "v", timestamp: 1, headers: {} }], "none");
  bytes.writeInt32BE(3, batchField.recordCount);
  assert.throws(
    () => filterBatch(new RecordBatch(bytes), () => true),
    /not a valid record batch|in the middle/,
  );
});
