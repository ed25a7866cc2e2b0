// The row "sim": random histories on a simulated disk.
import { runJobs } from "../jobs.js";
import type { Row, RowContext, RowResult } from "../row.js";
import { caseOf, runCase } from "./shrink.js";
import type { SimJob, SimOutcome } from "./sim-worker.js";

const program = new URL("sim-worker.js", import.meta.url);
const seedsPerJob = 4;
const goals = { quick: 40_000, full: 1_000_000 };
const violationsMax = 10;
// Of the operations that change the disk: a crash is tried before this share of them.
const density = 0.3;

export const simRow: Row = {
  name: "sim",
  points: "crash points",
  goal: goals.full,
  about: "random histories on a simulated disk that crashes, fails and gets full",
  run: (context) => (context.replay === undefined ? search(context) : replay(context.replay)),
};

async function search({
  mode,
  seed,
  workers,
  points: wanted = goals[mode],
  progress,
}: RowContext): Promise<RowResult> {
  let points = 0;
  let histories = 0;
  let records = 0;
  const violations: string[] = [];
  function* jobs(): Generator<SimJob> {
    for (let from = seed; points < wanted && violations.length < violationsMax; from += seedsPerJob)
      yield { from, to: from + seedsPerJob, density };
  }
  await runJobs<SimJob, SimOutcome>(program, jobs(), workers, (outcome) => {
    points += outcome.points;
    histories += outcome.histories;
    records += outcome.records;
    violations.push(...outcome.violations);
    progress(`${points.toLocaleString("en")} crash points, ${violations.length} violations`);
  });
  const remark = `${histories.toLocaleString("en")} histories, ${records.toLocaleString("en")} records compared`;
  return { points, violations, remark };
}

async function replay(text: string): Promise<RowResult> {
  const message = await runCase(caseOf(text), density);
  return { points: 1, violations: message === undefined ? [] : [message] };
}
