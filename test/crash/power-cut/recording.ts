// Lives a story on a real file system whose disk logs every write and every flush (block-log.py), and keeps what was
// told together with how much the disk had logged by then.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Ledger } from "../ledger/ledger.js";
import { runStory, type StoryChild } from "../ledger/story-child.js";
import type { Told } from "../ledger/words.js";
import { copySparse, positionAt, recordingFiles } from "./block-log.js";
import { type FileSystemName, fileSystems, makeFileSystem, mountImage } from "./file-systems.js";

const plugin: string = fileURLToPath(new URL("../../../crash/power-cut/block-log.py", import.meta.url));
const mountedMsMax = 60_000;

/** Where the log is, in the file system. */
export const dataDirectory = "data";

/** What nbdkit and its like are called. */
export const recordingTools = ["nbdkit", "nbdfuse", "cp"] as const;

export interface Recording {
  readonly directory: string;
  readonly system: FileSystemName;
  /** Each line with the number of entries that the disk had logged. */
  readonly lines: readonly Told[];
  readonly problems: readonly string[];
}

/** Processes that follow one another on one mounted disk: two are killed, so that two recover what was not synced. */
const stories: readonly Pick<StoryChild, "round" | "lives" | "isKilled">[] = [
  { round: 1, lives: ["full"], isKilled: true },
  { round: 101, lives: ["short", "full"], isKilled: true },
  { round: 201, lives: ["full", "short"], isKilled: false },
];

export async function record(system: FileSystemName, directory: string): Promise<Recording> {
  const path = (name: keyof typeof recordingFiles): string => join(directory, recordingFiles[name]);
  mkdirSync(directory, { recursive: true });
  makeFileSystem(system, path("image"), fileSystems[system].bytes);
  copySparse(path("image"), path("base"));
  const disk = await startDisk(directory);
  const unmount = mountImage(system, disk.path, join(directory, "mounted"));
  const ledger = new Ledger();
  const told: Told[] = [];
  try {
    for (const story of stories) {
      const environment = { STORY_POSITIONS: path("index") };
      const child = { ...story, directory: join(directory, "mounted", dataDirectory), environment };
      told.push(...(await runStory(child, ledger)));
    }
  } finally {
    unmount();
    await disk.stop();
  }
  const lines = told.map(({ position, line }) => ({ position: positionAt(position), line }));
  const recording = { directory, system, lines, problems: ledger.problems };
  writeFileSync(join(directory, "recording.json"), JSON.stringify(recording));
  return recording;
}

/** The image as a disk that logs: a file that is served by another process. */
async function startDisk(directory: string): Promise<{ path: string; stop: () => Promise<void> }> {
  const mounted = join(directory, "disk");
  const ready = join(directory, "ready");
  mkdirSync(mounted);
  const files = (["image", "index", "data"] as const).map(
    (name) => `${name}=${join(directory, recordingFiles[name])}`,
  );
  const server = ["nbdkit", "-s", "--exit-with-parent", "python", plugin, ...files];
  const child = spawn("nbdfuse", ["-P", ready, join(mounted, "disk"), "--command", ...server], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const gone = once(child, "close");
  for (const began = performance.now(); !(existsSync(ready) && statSync(ready).size > 0); await sleep(10)) {
    if (child.exitCode !== null || performance.now() - began > mountedMsMax)
      throw new Error("the disk that logs was not served");
  }
  const stop = async (): Promise<void> => {
    spawn("umount", [mounted]);
    await gone;
  };
  return { path: join(mounted, "disk"), stop };
}
