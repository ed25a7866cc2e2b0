import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ProtocolError } from "./errors.js";
import { Reader } from "./reader.js";
import { Writer } from "./writer.js";

function written(write: (writer: Writer) => void): Buffer {
  const writer = new Writer();
  write(writer);
  const { length } = writer;
  const whole = Buffer.concat(writer.finish());
  assert.equal(whole.length, length);
  return whole;
}

test("an unsigned varint takes one to five bytes and 32 bits, and no more", () => {
  for (const [value, hex] of [
    [0, "00"],
    [127, "7f"],
    [128, "8001"],
    [300, "ac02"],
    [2 ** 32 - 1, "ffffffff0f"],
  ] as const) {
    assert.equal(written((writer) => writer.unsignedVarint(value)).toString("hex"), hex);
    assert.equal(new Reader(Buffer.from(hex, "hex")).unsignedVarint(), value);
  }
  for (const hex of ["ffffffff10", "ffffffff7f", "808080808001", "ffffffffff01"]) {
    assert.throws(() => new Reader(Buffer.from(hex, "hex")).unsignedVarint(), /more than 32 bits/);
  }
  assert.throws(() => new Reader(Buffer.from("80", "hex")).unsignedVarint(), ProtocolError);
  for (const value of [-1, 2 ** 32, 0.5]) {
    assert.throws(() => written((writer) => writer.unsignedVarint(value)), RangeError);
  }
});

test("64-bit numbers are exact up to 2^53, and refused beyond", () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), (value) => {
      const whole = written((writer) => writer.int64(value));
      assert.equal(whole.readBigInt64BE(0), BigInt(value));
      assert.equal(new Reader(whole).int64(), value);
    }),
  );
  for (const hex of ["0020000000000000", "7fffffffffffffff", "8000000000000000", "ffe0000000000000"]) {
    assert.throws(() => new Reader(Buffer.from(hex, "hex")).int64(), /beyond 2\^53/);
  }
  assert.throws(() => written((writer) => writer.int64(2 ** 53)), RangeError);
});

test("numbers beyond their range are not written", () => {
  assert.throws(() => written((writer) => writer.int8(128)), RangeError);
  assert.throws(() => written((writer) => writer.int16(2 ** 15)), RangeError);
  assert.throws(() => written((writer) => writer.int32(2 ** 31)), RangeError);
});

test("a uuid is 22 characters of base64url", () => {
  const whole = written((writer) => writer.uuid("AAAAAAAAAAAAAAAAAAAAAQ"));
  assert.equal(whole.toString("hex"), "00000000000000000000000000000001");
  assert.equal(new Reader(whole).uuid(), "AAAAAAAAAAAAAAAAAAAAAQ");
  for (const value of ["", "AAAA", "AAAAAAAAAAAAAAAAAAAAAQAA", "!!!!!!!!!!!!!!!!!!!!!!"]) {
    assert.throws(() => written((writer) => writer.uuid(value)), TypeError);
  }
});

test("what is written comes out in order, however much it is, and whether it is borrowed or copied", () => {
  const parts = fc.array(fc.uint8Array({ maxLength: 3000, size: "max" }), { maxLength: 60 });
  fc.assert(
    fc.property(parts, (all) => {
      const whole = written((writer) => {
        for (const part of all) {
          writer.int8(1);
          writer.bytes(part);
        }
      });
      assert.deepEqual(whole, Buffer.concat(all.flatMap((part) => [Buffer.from([1]), part])));
    }),
  );
});
