// What a repair is going to do, in an order that may be interrupted anywhere: copies of all that will be changed, synced;
// then new files, and bytes put back as they were; then the checkpoint file, which makes that count; then removals.
import type { Clock } from "../clock.js";
import type { FileSystem } from "../fs/index.js";
import { copyFile, writeWhole } from "./copy-file.js";

/** One thing that is done to one file. */
export interface RepairStep {
  readonly file: string;
  readonly what: string;
}

/** Offsets of a partition that can no longer be read: both ends included. */
export interface LostOffsets {
  readonly topic: string;
  readonly partition: number;
  readonly from: number;
  readonly to: number;
  /** Whether there were records is not known: the offsets are given up so that none of them is given twice. */
  readonly isUncertain: boolean;
}

/** In the directory with the copies: what was to be done, and what was lost. */
const reportName = "repair.json";

type Action = () => Promise<void>;

export class RepairPlan {
  readonly steps: RepairStep[] = [];
  readonly lost: LostOffsets[] = [];
  /** What else is gone. */
  readonly losses: string[] = [];
  readonly #kept = new Set<string>();
  readonly #before: Action[] = [];
  readonly #after: Action[] = [];
  readonly #directories = new Set<string>();

  /** Tells of a step, and has a copy of the file kept. */
  step(file: string, what: string): void {
    this.steps.push({ file, what });
    this.keep(file);
  }

  keep(file: string): void {
    this.#kept.add(file);
  }

  /** To be done before the new checkpoint file counts: must leave what the old one relies on as it is, or as it was. */
  before(directory: string, action: Action): void {
    this.#before.push(action);
    this.#directories.add(directory);
  }

  /** To be done once the new checkpoint file counts. */
  after(directory: string, action: Action): void {
    this.#after.push(action);
    this.#directories.add(directory);
  }

  async prepare(fs: FileSystem, directory: string, keepDirectory: string): Promise<void> {
    const directories = new Set<string>([keepDirectory]);
    await fs.makeDirectory(keepDirectory);
    // Whoever runs an interrupted repair again is not told twice what has been lost.
    const { steps, lost, losses } = this;
    const told = Buffer.from(`${JSON.stringify({ steps, lost, losses }, undefined, 2)}\n`);
    await writeWhole(fs, `${keepDirectory}/${reportName}`, told);
    for (const file of this.#kept) {
      const parts = file.slice(directory.length + 1).split("/");
      const name = parts.pop() as string;
      const target = [keepDirectory, ...parts].join("/");
      await fs.makeDirectory(target);
      // The name of a directory is durable once the one above it is synced.
      for (let at = target; at.length >= keepDirectory.length; at = parentOf(at)) directories.add(at);
      await copyFile(fs, file, `${target}/${name}`);
    }
    directories.add(parentOf(keepDirectory));
    for (const one of directories) await fs.syncDirectory(one);
    for (const action of this.#before) await action();
    await this.#syncNames(fs);
  }

  async finish(fs: FileSystem): Promise<void> {
    for (const action of this.#after) await action();
    await this.#syncNames(fs);
  }

  async #syncNames(fs: FileSystem): Promise<void> {
    for (const directory of this.#directories)
      if ((await fs.list(directory)) !== undefined) await fs.syncDirectory(directory);
  }
}

/** Where copies go unless told otherwise: no directory that is there already. */
export async function newKeepDirectory(fs: FileSystem, clock: Clock, directory: string): Promise<string> {
  const name = `removed-${new Date(clock.now()).toISOString().replaceAll(/[:.]/g, "-")}`;
  const names = new Set(await fs.list(directory));
  for (let count = 1; ; count++) {
    const candidate = count === 1 ? name : `${name}-${count}`;
    if (!names.has(candidate)) return `${directory}/${candidate}`;
  }
}

function parentOf(path: string): string {
  const end = path.lastIndexOf("/");
  return end > 0 ? path.slice(0, end) : end === 0 ? "/" : ".";
}
