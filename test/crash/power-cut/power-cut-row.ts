// The row "powercut": a log on a real ext4 and a real XFS whose disk logs every write and flush. Then the power is cut
// at points of that log: half of the images hold all that was written by then, the other half all that was flushed and
// a random part of the rest, torn by sectors. The file system recovers, then the log; what was acknowledged at "disk"
// by then is there.
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeRandom } from "../content.js";
import { runJobs } from "../jobs.js";
import type { Row, RowContext, RowResult } from "../row.js";
import { apart, type FileSystemName, isInstalled, whyNoMounts } from "./file-systems.js";
import type { Cut, PowerCutJob, PowerCutOutcome } from "./power-cut-worker.js";
import { type Recording, recordingTools } from "./recording.js";

const program = new URL("power-cut-worker.js", import.meta.url);
const systems: readonly FileSystemName[] = ["ext4", "xfs"];
const cutsPerSystem = { quick: 30, full: 1000 } as const;
const cutsPerJob = { quick: 15, full: 25 } as const;
const violationsMax = 40;
const memory = "/dev/shm";

export const powerCutRow: Row = {
  name: "powercut",
  points: "power cuts",
  goal: 2000,
  about: "block by block, a disk as a power cut leaves it, on a real ext4 and a real XFS",
  async run(context) {
    const why =
      whyNoMounts(recordingTools) ?? (existsSync("/dev/fuse") ? undefined : "there is no /dev/fuse");
    if (why !== undefined) return { points: 0, violations: [], skipped: why };
    if (context.replay !== undefined) return cutAgain(context.replay);
    const root = await mkdtemp(join(existsSync(memory) ? memory : tmpdir(), "strandlog-powercut-"));
    const violations: string[] = [];
    const remarks: string[] = [];
    const missing = systems.filter((system) => !isInstalled(`mkfs.${system}`));
    let points = 0;
    let unmountable = 0;
    for (const system of systems.filter((one) => !missing.includes(one))) {
      const recorded = await recordOn(system, join(root, system));
      const { recording, entries } = recorded;
      violations.push(...recorded.problems.map((problem) => `${system}, before any cut: ${problem}`));
      remarks.push(`${system}: ${entries} writes and flushes`);
      const cut = await cutAll(context, recording, entries, violations);
      points += cut.points;
      unmountable += cut.unmountable;
    }
    // A recording is the only way to see a violation again.
    if (violations.length === 0) await rm(root, { recursive: true });
    if (unmountable > 0)
      remarks.push(`${unmountable} times the file system itself was torn: cut again by whole blocks`);
    const result: RowResult = { points, violations, remark: remarks.join(", ") };
    return missing.length === 0 ? result : { ...result, skipped: `no mkfs for ${missing.join(", ")}` };
  },
};

async function recordOn(system: FileSystemName, directory: string): Promise<Required<PowerCutOutcome>> {
  let recorded: PowerCutOutcome | undefined;
  await runApart([{ type: "record", system, directory }], 1, (outcome) => {
    recorded = outcome;
  });
  return recorded as Required<PowerCutOutcome>;
}

async function cutAll(
  { mode, seed, workers, progress }: RowContext,
  recording: Recording,
  entries: number,
  violations: string[],
): Promise<{ points: number; unmountable: number }> {
  const cuts = cutsOf(cutsPerSystem[mode], entries, makeRandom(seed));
  let points = 0;
  let unmountable = 0;
  function* jobs(): Generator<PowerCutJob> {
    for (let from = 0; from < cuts.length && violations.length < violationsMax; from += cutsPerJob[mode])
      yield { type: "cut", recording, cuts: cuts.slice(from, from + cutsPerJob[mode]) };
  }
  await runApart(jobs(), workers, (outcome, job) => {
    const { problems } = outcome;
    if (job.type === "cut") points += job.cuts.length;
    unmountable += outcome.unmountable;
    violations.push(...problems);
    progress(`${recording.system}: ${points} of ${cuts.length}, ${violations.length} violations`);
  });
  return { points, unmountable };
}

/** Spread over all of the log, in order; every second one loses some of what came since the last flush. */
function cutsOf(count: number, entries: number, random: () => number): Cut[] {
  return Array.from({ length: count }, (_, index) => ({
    position: 1 + Math.floor(((index + random()) * entries) / count),
    seed: index % 2 === 0 ? undefined : Math.floor(random() * 2 ** 31),
  }));
}

/** "DIRECTORY POSITION SEED", of a recording that was kept. */
async function cutAgain(text: string): Promise<RowResult> {
  const [directory = "", position, seed] = text.split(" ");
  const recording = JSON.parse(readFileSync(join(directory, "recording.json"), "utf8")) as Recording;
  const cut = { position: Number(position), seed: seed === "all" ? undefined : Number(seed) };
  const violations: string[] = [];
  await runApart([{ type: "cut", recording, cuts: [cut] }], 1, ({ problems }) => {
    violations.push(...problems);
  });
  return { points: 1, violations };
}

function runApart(
  jobs: Iterable<PowerCutJob>,
  workers: number,
  done: (outcome: PowerCutOutcome, job: PowerCutJob) => void,
): Promise<void> {
  const execArgv = [...apart.args, process.execPath];
  return runJobs<PowerCutJob, PowerCutOutcome>(program, jobs, workers, done, {
    execArgv,
    execPath: apart.command,
  });
}
