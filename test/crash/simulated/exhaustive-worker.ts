// Runs small workloads in a process of its own.
import { serveJobs } from "../jobs.js";
import { runWorkload } from "./exhaustive.js";

export interface ExhaustiveOutcome {
  readonly points: number;
  readonly violations: readonly string[];
}

serveJobs(async (workloads: readonly (readonly string[])[]): Promise<ExhaustiveOutcome> => {
  let points = 0;
  const violations: string[] = [];
  for (const names of workloads) {
    try {
      points += await runWorkload(names);
    } catch (error) {
      violations.push((error as Error).message);
    }
  }
  return { points, violations };
});
