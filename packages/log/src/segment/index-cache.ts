// Indexes in memory, within a bound over all segments: ten thousand that were each read once must not stay. Whoever
// needs one that has gone loads it again.

const bytesMaxDefault = 16 * 1024 * 1024;
// What an index takes besides its bytes, about: a small one costs little else.
const overheadBytes = 512;

interface Entry {
  readonly index: Promise<Buffer>;
  readonly bytes: number;
}

export class IndexCache {
  readonly #bytesMax: number;
  /** In order of use, the least recent first. */
  readonly #entries = new Map<object, Entry>();
  #bytes = 0;

  constructor(bytesMax: number = bytesMaxDefault) {
    this.#bytesMax = bytesMax;
  }

  /** What is in memory or on its way there: within the bound, or one index that is larger than that. */
  get bytes(): number {
    return this.#bytes;
  }
  get count(): number {
    return this.#entries.size;
  }

  /** The index that is kept under `key`, else what `load` answers, so many bytes. A failure is not kept. */
  get(key: object, indexBytes: number, load: () => Promise<Buffer>): Promise<Buffer> {
    const known = this.#entries.get(key);
    if (known !== undefined) {
      this.#entries.delete(key);
      this.#entries.set(key, known);
      return known.index;
    }
    const bytes = indexBytes + overheadBytes;
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes + bytes <= this.#bytesMax) break;
      this.drop(oldest);
    }
    const entry: Entry = { index: load(), bytes };
    this.#entries.set(key, entry);
    this.#bytes += bytes;
    entry.index.catch(() => {
      if (this.#entries.get(key) === entry) this.drop(key);
    });
    return entry.index;
  }

  /** Whoever has the index may go on using it. */
  drop(key: object): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }
}
