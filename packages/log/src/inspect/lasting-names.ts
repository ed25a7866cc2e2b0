// Segments that a compaction has written may still have names of their own: docs/format/segment.md. Inspection looks at
// them by the names that they will have, wherever they are; a repair gives them these first.
import type { CheckpointState } from "../checkpoint/index.js";
import { systemCode } from "../errors.js";
import type { File, FileSystem } from "../fs/index.js";
import { segmentName, swapName } from "../segment/index.js";

/** The file system, in which these files already have their lasting names for whoever reads. */
export function byLastingNames(
  fs: FileSystem,
  directory: string,
  { partitions }: Pick<CheckpointState, "partitions">,
): FileSystem {
  const swaps = swapsOf(directory, partitions);
  return swaps.size === 0 ? fs : new LastingNames(fs, swaps);
}

/** Gives these files their lasting names, as opening the log would do. */
export async function giveLastingNames(
  fs: FileSystem,
  directory: string,
  { partitions }: Pick<CheckpointState, "partitions">,
): Promise<void> {
  const directories = new Set<string>();
  for (const [path, swap] of swapsOf(directory, partitions)) {
    await fs.rename(swap, path).catch((error: unknown) => {
      if (systemCode(error) !== "ENOENT") throw error;
    });
    directories.add(path.slice(0, path.lastIndexOf("/")));
  }
  for (const one of directories) if ((await fs.list(one)) !== undefined) await fs.syncDirectory(one);
}

/** By the lasting name, the one under which it was written. */
function swapsOf(directory: string, partitions: CheckpointState["partitions"]): Map<string, string> {
  const swaps = new Map<string, string>();
  for (const { name, segments } of partitions) {
    for (const { baseOffset, rewrite = 0, swap } of segments) {
      if (swap === undefined) continue;
      for (const suffix of [".log", ".index", ".timeindex"]) {
        const path = `${directory}/topics/${name.topic}-${name.partition}/${segmentName(baseOffset)}${suffix}`;
        swaps.set(path, path + swapName(rewrite));
      }
    }
  }
  return swaps;
}

class LastingNames implements FileSystem {
  readonly #fs: FileSystem;
  readonly #swaps: ReadonlyMap<string, string>;

  constructor(fs: FileSystem, swaps: ReadonlyMap<string, string>) {
    this.#fs = fs;
    this.#swaps = swaps;
  }

  async open(path: string, mode: Parameters<FileSystem["open"]>[1]): Promise<File> {
    const swap = mode === "read" ? this.#swaps.get(path) : undefined;
    if (swap === undefined) return this.#fs.open(path, mode);
    return this.#fs.open(swap, mode).catch((error: unknown) => {
      if (systemCode(error) !== "ENOENT") throw error;
      return this.#fs.open(path, mode);
    });
  }

  async readFile(path: string): Promise<Buffer | undefined> {
    const swap = this.#swaps.get(path);
    const content = swap === undefined ? undefined : await this.#fs.readFile(swap);
    return content ?? this.#fs.readFile(path);
  }

  list(directory: string): Promise<string[] | undefined> {
    return this.#fs.list(directory);
  }
  makeDirectory(path: string): Promise<void> {
    return this.#fs.makeDirectory(path);
  }
  rename(from: string, to: string): Promise<void> {
    return this.#fs.rename(from, to);
  }
  remove(path: string): Promise<void> {
    return this.#fs.remove(path);
  }
  removeDirectory(path: string): Promise<void> {
    return this.#fs.removeDirectory(path);
  }
  syncDirectory(path: string): Promise<void> {
    return this.#fs.syncDirectory(path);
  }
  freeBytes(path: string): Promise<number | undefined> {
    return this.#fs.freeBytes(path);
  }
  lock(directory: string): ReturnType<FileSystem["lock"]> {
    return this.#fs.lock(directory);
  }
}
