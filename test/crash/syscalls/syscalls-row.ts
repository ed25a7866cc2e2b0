// The row "syscalls": every call of the write path fails in every way, once and for good. A library that is loaded
// before the process (shim.c) counts the calls of a story first; then the story is lived once for each call and fault.
// A story begins in no directory, or in one that a killed process has left, so that recovery is struck as well.
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeRandom } from "../content.js";
import { runJobs } from "../jobs.js";
import { Ledger } from "../ledger/ledger.js";
import { runStory } from "../ledger/story-child.js";
import type { Row, RowContext, RowResult } from "../row.js";
import { compileShim, type Fault, faultsFor, faultText } from "./shim.js";
import type { Beginning, SyscallsJob, SyscallsOutcome } from "./syscalls-worker.js";

const program = new URL("syscalls-worker.js", import.meta.url);
const quickPoints = 60;
const violationsMax = 40;
const stories = ["fresh", "left"] as const;
/** A file system in memory: a process that is killed leaves it as it is, and its syncs cost nothing. */
const memory = "/dev/shm";

export const syscallsRow: Row = {
  name: "syscalls",
  points: "calls that fail",
  about: "every system call of the write path fails, is short or kills, once and for good",
  async run(context) {
    const root = await mkdtemp(join(existsSync(memory) ? memory : tmpdir(), "strandlog-syscalls-"));
    try {
      const library = join(root, "shim.so");
      const skipped = compileShim(library);
      return skipped === undefined ? await strikeAll(context, root, library) : skippedRow(skipped);
    } finally {
      await rm(root, { recursive: true });
    }
  },
};

function skippedRow(skipped: string): RowResult {
  return { points: 0, violations: [], skipped };
}

async function strikeAll(context: RowContext, root: string, library: string): Promise<RowResult> {
  const { workers, progress, replay } = context;
  const beginnings: Record<string, Beginning> = {
    fresh: { directory: undefined, lines: [], round: 1, lives: ["full", "short"] },
    left: await leave(root),
  };
  const jobOf = (name: string, fault: Fault | undefined): SyscallsJob => {
    return { name, beginning: beginnings[name] as Beginning, library, root, fault };
  };
  const violations: string[] = [];
  const counted: SyscallsJob[] = [];
  const counting = stories.map((name) => jobOf(name, undefined));
  await runJobs<SyscallsJob, SyscallsOutcome>(program, counting, workers, ({ trace, problems }, { name }) => {
    violations.push(...problems);
    for (const fault of faultsFor(trace)) counted.push(jobOf(name, fault));
  });
  const jobs = replay === undefined ? chosen(counted, context) : counted.filter((job) => isJob(job, replay));
  let points = 0;
  let stuck = 0;
  function* untilTooMany(): Generator<SyscallsJob> {
    for (const job of jobs) if (violations.length < violationsMax) yield job;
  }
  await runJobs<SyscallsJob, SyscallsOutcome>(program, untilTooMany(), workers, (outcome) => {
    points++;
    if (outcome.isStuck) stuck++;
    violations.push(...outcome.problems);
    progress(`${points} of ${jobs.length}, ${violations.length} violations`);
  });
  const remark = `${counted.length} in all; ${stuck} of them kept the log waiting for a disk that never recovers`;
  return { points, violations, remark };
}

/** A directory that a process has left which was killed in the midst of its work. */
async function leave(root: string): Promise<Beginning> {
  const directory = join(root, "left");
  const child = { directory, round: 1, lives: ["full"], isKilled: true, environment: {} } as const;
  const lines = await runStory(child, new Ledger());
  return { directory, lines, round: 101, lives: ["short"] };
}

/** All of them, or some that lie evenly: which, the seed decides. */
function chosen(all: readonly SyscallsJob[], { mode, seed }: RowContext): readonly SyscallsJob[] {
  if (mode === "full") return all;
  const stride = all.length / quickPoints;
  const random = makeRandom(seed);
  return Array.from(
    { length: quickPoints },
    (_, index) => all[Math.floor((index + random()) * stride)] as SyscallsJob,
  );
}

function isJob({ name, fault }: SyscallsJob, text: string): boolean {
  return fault !== undefined && `${name} ${faultText(fault)}` === text;
}
