import assert from "node:assert/strict";
import { test } from "node:test";
import { RateLimit } from "./rate-limit.js";

test("of very many alike ten are told within ten seconds, and then how many were not", () => {
  let nowMs = 5;
  const limit = new RateLimit(() => nowMs);
  const told = Array.from({ length: 1000 }, () => limit.admit("noise")).filter((each) => each !== undefined);
  assert.equal(told.length, 10);
  assert.deepEqual(limit.admit("other"), { suppressed: 0 });
  nowMs += 9999;
  assert.equal(limit.admit("noise"), undefined);
  nowMs += 1;
  assert.deepEqual(limit.admit("noise"), { suppressed: 991 });
  assert.deepEqual(limit.admit("noise"), { suppressed: 0 });
});
