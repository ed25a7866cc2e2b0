import { deepEqual, doesNotMatch, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { runWorkload, stepNames, workloads } from "./exhaustive.js";
import { lies } from "./lying-disk.js";
import { caseOf, caseText, runCase, shrink } from "./shrink.js";
import { runHistory } from "./workload.js";

// More of them: npm run crash -- sim. One of them: npm run crash -- sim --replay "seed 17".
const seeds = 40;
const seedsPerLie = 200;

test("histories with crashes of both kinds, faults and interrupted recoveries keep every promise", async (t) => {
  let crashes = 0;
  let operations = 0;
  let records = 0;
  for (let seed = 1; seed <= seeds; seed++) {
    const result = await runHistory(seed, { density: 0.02 });
    crashes += result.crashes;
    operations += result.operations;
    records += result.records;
  }
  t.diagnostic(`${seeds} seeds, ${crashes} crashes, ${operations} operations, ${records} records checked`);
  ok(crashes > seeds, "the histories crash");
});

test("a seed replays the same history, with and without crashes tried beside it", async () => {
  const [left, right, beside] = [
    await runHistory(7),
    await runHistory(7),
    await runHistory(7, { density: 0.1 }),
  ];
  deepEqual(left, right);
  equal(beside.operations, left.operations);
  ok(beside.crashes > left.crashes);
});

test("every workload of one operation survives a crash at each of its steps", async () => {
  equal([...workloads(2)].length, stepNames.length + stepNames.length ** 2);
  for (const names of workloads(1)) ok((await runWorkload(names)) > 0);
});

test("a history that fails is made small, and the short one can be run again", async () => {
  const disguise = lies["a sync of a segment does nothing"];
  ok(disguise !== undefined);
  const fails = async ({
    seed,
    only,
  }: {
    seed: number;
    only: readonly number[] | undefined;
  }): Promise<string | undefined> => {
    try {
      await runHistory(seed, { disguise, density: 1, only: new Set(only), lives: 1, faults: false });
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  };
  const calls = Array.from({ length: 40 }, (_, number) => number);
  const found = await shrink(2, calls, fails, () => 0);
  ok(found !== undefined);
  doesNotMatch(found.message, /a hang:|no end/);
  ok((found.small.only?.length ?? 0) <= 8, `${found.small.only}`);
  ok((await fails(found.small)) !== undefined);
  deepEqual(caseOf(caseText(found.small)), found.small);
  equal(await runCase(found.small, 0), undefined, "an honest disk keeps the promise");
});

for (const [lie, disguise] of Object.entries(lies)) {
  test(`it is noticed when ${lie}`, async (t) => {
    for (let seed = 1; seed <= seedsPerLie; seed++) {
      try {
        await runHistory(seed, { disguise, operationsMax: 3000, density: 0.05 });
      } catch (error) {
        const { message } = error as Error;
        // Trying again and again proves nothing: the complaint must be about what the log shows.
        if (message.includes("no end after")) continue;
        t.diagnostic(message);
        return;
      }
    }
    ok(false, `not within ${seedsPerLie} seeds`);
  });
}
