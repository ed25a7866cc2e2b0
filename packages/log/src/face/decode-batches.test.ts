// Raw slices back into records: what arrives whole, what is damaged, what is missing.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LogError } from "../errors.js";
import { attributeBits, batchCrcStart } from "../record/batch-format.js";
import { BatchBuilder, batchField, batchHeaderBytes, crc32c, writeInt64 } from "../record/index.js";
import { withCode } from "../test-support.js";
import { type DecodeOptions, decodeBatches } from "./decode-batches.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);

/** A batch of the records `baseOffset` to `baseOffset + count − 1`, whose values are their offsets. */
function makeBatch(baseOffset: number, count: number, compression: "none" | "gzip" = "none"): Buffer {
  const builder = new BatchBuilder(256);
  for (let n = 0; n < count; n++)
    builder.append(null, `${baseOffset + n}`.padEnd(20, "."), undefined, 1000 + n);
  return builder.seal({ baseOffset, partitionLeaderEpoch: 0, compression });
}

function makeControlBatch(baseOffset: number): Buffer {
  const batch = makeBatch(baseOffset, 1);
  batch.writeInt16BE(attributeBits.control | attributeBits.transactional, batchField.attributes);
  batch.writeUInt32BE(crc32c(batch.subarray(batchCrcStart)), batchField.crc);
  return batch;
}

/** Three batches, of 3, 4 and 3 records. */
const batches = [makeBatch(0, 3), makeBatch(3, 4, "gzip"), makeBatch(7, 3)] as const;
const slice = Buffer.concat(batches);
const starts = [0, batches[0].length, batches[0].length + batches[1].length, slice.length] as const;

function offsetsIn(bytes: Uint8Array | readonly Uint8Array[], options?: DecodeOptions): number[] {
  return Array.from(decodeBatches(bytes, options), ({ offset, value }) => {
    assert.equal(Number.parseInt(value?.toString() ?? "", 10), offset);
    return offset;
  });
}

/** What is given before the error, and the error. */
function decodeUntilDamage(bytes: Uint8Array | readonly Uint8Array[]): {
  offsets: number[];
  error: LogError;
} {
  const offsets: number[] = [];
  try {
    for (const { offset } of decodeBatches(bytes)) offsets.push(offset);
  } catch (error) {
    assert.ok(error instanceof LogError, String(error));
    return { offsets, error };
  }
  return assert.fail(`no error, but the records ${offsets}`);
}

