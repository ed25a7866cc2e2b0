// All that is not the disk and yet not determined by the caller: time, timers, randomness. Passed in, so that a
// simulation can replay any history from a seed.
import { randomBytes } from "node:crypto";

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Wall clock, milliseconds since 1970. May jump. */
  now(): number;
  /** Milliseconds from an arbitrary start, with fractions. Never goes back. */
  elapsedMs(): number;
  /** Calls back once. A pending timer keeps the process alive only if `keepAlive` is set: somebody waits for it. */
  startTimer(delayMs: number, callback: () => void, keepAlive?: boolean): Timer;
  randomBytes(count: number): Buffer;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  elapsedMs: () => performance.now(),
  startTimer(delayMs, callback, keepAlive = false) {
    const timer = setTimeout(callback, delayMs);
    if (!keepAlive) timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
  randomBytes: (count) => randomBytes(count),
};

/** Calls back once when the event loop has turned: whatever is ready to happen has happened by then. */
export function soon(action: () => void): Timer {
  const immediate = setImmediate(action);
  return { cancel: () => clearImmediate(immediate) };
}
