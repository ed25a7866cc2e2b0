// Readers give way to the writer: they share its disk, its threads for files and its event loop. Few read at a time,
// and while a writer is at work all of them together get a bounded rate, above the writer's own, so that who is
// behind can catch up. Without a writer nothing is held back. Figures: docs/adr/0008.
import type { Clock } from "../clock.js";

// Node has four threads for files. A hundred readers must leave some to the journal.
const readsMax = 2;
// While the writer is busy: about as fast as records are decoded.
const bytesPerMs = 256 * 1024;
const bytesPerWritten = 2;
const allowanceMax = 1024 * 1024;

/** As much as readers need to know of a writer. */
export interface Writer {
  readonly isBusy: boolean;
  /** How much it has written since it was opened. */
  readonly bytesWritten: number;
}

export class ReadGate {
  /** Whom to give way to, if anyone. */
  writer: Writer | undefined;
  readonly #clock: Clock;
  #reads = 0;
  readonly #queue: (() => void)[] = [];
  /** Bytes that may be read while the writer is busy; less than nothing after a large read. */
  #allowance = 0;
  #countedMs = 0;
  #countedBytes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `read`, which takes about so many bytes from a file, when it is its turn. */
  async run<T>(bytes: number, read: () => Promise<T>): Promise<T> {
    if (this.#reads >= readsMax) await new Promise<void>((resolve) => this.#queue.push(resolve));
    else this.#reads++;
    try {
      await this.#take(bytes);
      return await read();
    } finally {
      // Whoever is next takes over the place.
      const next = this.#queue.shift();
      if (next === undefined) this.#reads--;
      else next();
    }
  }

  async #take(bytes: number): Promise<void> {
    for (;;) {
      this.#count();
      if (this.#allowance > 0 || !this.writer?.isBusy) break;
      await new Promise<void>((resolve) => this.#clock.startTimer(1, resolve, true));
    }
    this.#allowance = Math.max(this.#allowance - bytes, -allowanceMax);
  }

  #count(): void {
    const nowMs = this.#clock.elapsedMs();
    const bytes = this.writer?.bytesWritten ?? 0;
    const gain = (nowMs - this.#countedMs) * bytesPerMs + (bytes - this.#countedBytes) * bytesPerWritten;
    this.#allowance = Math.min(this.#allowance + gain, allowanceMax);
    this.#countedMs = nowMs;
    this.#countedBytes = bytes;
  }
}
