// The row "fuzz": inputs of every parser of the engine and of the protocol, damaged and forged.
import { runJobs } from "../jobs.js";
import type { Row, RowContext, RowResult } from "../row.js";
import { type FuzzOutcome, type FuzzWay, fuzzRoom } from "./fuzz-room.js";
import type { FuzzTarget } from "./fuzz-target.js";
import type { FuzzJob } from "./fuzz-worker.js";

const program = new URL("fuzz-worker.js", import.meta.url);
const goal = 50_000_000;
const quickCases = 200_000;
/** Of a target's cases: structured ones cost ten times as much, and reach what damage seldom does. */
const waysShare: Readonly<Record<FuzzWay, number>> = { bytes: 0.96, fields: 0.03, identity: 0.01 };
const casesPerJob: Readonly<Record<FuzzWay, number>> = { bytes: 100_000, fields: 5000, identity: 5000 };
// A case that needs more than this takes the process with it.
const heapMegabytesMax = 512;

export const fuzzRow: Row = {
  name: "fuzz",
  points: "inputs",
  goal,
  about: "batches, journal blocks, indexes, checkpoints, metadata and Kafka's frames, damaged and forged",
  async run(context) {
    if (context.replay !== undefined) return replay(context.replay);
    const targets = await (await fuzzRoom()).fuzzTargets();
    const violations: string[] = [];
    let points = 0;
    const accepted: number[] = [];
    const jobs = jobsOf(targets, context);
    await runJobs<FuzzJob, FuzzOutcome>(
      program,
      jobs,
      context.workers,
      (outcome) => {
        points += outcome.cases;
        accepted.push(outcome.accepted);
        if (outcome.violation !== undefined) violations.push(outcome.violation);
        context.progress(`${points} inputs, ${violations.length} violations`);
      },
      { execArgv: [`--max-old-space-size=${heapMegabytesMax}`] },
    );
    const share = Math.round((100 * accepted.reduce((sum, count) => sum + count, 0)) / points);
    return {
      points,
      violations,
      remark: `${targets.length} targets; ${share} % of the inputs were accepted, the rest refused with a typed error`,
    };
  },
};

/** The jobs of all targets by turns, so that a run that is broken off has tried a bit of everything. */
function* jobsOf(targets: readonly FuzzTarget[], { mode, seed }: RowContext): Generator<FuzzJob> {
  const total = mode === "quick" ? quickCases : goal;
  const shares = targets.reduce((sum, { share }) => sum + share, 0);
  const work = targets.flatMap(({ name, share, identity }) =>
    (Object.keys(waysShare) as FuzzWay[])
      .filter((way) => way !== "identity" || identity !== undefined)
      .map((way) => ({
        target: name,
        way,
        // One in a hundred more, for the targets that lack a way.
        left: Math.ceil((1.01 * total * share * waysShare[way]) / shares),
      })),
  );
  for (let round = 0; work.some(({ left }) => left > 0); round++) {
    for (const item of work) {
      if (item.left <= 0) continue;
      const cases = Math.min(item.left, casesPerJob[item.way]);
      item.left -= cases;
      yield { target: item.target, way: item.way, seed: (seed + round) % 2 ** 31, cases };
    }
  }
}

/** One case, as a violation has printed it: target, way, seed, number. */
async function replay(text: string): Promise<RowResult> {
  const [target = "", way, seed, only] = text.trim().split(/[\s]+/);
  if (way === undefined || !(way in waysShare) || only === undefined)
    throw new Error(`--replay takes "TARGET WAY SEED CASE" as a violation prints it, not "${text}"`);
  const job = { target, way: way as FuzzWay, seed: Number(seed), cases: 1, only: only.replace(/:$/, "") };
  const violations: string[] = [];
  await runJobs<FuzzJob, FuzzOutcome>(program, [job], 1, ({ violation }) => {
    if (violation !== undefined) violations.push(violation);
  });
  return { points: 1, violations };
}
