import { serveJobs } from "../jobs.js";
import { runHistory } from "./workload.js";

/** A stretch of seeds. */
export interface SimJob {
  readonly from: number;
  readonly to: number;
}

export interface SimOutcome {
  readonly points: number;
  readonly violations: readonly string[];
}

serveJobs(async ({ from, to }: SimJob): Promise<SimOutcome> => {
  let points = 0;
  const violations: string[] = [];
  for (let seed = from; seed < to; seed++) {
    try {
      points += (await runHistory(seed)).crashes;
    } catch (error) {
      violations.push((error as Error).message);
    }
  }
  return { points, violations };
});
