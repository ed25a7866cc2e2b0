// What goes and what stays, against a plain model; and what does where memory is short or transactions are about.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BatchBuilder, batchField, crc32c, RecordBatch } from "../record/index.js";
import { compactedTo, neverCompacted, tombstoneEnd } from "./compaction-state.js";
import { KeyOffsets } from "./key-offsets.js";
import { Obsolescence } from "./obsolescence.js";

interface Input {
  readonly key: string | null;
  readonly value: string | null;
}

const attributesAt = batchField.attributes;
const transactional = 0x10;
const control = 0x20;
const plenty = 1024 * 1024;

function batchOf(
  baseOffset: number,
  records: readonly Input[],
  attributes = 0,
  producerId = -1,
): RecordBatch {
  const builder = new BatchBuilder(256);
  for (const { key, value } of records) builder.append(key, value, undefined, 1000);
  const bytes = builder.seal({ baseOffset, partitionLeaderEpoch: 0, compression: "none" });
  bytes.writeInt16BE(attributes, attributesAt);
  bytes.writeBigInt64BE(BigInt(producerId), batchField.producerId);
  bytes.writeUInt32BE(crc32c(bytes, 0, attributesAt), batchField.crc);
  return new RecordBatch(bytes);
}

function inBatches(records: readonly Input[], size: number): RecordBatch[] {
  const batches: RecordBatch[] = [];
  for (let at = 0; at < records.length; at += size) batches.push(batchOf(at, records.slice(at, at + size)));
  return batches;
}

function offsetsLeft(batches: readonly RecordBatch[], obsolescence: Obsolescence): number[] {
  return batches.flatMap((batch) => {
    const left = obsolescence.filter(batch);
    return left === undefined ? [] : [...new RecordBatch(left).records()].map(({ offset }) => offset);
  });
}

const records = fc.array(
  fc.record({
    key: fc.option(fc.constantFrom("a", "b", "c", "d"), { freq: 10 }),
    value: fc.option(fc.constant("x"), { freq: 4 }),
  }),
  { minLength: 1, maxLength: 60 },
);

test("of each key the latest record stays, in one go or in several", () => {
  fc.assert(
    fc.property(
      records,
      fc.integer({ min: 1, max: 7 }),
      fc.nat(60),
      fc.nat(60),
      (all, size, cut, tombstones) => {
        const batches = inBatches(all, size);
        const limit = Math.min(cut, all.length);
        const obsolescence = new Obsolescence(0, limit, plenty, tombstones, undefined);
        for (const batch of batches) if (batch.baseOffset < limit) assert.ok(obsolescence.add(batch, limit));
        assert.equal(obsolescence.end, limit);
        const latest = new Map(all.slice(0, limit).map(({ key }, offset) => [key, offset]));
        const expected = all.flatMap(({ key, value }, offset) => {
          if (offset >= limit || key === null) return [offset];
          if (value === null && offset < tombstones) return [];
          return latest.get(key) === offset ? [offset] : [];
        });
        assert.deepEqual(offsetsLeft(batches, obsolescence), expected);
      },
    ),
  );
});

test("when memory for keys is used up it ends in the middle, and the next one goes on from there", () => {
  const all = Array.from({ length: 1000 }, (_, n) => ({ key: `${n % 300}`, value: "x" }));
  let batches = inBatches(all, 50);
  let end = 0;
  let turns = 0;
  for (; end < all.length; turns++) {
    const obsolescence = new Obsolescence(end, all.length, 4096, 0, undefined);
    for (const batch of batches) if (batch.nextOffset > end && !obsolescence.add(batch, all.length)) break;
    assert.ok(obsolescence.end > end, "it comes further each time");
    ({ end } = obsolescence);
    batches = batches.flatMap((batch) => {
      const left = obsolescence.filter(batch);
      return left === undefined ? [] : [new RecordBatch(left)];
    });
  }
  assert.ok(turns > 2);
  const left = batches.flatMap((batch) => [...batch.records()].map(({ offset }) => offset));
  assert.deepEqual(
    left,
    Array.from({ length: 300 }, (_, n) => 700 + n),
  );
});

