import type { Clock, Timer } from "@strandlog/log";
import { makeRandom } from "../content.js";

// What waits longer than this is housekeeping, which no case here is about.
const soonMs = 50;

/** A clock that loses no time: a short timer fires at once, a long one never. The same seed gives the same bytes. */
export function quickClock(seed: number): Clock {
  const random = makeRandom(seed);
  let elapsedMs = 0;
  return {
    now: () => Date.UTC(2026, 0, 1) + Math.floor(elapsedMs),
    elapsedMs: () => elapsedMs,
    startTimer(delayMs, callback): Timer {
      if (delayMs > soonMs) return { cancel: () => undefined };
      const immediate = setImmediate(() => {
        elapsedMs += delayMs;
        callback();
      });
      return { cancel: () => clearImmediate(immediate) };
    },
    randomBytes: (count) => Buffer.from(Array.from({ length: count }, () => Math.floor(random() * 256))),
  };
}
