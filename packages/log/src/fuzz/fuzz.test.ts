// A short run of every target with a fixed seed; the long one is `npm run crash -- fuzz`. A failure names target, way,
// seed and case: `npm run crash -- fuzz --replay "TARGET WAY SEED CASE"` runs it again.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LogError } from "../errors.js";
import { type FuzzTarget, fuzzTargets, fuzzWays, runFuzz } from "./index.js";

const seed = 20_26;
const casesOf = { bytes: 400, fields: 40, identity: 20 } as const;
const targets = await fuzzTargets();

for (const target of targets) {
  test(`${target.name}: whatever it is given, it accepts it or refuses it with a typed error`, async () => {
    for (const way of fuzzWays) {
      const { violation } = await runFuzz(target, { way, seed, cases: casesOf[way] });
      assert.equal(violation, undefined);
    }
  });

  test(`${target.name}: mutation of its corpus reaches both what it accepts and what it refuses`, async () => {
    if (target.name === "bomb") return; // None of them is good.
    for (const input of target.corpus.slice(0, 1)) assert.equal(await target.read(Buffer.from(input)), true);
    const { cases, accepted } = await runFuzz(target, { way: "bytes", seed, cases: 400 });
    assert.ok(accepted > 0 && accepted < cases, `${accepted} of ${cases}`);
  });
}

const faulty: FuzzTarget = {
  ...(targets[0] as FuzzTarget),
  name: "faulty",
  read(input) {
    if (input.length % 7 === 0) throw new RangeError("out of range");
    throw new LogError("CORRUPT_BATCH", "refused");
  },
};

test("an untyped error is a violation, and its text runs the same case again", async () => {
  for (const way of ["bytes", "fields"] as const) {
    const { violation = "" } = await runFuzz(faulty, { way, seed, cases: 1000 });
    assert.match(violation, /RangeError: out of range/);
    const only = violation.split(" ")[3]?.replace(/:$/, "");
    const again = await runFuzz(faulty, { way, seed, cases: 1000, only });
    assert.match(again.violation ?? "", /RangeError: out of range/);
  }
});

test("a typed error that is not among the target's codes is a violation", async () => {
  const { violation = "" } = await runFuzz({ ...faulty, codes: [] }, { way: "bytes", seed, cases: 10 });
  assert.match(violation, /LogError: refused|RangeError/);
});

test("a large allocation for a small input is a violation", async () => {
  const kept: Buffer[] = [];
  const greedy: FuzzTarget = {
    ...faulty,
    read: () => kept.push(Buffer.alloc(100_000_000)) > 0,
  };
  const { violation = "" } = await runFuzz(greedy, { way: "bytes", seed, cases: 1 });
  assert.match(violation, /bytes of memory for an input of/);
});
