import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { withCode } from "../test-support.js";
import { VarintReader, varintSize, varlongSize, writeVarint, writeVarlong } from "./varint.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);

// Protocol buffers' own examples of zigzag, and the bounds of each length.
const known: [number, string][] = [
  [0, "00"],
  [-1, "01"],
  [1, "02"],
  [-64, "7f"],
  [64, "8001"],
  [-8192, "ff7f"],
  [8192, "808001"],
  [1_048_576, "80808001"],
  [134_217_728, "8080808001"],
  [2_147_483_647, "feffffff0f"],
  [-2_147_483_648, "ffffffff0f"],
];
const knownLong: [number, string][] = [
  ...known,
  [2_147_483_648, "8080808010"],
  [-2_147_483_649, "8180808010"],
  [Number.MAX_SAFE_INTEGER, "feffffffffffff1f"],
  [Number.MIN_SAFE_INTEGER, "fdffffffffffff1f"],
];

function write(writer: typeof writeVarint, value: number): string {
  const buffer = Buffer.alloc(12);
  return buffer.toString("hex", 1, writer(buffer, 1, value));
}

function reader(hex: string): VarintReader {
  const buffer = Buffer.from(hex, "hex");
  return new VarintReader(buffer, 0, buffer.length);
}

test("32-bit values are written as protocol buffers write them", () => {
  for (const [value, hex] of known) assert.equal(write(writeVarint, value), hex);
});

test("64-bit values are written as protocol buffers write them", () => {
  for (const [value, hex] of knownLong) assert.equal(write(writeVarlong, value), hex);
});

test("what is written is read", () => {
  for (const [value, hex] of known) assert.equal(reader(hex).next(), value);
  for (const [value, hex] of knownLong) assert.equal(reader(hex).nextLong(), value);
});

test("sizes are foretold", () => {
  for (const [value, hex] of known) assert.equal(varintSize(value), hex.length / 2, `${value}`);
  for (const [value, hex] of knownLong) assert.equal(varlongSize(value), hex.length / 2, `${value}`);
});

test("any values, one after the other, are read as they were written", (t) => {
  t.diagnostic(`seed ${seed}`);
  const property = fc.property(fc.array(fc.maxSafeInteger(), { maxLength: 20 }), (values) => {
    const buffer = Buffer.alloc(values.length * 10 + 1);
    let at = 0;
    for (const value of values) {
      const end = writeVarlong(buffer, at, value);
      assert.equal(end - at, varlongSize(value));
      at = end;
    }
    const read = new VarintReader(buffer, 0, at);
    for (const value of values) assert.equal(read.nextLong(), value);
    assert.equal(read.position, at);
  });
  fc.assert(property, { seed, numRuns: 1000 });
});

test("any 32-bit value is read as it was written", (t) => {
  t.diagnostic(`seed ${seed}`);
  const property = fc.property(fc.integer(), (value) => {
    const hex = write(writeVarint, value);
    assert.equal(hex.length / 2, varintSize(value));
    assert.equal(reader(hex).next(), value);
    assert.equal(write(writeVarlong, value), hex);
  });
  fc.assert(property, { seed, numRuns: 1000 });
});

test("a value of more than 32 bits is refused where 32 are due", () => {
  for (const hex of ["8080808010", "ffffffff1f", "808080808001", "ffffffffffffffffff01"]) {
    assert.throws(() => reader(hex).next(), withCode("CORRUPT_BATCH"), hex);
  }
});

test("a value of more than 64 bits is refused", () => {
  for (const hex of ["80808080808080808002", "8080808080808080808001"]) {
    assert.throws(() => reader(hex).nextLong(), withCode("CORRUPT_BATCH"), hex);
  }
});

test("a value beyond 2^53 is refused as such", () => {
  // 2^53, −2^53, and the bounds of 64 bits.
  for (const hex of [
    "8080808080808020",
    "ffffffffffffff1f",
    "feffffffffffffffff01",
    "ffffffffffffffffff01",
  ]) {
    assert.throws(() => reader(hex).nextLong(), withCode("NUMBER_TOO_LARGE"), hex);
  }
});

test("a value that goes on beyond the end is refused", () => {
  for (const hex of ["", "80", "ffffff"]) {
    assert.throws(() => reader(hex).next(), withCode("CORRUPT_BATCH"));
    assert.throws(() => reader(hex).nextLong(), withCode("CORRUPT_BATCH"));
  }
  const buffer = Buffer.from("8001", "hex");
  assert.throws(() => new VarintReader(buffer, 0, 1).next(), withCode("CORRUPT_BATCH"));
});
