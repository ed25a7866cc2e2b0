// The row "index": index files removed, emptied, cut, damaged, taken from elsewhere. Answers stay the same, and what is
// made anew equals what was there.
import { runJobs } from "../jobs.js";
import type { Row, RowResult } from "../row.js";
import type { IndexJob, IndexOutcome } from "./index-worker.js";

const program = new URL("index-worker.js", import.meta.url);
const casesPerJob = 10;

export const indexRow: Row = {
  name: "index",
  points: "cases",
  goal: 1000,
  about: "index files removed, damaged or of another segment: same answers, and rebuilt byte for byte",
  async run({ mode, seed, workers, replay, progress }): Promise<RowResult> {
    const cases = mode === "quick" ? 100 : 1000;
    const totals = { points: 0, rebuilt: 0 };
    const violations: string[] = [];
    function* jobs(): Generator<IndexJob, void, void> {
      if (replay !== undefined) yield { from: Number.parseInt(replay, 10), count: 1 };
      else for (let n = 0; n < cases; n += casesPerJob) yield { from: seed + n, count: casesPerJob };
    }
    await runJobs<IndexJob, IndexOutcome>(program, jobs(), workers, (outcome) => {
      totals.points += outcome.points;
      totals.rebuilt += outcome.rebuilt;
      violations.push(...outcome.violations);
      progress(`${totals.points} cases, ${violations.length} violations`);
    });
    return {
      points: totals.points,
      violations,
      remark: `${totals.rebuilt} index files made anew where they were needed, each equal to the one that it replaces`,
    };
  },
};
