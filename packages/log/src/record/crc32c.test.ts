import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { crc32c } from "./crc32c.js";

test("the checksum is that of the standards", () => {
  // RFC 3720, B.4, and the check value of the CRC catalogue.
  const known: [Buffer, number][] = [
    [Buffer.from("123456789"), 0xe3069283],
    [Buffer.alloc(32), 0x8a9136aa],
    [Buffer.alloc(32, 0xff), 0x62a8ab43],
    [Buffer.from(Array.from({ length: 32 }, (_, n) => n)), 0x46dd794e],
    [Buffer.from(Array.from({ length: 32 }, (_, n) => 31 - n)), 0x113fdb5c],
    [Buffer.alloc(0), 0],
  ];
  for (const [bytes, crc] of known) assert.equal(crc32c(bytes), crc, bytes.toString("hex"));
});

test("the checksum of pieces is that of the whole, whichever way each is computed", (t) => {
  const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
  t.diagnostic(`seed ${seed}`);
  // Around 64 bytes a table gives way to native code.
  const pieces = fc.array(fc.uint8Array({ maxLength: 140 }), { maxLength: 5 });
  const property = fc.property(pieces, (parts) => {
    let crc = 0;
    for (const part of parts) crc = crc32c(part, crc);
    const whole = Buffer.concat(parts);
    assert.equal(crc, crc32c(whole));
    assert.equal(crc, bitByBit(whole));
  });
  fc.assert(property, { seed, numRuns: 500 });
});

test("any changed bit changes the checksum", () => {
  for (const length of [10, 64, 65, 200]) {
    const bytes = Buffer.alloc(length, 0x5a);
    const before = crc32c(bytes);
    for (let bit = 0; bit < length * 8; bit++) {
      const at = bit >> 3;
      bytes[at] = (bytes[at] as number) ^ (1 << (bit & 7));
      assert.notEqual(crc32c(bytes), before);
      bytes[at] = (bytes[at] as number) ^ (1 << (bit & 7));
    }
  }
});

/** By the definition: Castagnoli's polynomial, reflected, one bit at a time. */
function bitByBit(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}
