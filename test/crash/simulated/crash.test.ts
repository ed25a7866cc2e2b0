import { ok } from "node:assert/strict";
import { test } from "node:test";
import { lies } from "./lying-disk.js";
import { runHistory } from "./workload.js";

// To replay one history: STRANDLOG_SEED=<seed> node --test dist/testing/crash.test.js. For more of them: STRANDLOG_SEEDS=<count>.
const replayed = process.env["STRANDLOG_SEED"];
const seeds = Number(process.env["STRANDLOG_SEEDS"] ?? 250);
const seedsPerLie = 200;

test("histories with crashes of both kinds, faults and interrupted recoveries keep every promise", async (t) => {
  let crashes = 0;
  let operations = 0;
  let records = 0;
  const first = replayed === undefined ? 1 : Number(replayed);
  const count = replayed === undefined ? seeds : 1;
  for (let seed = first; seed < first + count; seed++) {
    const result = await runHistory(seed);
    crashes += result.crashes;
    operations += result.operations;
    records += result.records;
  }
  t.diagnostic(`${count} seeds, ${crashes} crashes, ${operations} operations, ${records} records checked`);
  if (replayed === undefined) ok(crashes > count, "the histories crash");
});

test("a seed replays the same history", async () => {
  const [left, right] = [await runHistory(7), await runHistory(7)];
  ok(
    JSON.stringify(left) === JSON.stringify(right),
    `${JSON.stringify(left)} is not ${JSON.stringify(right)}`,
  );
});

for (const [lie, disguise] of Object.entries(lies)) {
  test(`it is noticed when ${lie}`, async (t) => {
    for (let seed = 1; seed <= seedsPerLie; seed++) {
      try {
        await runHistory(seed, { disguise, operationsMax: 3000 });
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
