// Explores the recoveries that begin with a crash at one step, in a process of its own.
import { serveJobs } from "../jobs.js";
import { type Explored, exploreRecovery } from "./recovery.js";

export interface RecoveryJob {
  readonly depth: number;
  readonly step: number;
}

serveJobs(({ depth, step }: RecoveryJob): Promise<Explored> => exploreRecovery(depth, (one) => one === step));
