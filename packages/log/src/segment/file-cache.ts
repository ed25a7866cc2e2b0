// A bounded set of open files, and of indexes in memory. Reading ten thousand partitions must not take ten thousand
// descriptors; deleting a file waits until nobody reads it.
import type { Clock } from "../clock.js";
import type { File, FileSystem } from "../fs/index.js";
import { IndexCache } from "./index-cache.js";
import { ReadGate } from "./read-gate.js";

const modes = ["read", "write", "append"] as const;
type Mode = (typeof modes)[number];

interface Entry {
  readonly path: string;
  readonly file: Promise<File>;
  users: number;
  /** To be closed, and removed if so wished, when the last user lets go. */
  doomed: boolean;
  idle: (() => void)[];
}

/** A file that is open for somebody else. */
interface PinnedFile {
  readonly file: File;
  release(): Promise<void>;
}

export class FileCache {
  /** Whoever uses it must not write, even to mend something. */
  readonly isReadOnly: boolean;
  readonly gate: ReadGate;
  readonly indexes: IndexCache;
  readonly #fs: FileSystem;
  readonly #filesMax: number;
  /** In order of use, the least recent first. */
  readonly #entries = new Map<string, Entry>();
  /** Paths of the files that are open for others. */
  readonly #pins = new Set<{ readonly path: string }>();
  /** How many are being closed, which have their descriptors still. */
  #closing = 0;

  constructor(
    fs: FileSystem,
    clock: Clock,
    filesMax: number,
    isReadOnly = false,
    indexes: IndexCache = new IndexCache(),
  ) {
    this.isReadOnly = isReadOnly;
    this.indexes = indexes;
    this.gate = new ReadGate(clock);
    this.#fs = fs;
    this.#filesMax = filesMax;
  }

  get openCount(): number {
    return this.#entries.size + this.#pins.size;
  }

  /** Reads until `buffer` is full or the file ends; answers how much it read. Waits for its turn among the readers. */
  read(path: string, buffer: Buffer, position: number): Promise<number> {
    return this.gate.run(buffer.length, () =>
      this.use(path, "read", (file) => file.read(buffer, buffer.length, position)),
    );
  }

  /** Calls `action` with the open file, which stays open at least until the action ends. */
  async use<T>(path: string, mode: Mode, action: (file: File) => Promise<T>): Promise<T> {
    // Apart by mode: reading must not need the permission to write.
    const key = `${mode} ${path}`;
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      await this.#evict();
      entry = this.#entries.get(key);
    }
    if (entry === undefined)
      entry = { path, file: this.#fs.open(path, mode), users: 0, doomed: false, idle: [] };
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    entry.users++;
    try {
      return await action(await entry.file);
    } catch (error) {
      // A file that did not open must not stay; after any other error a fresh descriptor is as good.
      if (this.#entries.get(key) === entry) this.#entries.delete(key);
      entry.doomed = true;
      throw error;
    } finally {
      entry.users--;
      if (entry.users === 0) await this.#release(entry);
    }
  }

  /** Closes the file once nobody uses it; later uses open it anew. */
  async forget(path: string): Promise<void> {
    await Promise.all(modes.map((mode) => this.#doom(`${mode} ${path}`)));
  }

  /**
   * Opens a file for somebody else, beside the bound and apart from all other uses: nothing but its release closes it,
   * and nobody waits for that.
   */
  async pin(path: string): Promise<PinnedFile> {
    const file = await this.#fs.open(path, "read");
    const pin = { path };
    this.#pins.add(pin);
    let released: Promise<void> | undefined;
    const close = async (): Promise<void> => {
      await file.close();
      this.#pins.delete(pin);
    };
    return {
      file,
      release: () => {
        released ??= close();
        return released;
      },
    };
  }

  /** Whether the file, or one in the directory, is open for somebody else. */
  isPinned(path: string): boolean {
    return [...this.#pins].some((pin) => pin.path === path || pin.path.startsWith(`${path}/`));
  }

  /** Closes all that nobody uses, and the rest when it is no longer in use. What is used later is opened anew. */
  async close(): Promise<void> {
    this.indexes.clear();
    await Promise.all([...this.#entries.keys()].map((key) => this.#doom(key)));
  }

  async #doom(key: string): Promise<void> {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    entry.doomed = true;
    if (entry.users > 0) await new Promise<void>((resolve) => entry.idle.push(resolve));
    else await this.#release(entry);
  }

  async #release(entry: Entry): Promise<void> {
    if (!entry.doomed) return;
    this.#closing++;
    try {
      const file = await entry.file.catch(() => undefined);
      await file?.close();
    } finally {
      this.#closing--;
    }
    for (const resolve of entry.idle) resolve();
  }

  async #evict(): Promise<void> {
    for (const [key, entry] of this.#entries) {
      if (this.#entries.size + this.#closing < this.#filesMax) return;
      if (entry.users === 0) await this.#doom(key);
    }
  }
}
