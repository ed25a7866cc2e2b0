// The row "exhaustive": every workload of up to three operations, a crash at every step, of every kind.
import { runJobs } from "../jobs.js";
import type { Row } from "../row.js";
import { runWorkload, stepNames, workloads } from "./exhaustive.js";
import type { ExhaustiveOutcome } from "./exhaustive-worker.js";

const program = new URL("exhaustive-worker.js", import.meta.url);
const workloadsPerJob = 8;

export const exhaustiveRow: Row = {
  name: "exhaustive",
  points: "crash points",
  about: "every workload of up to three operations, a crash at every step of its last one",
  async run({ mode, workers, replay, progress }) {
    if (replay !== undefined) return { points: await runWorkload(replay.split(" ")), violations: [] };
    const length = mode === "quick" ? 2 : 3;
    const all = [...workloads(length)];
    let points = 0;
    let done = 0;
    const violations: string[] = [];
    function* jobs(): Generator<readonly (readonly string[])[]> {
      for (let at = 0; at < all.length; at += workloadsPerJob) yield all.slice(at, at + workloadsPerJob);
    }
    await runJobs<readonly (readonly string[])[], ExhaustiveOutcome>(
      program,
      jobs(),
      workers,
      (outcome, job) => {
        points += outcome.points;
        done += job.length;
        violations.push(...outcome.violations);
        progress(`${done} of ${all.length} workloads, ${violations.length} violations`);
      },
    );
    const remark = `${all.length} workloads of up to ${length} of ${stepNames.length} operations`;
    return { points, violations, remark };
  },
};
