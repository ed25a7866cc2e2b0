// Memory that Fetch has segments read into, used again once the answer has left. Fresh memory costs more than what is
// done with it: on Linux its first touch takes longer than reading from the page cache and the checksum together.
import type { RawSlice } from "@strandlog/log";
import { fetchMemoryBytes, fetchMemoryKept } from "./limits.js";

export class ReadMemory {
  readonly #free: Buffer[] = [];

  /** For one answer. Whoever cannot tell when it has left does not end the loan: then its memory is not used again. */
  lend(): Loan {
    return new Loan(this.#free);
  }
}

export class Loan {
  readonly #free: Buffer[];
  #used: Buffer[] = [];

  constructor(free: Buffer[]) {
    this.#free = free;
  }

  async read(read: (memory: Buffer) => Promise<RawSlice>): Promise<RawSlice> {
    const memory = this.#free.pop() ?? Buffer.allocUnsafeSlow(fetchMemoryBytes);
    const slice = await read(memory);
    const isUsed = slice.chunks.some(({ buffer }) => buffer === memory.buffer);
    if (isUsed) this.#used.push(memory);
    else this.#keep(memory);
    return slice;
  }

  /** Nobody looks at what was read any more. */
  end(): void {
    for (const memory of this.#used) this.#keep(memory);
    this.#used = [];
  }

  #keep(memory: Buffer): void {
    if (this.#free.length < fetchMemoryKept) this.#free.push(memory);
  }
}
