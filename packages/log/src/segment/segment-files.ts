// The three files of a segment, and what they are called. A compaction writes them under names of their own; once the
// checkpoint file has them, they take the names, and the places, of the files that they replace. Until that is done, and
// durable, they may be found under either: under their own names if these are there, else under the lasting ones. Each
// of the three for itself, and only for reading: nobody writes to what a compaction has written.
import { LogError, systemCode } from "../errors.js";
import type { File, FileSystem } from "../fs/index.js";
import type { FileCache } from "./file-cache.js";
import { type SegmentState, segmentName, swapName } from "./segment-state.js";

/** Where they are: their partition, which tells when it is asked. */
export interface SegmentHome {
  readonly directory: string;
}

export type Suffix = ".log" | ".index" | ".timeindex";

const suffixes: readonly Suffix[] = [".log", ".index", ".timeindex"];

export class SegmentFiles {
  readonly #cache: FileCache;
  readonly #home: SegmentHome;
  readonly #baseOffset: number;
  /** Stands behind each name; "" once the lasting names are theirs. */
  #swap: string;

  constructor(cache: FileCache, home: SegmentHome, { baseOffset, rewrite = 0, swap }: SegmentState) {
    this.#cache = cache;
    this.#home = home;
    this.#baseOffset = baseOffset;
    this.#swap = swap === undefined ? "" : swapName(rewrite);
  }

  /** Under which names they may be. */
  get paths(): readonly string[] {
    const lasting = suffixes.map((suffix) => this.#lasting(suffix));
    return this.#swap === "" ? lasting : [...lasting, ...lasting.map((path) => path + this.#swap)];
  }

  pathOf(suffix: Suffix): string {
    return this.#lasting(suffix) + this.#swap;
  }

  /** Calls `action` with the open file, as {@link FileCache.use}. */
  use<T>(suffix: Suffix, mode: "write" | "append", action: (file: File) => Promise<T>): Promise<T> {
    return this.#cache.use(this.pathOf(suffix), mode, action);
  }

  /** Cuts off whatever they hold beyond these lengths. */
  async cut(limits: Readonly<Record<Suffix, number>>): Promise<void> {
    for (const suffix of suffixes) {
      const limit = limits[suffix];
      const isLog = suffix === ".log";
      try {
        await this.use(suffix, "write", async (file) => {
          const size = await file.size();
          if (isLog && size < limit)
            throw this.damaged(size, `the file ends there, ${limit - size} bytes short`);
          if (size > limit) await file.truncate(limit);
        });
      } catch (error) {
        if (systemCode(error) !== "ENOENT" || (isLog && limit > 0)) throw error;
      }
    }
  }

  read(suffix: Suffix, buffer: Buffer, position: number): Promise<number> {
    return this.#found(suffix, (path) => this.#cache.read(path, buffer, position));
  }

  pin(suffix: Suffix): ReturnType<FileCache["pin"]> {
    return this.#found(suffix, (path) => this.#cache.pin(path));
  }

  /** The lasting names are theirs: what is open under these is another file, or has been. */
  async settled(): Promise<void> {
    await Promise.all(suffixes.map((suffix) => this.#cache.forget(this.#lasting(suffix))));
    this.#swap = "";
  }

  /** Gives them their lasting names, over what has these; answers whether one of them had not. Not durable yet. */
  async settle(fs: FileSystem, swap: string): Promise<void> {
    for (const suffix of suffixes) {
      const path = this.#lasting(suffix);
      // Not every system lets go of a name while the file is open.
      await Promise.all([this.#cache.forget(path), this.#cache.forget(path + swap)]);
      await fs.rename(path + swap, path).catch((error: unknown) => {
        if (systemCode(error) !== "ENOENT") throw error;
      });
    }
    await this.settled();
  }

  async #found<T>(suffix: Suffix, action: (path: string) => Promise<T>): Promise<T> {
    const path = this.pathOf(suffix);
    try {
      return await action(path);
    } catch (error) {
      if (path === this.#lasting(suffix) || systemCode(error) !== "ENOENT") throw error;
      // It may have got the lasting name while the action waited for its turn: then that is settled already.
      if (this.#swap !== "") await this.settled();
      return action(this.pathOf(suffix));
    }
  }

  #lasting(suffix: Suffix): string {
    return `${this.#home.directory}/${segmentName(this.#baseOffset)}${suffix}`;
  }

  damaged(position: number, what: string, cause?: unknown): LogError {
    const path = this.pathOf(".log");
    return new LogError("CORRUPT_SEGMENT", `${path}, position ${position}: ${what}`, {
      cause,
      details: { path, position },
    });
  }
}
