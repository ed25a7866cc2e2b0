// A short run of the frames with a fixed seed; the long one is `npm run crash -- fuzz`.
import assert from "node:assert/strict";
import { test } from "node:test";
import { framesTarget } from "./frames-target.js";
import { fuzzRoom } from "./fuzz-room.js";

const seed = 20_26;
const target = framesTarget();
const { runFuzz } = await fuzzRoom();

test("frames of every API are read and written again as they are", () => {
  for (const input of target.corpus) assert.equal(target.read(Buffer.from(input)), true);
});

test("whatever comes in from a socket is read, or refused with a typed error", async () => {
  for (const [way, cases] of [
    ["bytes", 4000],
    ["fields", 1000],
  ] as const) {
    const outcome = await runFuzz(target, { way, seed, cases });
    assert.equal(outcome.violation, undefined);
    assert.ok(outcome.accepted > cases / 20 && outcome.accepted < cases, `${way}: ${outcome.accepted}`);
  }
});
