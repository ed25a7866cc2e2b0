// A byte array in pages that never change: copies share them, so a copy costs little, however long it is.

const pageBytes = 4096;
const zeros: Buffer = Buffer.alloc(pageBytes);

/** Bytes written at a position, or a new length. What a growing file does not hold yet is zero. */
export type Change = { readonly position: number; readonly bytes: Buffer } | { readonly length: number };

export class SimulatedContent {
  /** A page that is missing is all zeros, as is what a page has beyond the length. */
  #pages: (Buffer | undefined)[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  clone(): SimulatedContent {
    const copy = new SimulatedContent();
    copy.#pages = this.#pages.slice();
    copy.#length = this.#length;
    return copy;
  }

  /** A copy of the bytes from `start` to `end`, or as many of them as there are. */
  slice(start: number, end: number): Buffer {
    const bytes = Buffer.allocUnsafe(Math.max(0, Math.min(end, this.#length) - start));
    this.read(bytes, bytes.length, start);
    return bytes;
  }

  /** Answers how many bytes there were. */
  read(into: Uint8Array, length: number, position: number): number {
    const end = Math.min(position + length, this.#length);
    for (let at = position; at < end; ) {
      const page = this.#page(at);
      const from = at % pageBytes;
      const count = Math.min(pageBytes - from, end - at);
      into.set(page.subarray(from, from + count), at - position);
      at += count;
    }
    return Math.max(0, end - position);
  }

  /** Answers the range of bytes that it touched. The bytes are kept: they may not change afterwards. */
  apply(change: Change): [start: number, end: number] {
    const before = this.#length;
    if ("length" in change) {
      this.#resize(change.length);
      return [Math.min(before, change.length), Math.max(before, change.length)];
    }
    const { position, bytes } = change;
    const end = position + bytes.length;
    for (let at = position; at < end; ) {
      const from = at % pageBytes;
      const count = Math.min(pageBytes - from, end - at);
      this.#put(at, bytes.subarray(at - position, at - position + count));
      at += count;
    }
    this.#length = Math.max(before, end);
    return [Math.min(before, position), end];
  }

  #page(position: number): Buffer {
    return this.#pages[Math.floor(position / pageBytes)] ?? zeros;
  }

  /** Bytes of one page. */
  #put(position: number, bytes: Buffer): void {
    const index = Math.floor(position / pageBytes);
    if (bytes.length === pageBytes) {
      this.#pages[index] = bytes.equals(zeros) ? undefined : bytes;
      return;
    }
    const page = Buffer.from(this.#page(position));
    bytes.copy(page, position % pageBytes);
    this.#pages[index] = page;
  }

  #resize(length: number): void {
    if (length < this.#length) {
      this.#pages.length = Math.min(this.#pages.length, Math.ceil(length / pageBytes));
      const rest = length % pageBytes;
      if (rest > 0) this.#put(length, Buffer.alloc(pageBytes - rest));
    }
    this.#length = length;
  }
}
