// Records a story on a disk that logs, or cuts the power at points of a recording and looks at what is left. Runs with
// mounts of its own (file-systems.ts).
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { makeRandom } from "../content.js";
import { serveJobs } from "../jobs.js";
import { lastLook } from "../ledger/last-look.js";
import { Ledger } from "../ledger/ledger.js";
import { storyOptions } from "../ledger/story.js";
import { atomicBytes, BlockLog } from "./block-log.js";
import { type FileSystemName, mountImage } from "./file-systems.js";
import { dataDirectory, type Recording, record } from "./recording.js";

/** A point at which the power is cut. */
export interface Cut {
  /** How many writes and flushes the disk has seen. */
  readonly position: number;
  /** Decides what is left of what came since the last flush; undefined: all of it. */
  readonly seed: number | undefined;
}

export type PowerCutJob =
  | { readonly type: "record"; readonly system: FileSystemName; readonly directory: string }
  /** In order of their positions. */
  | { readonly type: "cut"; readonly recording: Recording; readonly cuts: readonly Cut[] };

export interface PowerCutOutcome {
  readonly recording?: Recording;
  /** How many writes and flushes the disk has seen in all. */
  readonly entries: number;
  readonly problems: readonly string[];
  /** Cuts that tore what the file system itself cannot do without, and were tried again by whole blocks. */
  readonly unmountable: number;
}

serveJobs(async (job: PowerCutJob): Promise<PowerCutOutcome> => {
  const directory = job.type === "record" ? job.directory : job.recording.directory;
  const own = join(directory, `${job.type}-${process.hrtime.bigint()}`);
  mkdirSync(own, { recursive: true });
  const recording = job.type === "record" ? await record(job.system, directory) : job.recording;
  const blocks = new BlockLog(recording.directory, own);
  try {
    if (job.type === "record")
      return { recording, entries: blocks.entries.length, problems: recording.problems, unmountable: 0 };
    const problems: string[] = [];
    let unmountable = 0;
    for (const cut of job.cuts) {
      const seen = await look(recording, blocks, own, cut);
      problems.push(...seen.problems);
      unmountable += seen.unmountable;
    }
    return { entries: blocks.entries.length, problems, unmountable };
  } finally {
    blocks.close();
    rmSync(own, { recursive: true });
  }
});

async function look(
  recording: Recording,
  blocks: BlockLog,
  own: string,
  cut: Cut,
): Promise<{ problems: string[]; unmountable: number }> {
  const { position, seed } = cut;
  const image = join(own, "cut");
  const mounted = join(own, "mounted");
  const mountTorn = (pieceBytes: number): (() => void) => {
    blocks.makeImage(image, position, seed === undefined ? undefined : makeRandom(seed), pieceBytes);
    return mountImage(recording.system, image, mounted);
  };
  const ledger = new Ledger();
  for (const told of recording.lines) if (told.position <= position) ledger.take(told.line);
  let unmountable = 0;
  let unmount: () => void;
  try {
    unmount = mountTorn(atomicBytes.sector);
  } catch (error) {
    // A superblock whose sectors do not fit together: no promise of ours, nor does a disk tear blocks today.
    if (seed === undefined) throw error;
    unmountable++;
    unmount = mountTorn(atomicBytes.block);
  }
  try {
    await lastLook(join(mounted, dataDirectory), storyOptions, ledger, "disk");
  } finally {
    unmount();
  }
  const about = `${recording.directory} ${position} ${seed ?? "all"}`;
  return { problems: ledger.problems.map((problem) => `${about}: ${problem}`), unmountable };
}
