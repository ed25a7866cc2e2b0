// Runs scenarios, each on a failing disk of its own. Runs with mounts of its own (power-cut/file-systems.ts).
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { serveJobs } from "../jobs.js";
import { FailingDisk } from "./failing-disk.js";
import { runScenario } from "./scenarios.js";

export interface IoErrorJob {
  readonly name: string;
  /** Where directories can be made. */
  readonly root: string;
}

serveJobs(async ({ name, root }: IoErrorJob): Promise<readonly string[]> => {
  const directory = join(root, `${process.hrtime.bigint()}`);
  mkdirSync(directory);
  const disk = new FailingDisk(directory);
  try {
    return (await runScenario(name, disk)).map((problem) => `${name}: ${problem}`);
  } finally {
    disk.remove();
    rmSync(directory, { recursive: true });
  }
});
