// A broker to try clients on, and a way to await what they tell by events.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Log, openLog } from "@strandlog/log";
import { type Broker, type BrokerOptions, listen } from "strandlog/broker";

/** Where the log is: "directory" makes a new one. */
export type Place = "memory:" | "directory";
export const places: readonly Place[] = ["memory:", "directory"];

/** No test takes that long, unless something that it awaits never comes. */
export const timeout = 120_000;

export class Served {
  readonly log: Log;
  readonly broker: Broker;
  readonly #directory: string | undefined;
  readonly #clients: (() => Promise<void>)[] = [];

  constructor(log: Log, broker: Broker, directory: string | undefined) {
    this.log = log;
    this.broker = broker;
    this.#directory = directory;
  }

  static async at(place: Place, options: BrokerOptions = {}): Promise<Served> {
    const directory = place === "memory:" ? undefined : mkdtempSync(join(tmpdir(), "strandlog-clients-"));
    const log = await openLog(directory ?? "memory:");
    const where = options.listeners === undefined ? { kafka: 0, ...options } : options;
    return new Served(log, await listen(log, where), directory);
  }

  /** Clients go before the broker does, the last first. */
  with(close: () => Promise<void>): void {
    this.#clients.push(close);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const close of this.#clients.reverse()) await close();
    await this.broker.close();
    await this.log.close();
    if (this.#directory !== undefined) rmSync(this.#directory, { recursive: true });
  }
}

/** What has happened so far. */
export class Happened<T> {
  readonly items: T[] = [];
  #waiting: (() => void)[] = [];

  add(item: T): void {
    this.items.push(item);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async until(isEnough: (items: readonly T[]) => boolean): Promise<void> {
    while (!isEnough(this.items)) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }
}

/** Texts that tell the records of one round apart. */
export function round(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, n) => `${name} ${n}`);
}

export function hasAll(values: readonly string[]): (items: readonly string[]) => boolean {
  return (items) => values.every((value) => items.includes(value));
}
