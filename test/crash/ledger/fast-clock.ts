// A clock on which time flies, so that a log soon tries again what failed. What it says of the date is true.
import { randomBytes } from "node:crypto";
import type { Clock } from "@strandlog/log";

export function fastClock(speed: number): Clock {
  return {
    now: () => Date.now(),
    elapsedMs: () => performance.now() * speed,
    randomBytes,
    startTimer(delayMs, callback, keepAlive = false) {
      const timer = setTimeout(callback, delayMs / speed);
      if (!keepAlive) timer.unref();
      return { cancel: () => clearTimeout(timer) };
    },
  };
}