test("a slice gives its records in order", () => {
  assert.deepEqual(offsetsIn(slice), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.deepEqual(offsetsIn(Buffer.alloc(0)), []);
  assert.deepEqual(offsetsIn([]), []);
});

test("pieces of whole batches are decoded as one slice", () => {
  assert.deepEqual(offsetsIn(batches), offsetsIn(slice));
  assert.deepEqual(offsetsIn([slice.subarray(0, starts[2]), Buffer.alloc(0), batches[2]]), offsetsIn(slice));
});

test("any Uint8Array will do, wherever in its memory it begins", () => {
  const larger = new Uint8Array(slice.length + 7);
  larger.set(slice, 5);
  assert.deepEqual(offsetsIn(larger.subarray(5, 5 + slice.length)), offsetsIn(slice));
});

test("records before `from` are left out, in the middle of a batch too", () => {
  assert.deepEqual(offsetsIn(slice, { from: 5 }), [5, 6, 7, 8, 9]);
  assert.deepEqual(offsetsIn(slice, { from: 7 }), [7, 8, 9]);
  assert.deepEqual(offsetsIn(slice, { from: 10 }), []);
});

test("records give the partition that they are said to be of", () => {
  assert.deepEqual(
    [...decodeBatches(batches[0], { partition: 5 })].map(({ partition }) => partition),
    [5, 5, 5],
  );
  assert.equal(decodeBatches(slice).next().value?.partition, 0);
});

test("control batches have no records", () => {
  assert.deepEqual(offsetsIn([batches[0], makeControlBatch(3), makeBatch(4, 2)]), [0, 1, 2, 4, 5]);
});

test("offsets may leave a gap between batches", () => {
  assert.deepEqual(offsetsIn([makeBatch(2, 2), makeBatch(100, 1)]), [2, 3, 100]);
});

test("keys and values are views of the slice", () => {
  const bytes = Buffer.from(batches[0]);
  const [record] = decodeBatches(bytes);
  assert.equal(record?.value?.buffer, bytes.buffer);
});

test("nothing is decoded before it is asked for", () => {
  const damaged = Buffer.from(slice);
  damaged[starts[1] + batchHeaderBytes] = ~(damaged[starts[1] + batchHeaderBytes] as number);
  const records = decodeBatches(damaged);
  for (const offset of [0, 1, 2]) assert.equal(records.next().value?.offset, offset);
  assert.throws(() => records.next(), withCode("CORRUPT_BATCH"));
});

test("a changed bit is reported with the position of its batch, and the batches before it are given", () => {
  fc.assert(
    fc.property(fc.nat(slice.length - 1), fc.nat(7), (at, bit) => {
      const index = starts.findLastIndex((start) => start <= at);
      const field = at - (starts[index] as number);
      // The first batch's offset may be anything, and its epoch says nothing: Kafka sets both after the checksum.
      if (field < batchField.magic && (field >= batchField.partitionLeaderEpoch || field < 8)) return;
      const damaged = Buffer.from(slice);
      damaged[at] = (damaged[at] as number) ^ (1 << bit);
      const { offsets, error } = decodeUntilDamage(damaged);
      assert.equal(error.code, "CORRUPT_BATCH");
      assert.equal(error.details["position"], starts[index]);
      assert.ok(error.message.includes(`position ${starts[index]} `), error.message);
      assert.deepEqual(offsets, offsetsIn(slice.subarray(0, starts[index])));
    }),
    { seed },
  );
});

test("a slice that ends too early is reported with the position of the batch that is incomplete", () => {
  for (let length = 0; length < slice.length; length++) {
    const cut = slice.subarray(0, length);
    const index = starts.findLastIndex((start) => start <= length);
    if (starts[index] === length) {
      assert.deepEqual(offsetsIn(cut), offsetsIn(batches.slice(0, index)));
      continue;
    }
    const { offsets, error } = decodeUntilDamage(cut);
    assert.equal(error.code, "CORRUPT_BATCH");
    assert.equal(error.details["position"], starts[index]);
    assert.deepEqual(offsets, offsetsIn(batches.slice(0, index)));
  }
});

test("the position counts over all pieces", () => {
  const { error } = decodeUntilDamage([batches[0], batches[1], batches[2].subarray(0, 70)]);
  assert.equal(error.details["position"], starts[2]);
});

test("a batch that is missing is a gap, one that comes twice or too late is damage", () => {
  assert.deepEqual(offsetsIn([batches[0], batches[2]]), [0, 1, 2, 7, 8, 9]);
  for (const wrong of [
    [batches[0], batches[0]],
    [batches[1], batches[0]],
  ]) {
    const { error } = decodeUntilDamage(wrong);
    assert.equal(error.code, "CORRUPT_BATCH");
    assert.equal(error.details["position"], wrong[0]?.length);
  }
});

test("zeros are no batch", () => {
  assert.equal(decodeUntilDamage(Buffer.alloc(200)).error.code, "CORRUPT_BATCH");
});

test("an offset beyond what numbers hold is reported with its position", () => {
  const huge = Buffer.from(batches[0]);
  writeInt64(huge, batchField.baseOffset, 2 ** 62);
  const { error } = decodeUntilDamage(huge);
  assert.equal(error.code, "NUMBER_TOO_LARGE");
  assert.equal(error.details["position"], 0);
});

test("what is no slice is refused at once", () => {
  for (const wrong of ["text", undefined, null, [1], [slice, "text"], { length: 0 }]) {
    assert.throws(() => decodeBatches(wrong as unknown as Uint8Array), withCode("INVALID_ARGUMENT"));
  }
  assert.throws(() => decodeBatches(slice, { from: -1 }), withCode("INVALID_ARGUMENT"));
  assert.throws(() => decodeBatches(slice, { partition: 0.5 }), withCode("INVALID_ARGUMENT"));
});
