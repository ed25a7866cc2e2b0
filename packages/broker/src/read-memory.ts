// Memory that Fetch has segments read into, used again once the answer has left. Fresh memory costs more than what is
// done with it: on Linux its first touch takes longer than reading from the page cache and the checksum together.
import type { RawSlice } from "@strandlog/log";
import { fetchMemoryBytes, fetchMemoryKept } from "./limits.js";

export class ReadMemory {
  readonly #free: Buffer[] = [];
  #readers = 0;

  /** For one answer. Whoever cannot tell when it has left does not end the loan: then its memory is not used again. */
  lend(): Loan {
    return new Loan(this);
  }

  /** For one read; none for more at once than there is kept: of those who wake all together hardly one reads a file. */
  take(): Buffer | undefined {
    if (this.#readers >= fetchMemoryKept) return undefined;
    this.#readers++;
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(fetchMemoryBytes);
  }

  /** A read for which some was taken has ended. */
  hasRead(): void {
    this.#readers--;
  }

  keep(memory: Buffer): void {
    if (this.#free.length < fetchMemoryKept) this.#free.push(memory);
  }
}

export class Loan {
  readonly #all: ReadMemory;
  #used: Buffer[] = [];

  constructor(all: ReadMemory) {
    this.#all = all;
  }

  async read(read: (memory: Buffer | undefined) => Promise<RawSlice>): Promise<RawSlice> {
    const memory = this.#all.take();
    if (memory === undefined) return read(undefined);
    try {
      const slice = await read(memory);
      const isUsed = slice.chunks.some(({ buffer }) => buffer === memory.buffer);
      if (isUsed) this.#used.push(memory);
      else this.#all.keep(memory);
      return slice;
    } finally {
      this.#all.hasRead();
    }
  }

  /** Nobody looks at what was read any more. */
  end(): void {
    for (const memory of this.#used) this.#all.keep(memory);
    this.#used = [];
  }
}
