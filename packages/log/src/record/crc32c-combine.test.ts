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

test("pieces longer than any buffer are put together, too", () => {
  let zeros = crc32c(Buffer.alloc(1024 * 1024));
  const begin = crc32c(Buffer.from("the beginning"));
  // Twice as many zeros at each step, appended at once and as two halves.
  for (let length = 1024 * 1024; length < 2 ** 32; length *= 2) {
    const both = combineCrc32c(zeros, zeros, length);
    const halves = combineCrc32c(combineCrc32c(begin, zeros, length), zeros, length);
    assert.equal(combineCrc32c(begin, both, 2 * length), halves, `${2 * length}`);
    zeros = both;
  }
});
