// The row "recovery": a crash at every step of a recovery, and of the recovery of that, three deep.
import { runJobs } from "../jobs.js";
import type { Row } from "../row.js";
import { type Explored, exploreRecovery } from "./recovery.js";
import type { RecoveryJob } from "./recovery-worker.js";

const program = new URL("recovery-worker.js", import.meta.url);

export const recoveryRow: Row = {
  name: "recovery",
  points: "crashes of a recovery",
  about: "a crash at every step of a recovery, three deep",
  async run({ mode, workers, progress }) {
    const depth = mode === "quick" ? 2 : 3;
    const { steps } = await exploreRecovery(1);
    const jobs = Array.from({ length: steps }, (_, step): RecoveryJob => ({ depth, step }));
    let points = 0;
    const violations: string[] = [];
    try {
      await runJobs<RecoveryJob, Explored>(program, jobs, workers, (explored) => {
        points += explored.points;
        progress(`${points.toLocaleString("en")} crashes`);
      });
    } catch (error) {
      violations.push((error as Error).message);
    }
    return { points, violations, remark: `${steps} steps, ${depth} deep, power and process` };
  },
};
