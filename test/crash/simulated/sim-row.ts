// The row "sim": random histories on a simulated disk.
import { runJobs } from "../jobs.js";
import type { Row } from "../row.js";
import type { SimJob, SimOutcome } from "./sim-worker.js";

const program = new URL("sim-worker.js", import.meta.url);
const seedsPerJob = 20;

export const simRow: Row = {
  name: "sim",
  points: "crash points",
  goal: 1_000_000,
  about: "random histories on a simulated disk that crashes, fails and lies",
  async run({ mode, seed, workers, progress }) {
    const goal = mode === "quick" ? 10_000 : 1_000_000;
    let points = 0;
    const violations: string[] = [];
    function* jobs(): Generator<SimJob> {
      for (let from = seed; points < goal && violations.length < 20; from += seedsPerJob)
        yield { from, to: from + seedsPerJob };
    }
    await runJobs<SimJob, SimOutcome>(program, jobs(), workers, (outcome) => {
      points += outcome.points;
      violations.push(...outcome.violations);
      progress(`${points} crash points, ${violations.length} violations`);
    });
    return { points, violations };
  },
};