test("without word of transactions the first batch of one is where it ends", () => {
  const batches = [
    batchOf(0, [{ key: "a", value: "1" }]),
    batchOf(1, [{ key: "a", value: "2" }]),
    batchOf(2, [{ key: "a", value: "3" }], transactional, 5),
    batchOf(3, [{ key: "a", value: "4" }]),
  ];
  const obsolescence = new Obsolescence(0, 4, plenty, 0, undefined);
  const taken = batches.map((batch) => obsolescence.end >= batch.baseOffset && obsolescence.add(batch, 4));
  assert.deepEqual(taken.slice(0, 3), [true, true, false]);
  assert.equal(obsolescence.end, 2);
  assert.deepEqual(offsetsLeft(batches, obsolescence), [1, 2, 3]);
});

test("a record of an aborted transaction goes and hides none; markers stay; committed ones hide others", () => {
  const batches = [
    batchOf(0, [{ key: "a", value: "kept" }]),
    batchOf(1, [{ key: "a", value: "aborted" }], transactional, 5),
    batchOf(2, [{ key: "marker", value: "x" }], transactional | control, 5),
    batchOf(3, [{ key: "b", value: "obsolete" }]),
    batchOf(4, [{ key: "b", value: "committed" }], transactional, 6),
    batchOf(5, [{ key: "marker", value: "x" }], transactional | control, 6),
  ];
  const isAborted = (producerId: number): boolean => producerId === 5;
  const obsolescence = new Obsolescence(0, 6, plenty, 0, isAborted);
  for (const batch of batches) assert.ok(obsolescence.add(batch, 6));
  assert.equal(obsolescence.end, 6);
  assert.deepEqual(offsetsLeft(batches, obsolescence), [0, 2, 4, 5]);
});

test("keys are told apart, and a table that is full takes no further one but goes on with those it has", () => {
  const keys = new KeyOffsets(1_000_000, 4096);
  let count = 0;
  while (keys.note(Buffer.from(`key ${count}`), count)) count++;
  assert.equal(keys.count, count);
  for (let n = 0; n < count; n++) assert.equal(keys.last(Buffer.from(`key ${n}`)), n);
  assert.equal(keys.last(Buffer.from(`key ${count}`)), -1);
  assert.ok(keys.note(Buffer.from("key 0"), count));
  assert.equal(keys.last(Buffer.from("key 0")), count);
});

test("records without a value go when what is before them has been compacted for long enough", () => {
  const first = compactedTo({ ...neverCompacted, count: 1 }, 100, 1_000, 800);
  assert.equal(tombstoneEnd(first, 1_799, 800), 0);
  assert.equal(tombstoneEnd(first, 1_800, 800), 100);
  // So soon after the first that it would only be another to remember.
  const second = compactedTo(first, 150, 1_050, 800);
  assert.deepEqual([second.end, second.marks], [150, first.marks]);
  const third = compactedTo(second, 200, 1_200, 800);
  assert.equal(tombstoneEnd(third, 1_900, 800), 100);
  assert.equal(tombstoneEnd(third, 2_000, 800), 200);
  // What had its time is forgotten with the compaction that made use of it.
  assert.deepEqual(compactedTo(third, 200, 1_900, 800).marks, [[200, 1_200]]);
  // A clock that was set back removes nothing early.
  assert.equal(tombstoneEnd(third, 0, 800), 0);
});

test("what is remembered stays short however often a partition is compacted", () => {
  let state = { ...neverCompacted, count: 1 };
  for (let n = 1; n < 10_000; n++) state = { ...compactedTo(state, n, n, 5_000) };
  assert.ok(state.marks.length <= 9, `${state.marks.length} marks`);
});
