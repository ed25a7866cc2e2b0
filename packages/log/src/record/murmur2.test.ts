import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import fc from "fast-check";
import { LogError } from "../errors.js";
import { murmur2, partitionForKey, toPositive } from "./murmur2.js";

const require = createRequire(import.meta.url);
const kafkajsMurmur2 = require("kafkajs/src/producer/partitioners/default/murmur2") as (
  key: Buffer,
) => number;

test("murmur2 gives the values of Kafka's own test", () => {
  // org.apache.kafka.common.utils.UtilsTest.testMurmur2
  const known: Record<string, number> = {
    "21": -973932308,
    foobar: -790332482,
    "a-little-bit-long-string": -985981536,
    "a-little-bit-longer-string": -1486304829,
    lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8: -58897971,
    abc: 479470107,
  };
  for (const [key, hash] of Object.entries(known)) assert.equal(murmur2(Buffer.from(key)), hash, key);
});

test("murmur2 agrees with kafkajs on any bytes", (t) => {
  const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
  t.diagnostic(`seed ${seed}`);
  const property = fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
    assert.equal(murmur2(bytes), kafkajsMurmur2(Buffer.from(bytes)));
  });
  fc.assert(property, { seed, numRuns: 2000 });
});

test("toPositive drops the sign bit", () => {
  assert.equal(toPositive(-973932308), 1173551340);
  assert.equal(toPositive(-2147483648), 0);
  assert.equal(toPositive(-1), 2147483647);
  assert.equal(toPositive(479470107), 479470107);
});

test("a key's partition is its positive hash modulo the number of partitions", () => {
  assert.equal(partitionForKey(Buffer.from("abc"), 8), 479470107 % 8);
  assert.equal(partitionForKey(Buffer.from("21"), 7), 1173551340 % 7);
  assert.equal(partitionForKey(Buffer.from("21"), 1), 0);
});

test("a number of partitions that is none is refused", () => {
  for (const partitions of [0, -1, 1.5, Number.NaN]) {
    assert.throws(
      () => partitionForKey(Buffer.from("abc"), partitions),
      (error) => error instanceof LogError && error.code === "INVALID_ARGUMENT",
    );
  }
});
