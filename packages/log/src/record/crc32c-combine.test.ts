import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32c } from "./crc32c.js";
import { combineCrc32c } from "./crc32c-combine.js";

test("the checksum of two pieces follows from the checksum of each", () => {
  for (const [firstBytes, secondBytes] of [
    [0, 0],
    [0, 7],
    [9, 0],
    [1, 1],
    [21, 100],
    [100, 21],
    [4096, 65_537],
    [70_000, 1_048_577],
  ] as const) {
    const whole = Buffer.from(
      Array.from({ length: firstBytes + secondBytes }, (_, n) => (n * 31 + (n >> 7)) & 0xff),
    );
    const first = crc32c(whole.subarray(0, firstBytes));
    const second = crc32c(whole.subarray(firstBytes));
    assert.equal(combineCrc32c(first, second, secondBytes), crc32c(whole), `${firstBytes} + ${secondBytes}`);
  }
});
