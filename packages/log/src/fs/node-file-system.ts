// The real disk. The only importer of node:fs besides the lock.
import * as fs from "node:fs";
import { promises as fsp } from "node:fs";
import { LogError } from "../errors.js";
import { lockDirectory } from "./directory-lock.js";
import type { File, FileSystem, OpenMode } from "./file-system.js";

// The system takes at most this many pieces in one call (IOV_MAX).
const piecesMax = 1024;

const openFlags: Record<OpenMode, string | number> = {
  read: "r",
  write: "r+",
  create: "w+",
  append: fs.constants.O_RDWR | fs.constants.O_CREAT,
};

export const nodeFileSystem: FileSystem = {
  async open(path, mode) {
    const descriptor = await attempt<number>("open", path, (done) =>
      fs.open(path, openFlags[mode], 0o644, done),
    );
    return new NodeFile(path, descriptor);
  },

  async readFile(path) {
    try {
      return await fsp.readFile(path);
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw ioError("read", path, error);
    }
  },

  async list(directory) {
    try {
      return (await fsp.readdir(directory)).sort();
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw ioError("list", directory, error);
    }
  },

  async makeDirectory(path) {
    await wrap("create", path, fsp.mkdir(path, { recursive: true }));
  },

  rename: (from, to) => wrap("rename", from, fsp.rename(from, to)),

  async remove(path) {
    await wrap("remove", path, fsp.rm(path, { force: true }));
  },

  async removeDirectory(path) {
    await wrap("remove", path, fsp.rm(path, { force: true, recursive: true }));
  },

  async syncDirectory(path) {
    // Windows can neither open nor sync a directory, and keeps its names in a journal of its own.
    if (process.platform === "win32") return;
    const descriptor = await attempt<number>("open", path, (done) => fs.open(path, "r", done));
    try {
      await attempt<void>("sync", path, (done) => fs.fsync(descriptor, done));
    } finally {
      fs.closeSync(descriptor);
    }
  },

  async freeBytes(path) {
    try {
      const { bavail, bsize } = await fsp.statfs(path);
      return bavail * bsize;
    } catch {
      return undefined; // A figure for people; nothing depends on it.
    }
  },

  lock: lockDirectory,
};

class NodeFile implements File {
  readonly #path: string;
  readonly #descriptor: number;
  /** The same file, opened so that a write returns when it is on the disk. */
  #syncedDescriptor: number | undefined;
  #closed: Promise<void> | undefined;

  constructor(path: string, descriptor: number) {
    this.#path = path;
    this.#descriptor = descriptor;
  }

  get descriptor(): number {
    return this.#descriptor;
  }

  async read(buffer: Uint8Array, length: number, position: number): Promise<number> {
    let done = 0;
    while (done < length) {
      const from = done;
      const count = await attempt<number>("read", this.#path, (callback) =>
        fs.read(this.#descriptor, buffer, from, length - from, position + from, callback),
      );
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  write(pieces: readonly Uint8Array[], position: number): Promise<void> {
    return this.#write(this.#descriptor, pieces, position);
  }

  /** One trip to the thread pool instead of two. Elsewhere such a write does not reach the disk's own cache. */
  async writeSynced(pieces: readonly Uint8Array[], position: number): Promise<void> {
    if (process.platform !== "linux" || pieces.length > piecesMax) {
      await this.write(pieces, position);
      return this.sync();
    }
    this.#syncedDescriptor ??= await attempt<number>("open", this.#path, (done) =>
      fs.open(this.#path, fs.constants.O_WRONLY | fs.constants.O_DSYNC, done),
    );
    return this.#write(this.#syncedDescriptor, pieces, position);
  }

  async #write(descriptor: number, pieces: readonly Uint8Array[], position: number): Promise<void> {
    let at = position;
    for (let first = 0; first < pieces.length; first += piecesMax) {
      let rest: readonly Uint8Array[] =
        pieces.length <= piecesMax ? pieces : pieces.slice(first, first + piecesMax);
      // A full disk shows as a short count first and as an error only on the next call: check each count.
      while (rest.length > 0) {
        const now = rest;
        const from = at;
        const count = await attempt<number>("write", this.#path, (callback) =>
          now.length === 1
            ? fs.write(descriptor, now[0] as Uint8Array, 0, (now[0] as Uint8Array).length, from, callback)
            : fs.writev(descriptor, now, from, callback),
        );
        const left = dropBytes(now, count);
        if (left.length > 0 && count === 0) {
          throw new LogError("DISK_FULL", `no space left to write ${this.#path}`, {
            details: { path: this.#path },
          });
        }
        at += count;
        rest = left;
      }
    }
  }

  sync(): Promise<void> {
    return attempt<void>("sync", this.#path, (done) => fs.fdatasync(this.#descriptor, done));
  }

  truncate(length: number): Promise<void> {
    return attempt<void>("truncate", this.#path, (done) => fs.ftruncate(this.#descriptor, length, done));
  }

  async size(): Promise<number> {
    return (await attempt<fs.Stats>("stat", this.#path, (done) => fs.fstat(this.#descriptor, done))).size;
  }

  /** A second time does nothing: the descriptor's number may be another file's by then. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const synced = this.#syncedDescriptor;
    try {
      if (synced !== undefined) await attempt<void>("close", this.#path, (done) => fs.close(synced, done));
    } finally {
      await attempt<void>("close", this.#path, (done) => fs.close(this.#descriptor, done));
    }
  }
}

/** What is left of the pieces after `count` bytes; empty pieces are dropped too. */
function dropBytes(pieces: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let skip = count;
  let index = 0;
  while (index < pieces.length && skip >= (pieces[index] as Uint8Array).length) {
    skip -= (pieces[index] as Uint8Array).length;
    index++;
  }
  if (index === pieces.length) return [];
  return [(pieces[index] as Uint8Array).subarray(skip), ...pieces.slice(index + 1)];
}

type Done<T> = (error: NodeJS.ErrnoException | null, result: T) => void;

/** Callbacks cost half of what node:fs/promises does per call, which shows at ten thousand syncs a second. */
function attempt<T>(verb: string, path: string, start: (done: Done<T>) => void): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    start((error, result) => (error === null ? resolve(result) : reject(ioError(verb, path, error))));
  });
}

async function wrap<T>(verb: string, path: string, action: Promise<T>): Promise<T> {
  try {
    return await action;
  } catch (error) {
    throw ioError(verb, path, error);
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

const advice: Record<string, string> = {
  EACCES: "check the permissions and the owner",
  EPERM: "check the permissions and the owner",
  EROFS: "the file system is mounted read-only",
  EMFILE: "raise the limit of open files or lower openFilesMax",
  ENFILE: "raise the system's limit of open files",
  ENOSPC: "free some space",
  EDQUOT: "free some space or raise the quota",
  EFBIG: "raise the limit of file sizes",
};

function ioError(verb: string, path: string, error: unknown): LogError {
  const code = (error as NodeJS.ErrnoException).code ?? "unknown";
  const full = code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG";
  const hint = advice[code] === undefined ? "" : `: ${advice[code]}`;
  return new LogError(full ? "DISK_FULL" : "IO", `cannot ${verb} ${path} (${code})${hint}`, {
    cause: error,
    details: { path, operation: verb, systemCode: code },
  });
}
