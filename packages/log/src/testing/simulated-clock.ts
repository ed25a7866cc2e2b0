// Time that passes only when it is told to. Timers fire when the simulation has nothing else to do, in order of time.
import type { Clock, Timer } from "../clock.js";
import type { Random } from "./random.js";

interface Alarm {
  readonly dueMs: number;
  readonly callback: () => void;
}

const startMs = Date.UTC(2026, 0, 1);

export class SimulatedClock implements Clock {
  readonly #random: Random;
  #elapsedMs = 0;
  #alarms: Alarm[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  now(): number {
    return startMs + Math.floor(this.#elapsedMs);
  }

  elapsedMs(): number {
    return this.#elapsedMs;
  }

  startTimer(delayMs: number, callback: () => void): Timer {
    const alarm = { dueMs: this.#elapsedMs + Math.max(0, delayMs), callback };
    this.#alarms.push(alarm);
    return {
      cancel: () => {
        this.#alarms = this.#alarms.filter((other) => other !== alarm);
      },
    };
  }

  randomBytes(count: number): Buffer {
    return this.#random.bytes(count);
  }

  /** Lets time pass without firing what becomes due. */
  pass(milliseconds: number): void {
    this.#elapsedMs += milliseconds;
  }

  /** Goes to the next timer, if there is one, and fires it. */
  fireNext(): boolean {
    let next: Alarm | undefined;
    for (const alarm of this.#alarms) if (next === undefined || alarm.dueMs < next.dueMs) next = alarm;
    if (next === undefined) return false;
    this.#alarms = this.#alarms.filter((other) => other !== next);
    this.#elapsedMs = Math.max(this.#elapsedMs, next.dueMs);
    next.callback();
    return true;
  }

  /** The process is gone, and its timers with it. */
  crash(): void {
    this.#alarms = [];
  }
}
