// The real clock, which a test may put forward: what would happen in the meantime happens at once.
import { randomBytes } from "node:crypto";
import type { Clock, Timer } from "@strandlog/log";
import { invalid } from "../checked.js";

interface Pending {
  readonly dueMs: number;
  readonly keepAlive: boolean;
  readonly callback: () => void;
  timeout: NodeJS.Timeout | undefined;
}

export class AdvancingClock implements Clock {
  #aheadMs = 0;
  readonly #pending = new Set<Pending>();

  now(): number {
    return Date.now() + this.#aheadMs;
  }

  elapsedMs(): number {
    return performance.now() + this.#aheadMs;
  }

  startTimer(delayMs: number, callback: () => void, keepAlive = false): Timer {
    const pending: Pending = { dueMs: this.elapsedMs() + delayMs, keepAlive, callback, timeout: undefined };
    this.#pending.add(pending);
    this.#arm(pending);
    return { cancel: () => this.#take(pending) };
  }

  randomBytes(count: number): Buffer {
    return randomBytes(count);
  }

  /** Timers that are due by then are called in order, each at its time; so are those that they start. */
  advance(ms: number): void {
    if (!Number.isFinite(ms) || ms < 0) {
      throw invalid("ms", `the clock goes forward by a number of milliseconds, not by ${String(ms)}`);
    }
    const end = this.elapsedMs() + ms;
    for (let next = this.#earliest(end); next !== undefined; next = this.#earliest(end)) {
      this.#aheadMs += Math.max(0, next.dueMs - this.elapsedMs());
      this.#take(next);
      next.callback();
    }
    this.#aheadMs += Math.max(0, end - this.elapsedMs());
    for (const pending of this.#pending) this.#arm(pending);
  }

  #earliest(endMs: number): Pending | undefined {
    const due = [...this.#pending].filter(({ dueMs }) => dueMs <= endMs);
    return due.sort((one, other) => one.dueMs - other.dueMs)[0];
  }

  #arm(pending: Pending): void {
    clearTimeout(pending.timeout);
    const leftMs = Math.max(0, pending.dueMs - this.elapsedMs());
    pending.timeout = setTimeout(() => {
      this.#pending.delete(pending);
      pending.callback();
    }, leftMs);
    if (!pending.keepAlive) pending.timeout.unref();
  }

  #take(pending: Pending): void {
    clearTimeout(pending.timeout);
    this.#pending.delete(pending);
  }
}
