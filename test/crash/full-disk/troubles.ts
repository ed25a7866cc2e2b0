// What the diagnostics channel "strandlog:trouble" tells, as something to wait for: a full disk is told of again and
// again, so no test of it needs a clock.
import assert from "node:assert/strict";
import { subscribe } from "node:diagnostics_channel";
import type { LogError } from "@strandlog/log";

export interface Trouble {
  readonly directory: string;
  readonly where: string;
  readonly error: LogError;
}

const name = "strandlog:trouble";

export class Troubles {
  readonly all: Trouble[] = [];
  #waiters: { count: number; resolve: () => void }[] = [];

  /** Listens as long as the process lives. */
  constructor() {
    subscribe(name, (message) => this.#hear(message as Trouble));
  }

  /** Settles when so many more have been told of. */
  next(count: number): Promise<void> {
    return new Promise((resolve) => this.#waiters.push({ count: this.all.length + count, resolve }));
  }

  /** Settles with the promise, or fails when it still waits after the trouble was told of a few times more. */
  async outrun<T>(promise: Promise<T>, what: string): Promise<T> {
    const tooLate = this.next(8).then(() => {
      throw new assert.AssertionError({ message: `${what} waits until there is space` });
    });
    tooLate.catch(() => undefined);
    return Promise.race([promise, tooLate]);
  }

  #hear(trouble: Trouble): void {
    this.all.push(trouble);
    const isDue = ({ count }: { count: number }): boolean => count <= this.all.length;
    const due = this.#waiters.filter(isDue);
    this.#waiters = this.#waiters.filter((waiter) => !isDue(waiter));
    for (const { resolve } of due) resolve();
  }
}
