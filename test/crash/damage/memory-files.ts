// A disk in memory without latency, crashes or doubts: what a damaged log is opened on, thousands of times a second.
// Copies share the content of their files until one of them writes.
import type { DirectoryLock, File, FileSystem } from "@strandlog/log";
import { LogError } from "@strandlog/log";

type OpenMode = Parameters<FileSystem["open"]>[1];

export class MemoryFiles implements FileSystem {
  readonly #files: Map<string, Buffer>;
  readonly #directories: Set<string>;
  /** The files whose content belongs to this copy alone. */
  readonly #owned = new Set<string>();
  /** What directories hold, once somebody has asked; shared with copies until names change. */
  #names = new Map<string, string[]>();
  /** How many more changes succeed before the process dies. */
  changesLeft: number = Number.POSITIVE_INFINITY;
  /** Paths that were written, made or removed since this copy was made. */
  readonly touched: Set<string> = new Set();

  constructor(files: Map<string, Buffer> = new Map(), directories: Set<string> = new Set()) {
    this.#files = files;
    this.#directories = directories;
  }

  copy(): MemoryFiles {
    this.#owned.clear();
    const copy = new MemoryFiles(new Map(this.#files), new Set(this.#directories));
    copy.#names = this.#names;
    return copy;
  }

  paths(): string[] {
    return [...this.#files.keys()].sort();
  }

  /** Not to be changed. */
  content(path: string): Buffer {
    return this.#files.get(path) ?? Buffer.alloc(0);
  }

  has(path: string): boolean {
    return this.#files.has(path);
  }

  put(path: string, content: Buffer): void {
    this.#change();
    if (!this.#files.has(path)) this.#names = new Map();
    this.#files.set(path, content);
    this.#owned.delete(path);
    this.touched.add(path);
  }

  drop(path: string): void {
    this.#change();
    this.#names = new Map();
    this.#files.delete(path);
    this.touched.add(path);
  }

  async open(path: string, mode: OpenMode): Promise<File> {
    if (mode === "create" || (mode === "append" && !this.#files.has(path))) {
      if (!this.#directories.has(parentOf(path))) throw missing("open", path);
      this.put(path, Buffer.alloc(0));
    } else if (!this.#files.has(path)) throw missing("open", path);
    // A file that is removed while it is open stays for those who have it open; nothing here depends on that.
    const write = async (pieces: readonly Uint8Array[], position: number): Promise<void> => {
      const bytes = Buffer.concat(pieces);
      const file = this.#resized(path, Math.max(this.content(path).length, position + bytes.length));
      bytes.copy(file, position);
    };
    return {
      read: async (buffer, length, position) => {
        const found = this.content(path).subarray(position, position + length);
        buffer.set(found);
        return found.length;
      },
      write,
      writeSynced: write,
      sync: async () => undefined,
      truncate: async (length) => void this.#resized(path, length),
      size: async () => this.content(path).length,
      close: async () => undefined,
    };
  }

  async readFile(path: string): Promise<Buffer | undefined> {
    const found = this.#files.get(path);
    return found === undefined ? undefined : Buffer.from(found);
  }

  async list(directory: string): Promise<string[] | undefined> {
    if (!this.#directories.has(directory)) return undefined;
    const known = this.#names.get(directory);
    if (known !== undefined) return [...known];
    const names = new Set<string>();
    for (const path of [...this.#files.keys(), ...this.#directories]) {
      if (path.startsWith(`${directory}/`)) names.add(path.slice(directory.length + 1).split("/")[0] ?? "");
    }
    this.#names.set(directory, [...names].sort());
    return [...names].sort();
  }

  async makeDirectory(path: string): Promise<void> {
    for (let at = path; at !== ""; at = parentOf(at)) this.#directories.add(at);
    this.#names = new Map();
  }

  async rename(from: string, to: string): Promise<void> {
    const content = this.#files.get(from);
    if (content === undefined) throw missing("rename", from);
    this.drop(from);
    this.put(to, content);
  }

  async remove(path: string): Promise<void> {
    this.drop(path);
  }

  async removeDirectory(directory: string): Promise<void> {
    for (const path of this.#files.keys()) if (path.startsWith(`${directory}/`)) this.drop(path);
    for (const path of this.#directories)
      if (path === directory || path.startsWith(`${directory}/`)) this.#directories.delete(path);
  }

  async syncDirectory(path: string): Promise<void> {
    if (path !== "/" && !this.#directories.has(path)) throw missing("open", path);
  }

  async freeBytes(): Promise<number> {
    return Number.MAX_SAFE_INTEGER;
  }

  /** Whoever opened it before is taken to be dead. */
  async lock(): Promise<DirectoryLock> {
    return { release: async () => undefined };
  }

  #change(): void {
    if (this.changesLeft-- <= 0) throw new Error("the process died");
  }

  #resized(path: string, length: number): Buffer {
    this.#change();
    const before = this.content(path);
    this.touched.add(path);
    if (this.#owned.has(path) && before.length === length) return before;
    const after = Buffer.alloc(length);
    before.copy(after);
    this.#files.set(path, after);
    this.#owned.add(path);
    return after;
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf("/"), 0));
}

/** As the real file system raises it. */
function missing(verb: string, path: string): LogError {
  const cause = Object.assign(new Error("not there"), { code: "ENOENT" });
  return new LogError("IO", `cannot ${verb} ${path} (ENOENT)`, {
    cause,
    details: { path, operation: verb, systemCode: "ENOENT" },
  });
}
