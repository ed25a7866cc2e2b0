// The row "bitflip": every byte of every file changed, every length cut, blocks and batches swapped, one at a time.
import { runJobs } from "../jobs.js";
import type { Row, RowResult } from "../row.js";
import type { BitflipJob, BitflipOutcome } from "./bitflip-worker.js";
import { type Mutation, mutationsOf } from "./mutations.js";
import { type Ending, makeSample } from "./sample.js";

const program = new URL("bitflip-worker.js", import.meta.url);
const pointsPerJob = 200;
const quickPoints = 900;
const endings: readonly Ending[] = ["closed", "killed"];

export const bitflipRow: Row = {
  name: "bitflip",
  points: "damages",
  about: "every byte of every file changed, cut and swapped: detected or harmless, found by verify, repaired",
  async run({ mode, seed, workers, replay, progress }): Promise<RowResult> {
    const totals = { points: 0, detected: 0, harmless: 0, torn: 0 };
    const violations: string[] = [];
    const sizes = new Map<Ending, number>();
    for (const ending of endings) sizes.set(ending, mutationsOf(await makeSample(ending)).length);
    const jobs = replay === undefined ? jobsOf(sizes, mode, seed) : [replayed(replay)];
    await runJobs<BitflipJob, BitflipOutcome>(
      program,
      jobs,
      workers,
      ({ points, outcomes, violations: found }) => {
        totals.points += points;
        for (const [outcome, count] of Object.entries(outcomes))
          totals[outcome as keyof typeof outcomes] += count;
        violations.push(...found);
        progress(`${totals.points} damages, ${violations.length} violations`);
      },
    );
    const { points, detected, harmless, torn } = totals;
    const remark = `${detected} detected, ${harmless} harmless; ${torn} in the journal's last block, which cannot be told from its torn end`;
    return { points, violations, remark };
  },
};

function* jobsOf(
  sizes: ReadonlyMap<Ending, number>,
  mode: "quick" | "full",
  seed: number,
): Generator<BitflipJob, void, void> {
  for (const [ending, size] of sizes) {
    const step = mode === "full" ? 1 : Math.max(1, Math.floor((size * sizes.size) / quickPoints));
    for (let from = seed % step; from < size; from += step * pointsPerJob)
      yield { ending, from, step, count: pointsPerJob, repairEvery: mode === "full" ? 6 : 2 };
  }
}

/** As a violation has printed it: the ending, then the change as JSON, and whatever follows. */
function replayed(text: string): BitflipJob {
  const [, ending, json] = /^(closed|killed) (\{.*?\})/.exec(text) ?? [];
  if (json === undefined) throw new Error(`"${text}" is not a damage that this row has printed`);
  return {
    ending: ending as Ending,
    from: 0,
    step: 1,
    count: 1,
    repairEvery: 1,
    only: JSON.parse(json) as Mutation,
  };
}
