import { serveJobs } from "../jobs.js";
import { checkIndexCase } from "./index-check.js";

/** Cases by their seeds. */
export interface IndexJob {
  readonly from: number;
  readonly count: number;
}

export interface IndexOutcome {
  readonly points: number;
  readonly rebuilt: number;
  readonly violations: readonly string[];
}

serveJobs(async ({ from, count }: IndexJob): Promise<IndexOutcome> => {
  const violations: string[] = [];
  let rebuilt = 0;
  for (let seed = from; seed < from + count; seed++) {
    const checked = await checkIndexCase(seed);
    rebuilt += checked.rebuilt;
    for (const problem of checked.problems.slice(0, 3))
      violations.push(`${seed}: ${checked.what}: ${problem}`);
  }
  return { points: count, rebuilt, violations };
});
