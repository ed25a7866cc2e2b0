// The row "ioerror": the disk below a real ext4 fails, so that a sync fails after the page cache has taken the bytes.
// Nothing is acknowledged from there on, all stays readable, and once opened again everything that was acknowledged is
// there, also when only the disk is asked.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runJobs } from "../jobs.js";
import { apart, whyNoMounts } from "../power-cut/file-systems.js";
import type { Row } from "../row.js";
import { failingDiskTools } from "./failing-disk.js";
import type { IoErrorJob } from "./io-error-worker.js";
import { scenarios } from "./scenarios.js";

const program = new URL("io-error-worker.js", import.meta.url);

export const ioErrorRow: Row = {
  name: "ioerror",
  points: "scenarios",
  about: "a real disk fails below ext4: nothing is acknowledged after it, nothing acknowledged is lost",
  async run({ replay, workers, progress }) {
    const skipped = whyNoMounts(failingDiskTools);
    if (skipped !== undefined) return { points: 0, violations: [], skipped };
    const root = await mkdtemp(join(tmpdir(), "strandlog-ioerror-"));
    const violations: string[] = [];
    const names = replay === undefined ? Object.keys(scenarios) : [replay];
    const jobs = names.map((name): IoErrorJob => ({ name, root }));
    const execArgv = [...apart.args, process.execPath];
    const done = (problems: readonly string[], { name }: IoErrorJob): void => {
      progress(name);
      violations.push(...problems);
    };
    try {
      await runJobs<IoErrorJob, readonly string[]>(program, jobs, workers, done, {
        execArgv,
        execPath: apart.command,
      });
    } finally {
      await rm(root, { recursive: true });
    }
    return { points: names.length, violations };
  },
};
