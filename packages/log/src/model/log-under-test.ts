// The real log of a run: which topics are open, which appends nobody has awaited yet, how it is closed and opened.
import assert from "node:assert/strict";
import { type Clock, systemClock } from "../clock.js";
import { LogError } from "../errors.js";
import type { Log } from "../face/log.js";
import type { Partition } from "../face/partition.js";
import type { AppendResult } from "../face/receipt.js";
import type { Topic } from "../face/topic.js";
import { type LogOptions, openLog } from "../open.js";

/** An append on its way. */
export interface Pending {
  readonly topic: Topic;
  readonly outcome: Promise<PromiseSettledResult<AppendResult>>;
  /** Called once with the result. */
  readonly acknowledged: (result: AppendResult) => void;
}

export class LogUnderTest {
  readonly isPersistent: boolean;
  readonly #location: string;
  readonly #clock: Clock = { ...systemClock, now: () => this.timeMs };
  readonly #topics = new Map<string, Topic>();
  #pending: Pending[] = [];
  #log!: Log;
  /** What the log takes for the time of day. */
  timeMs = 1000;

  /** Opens a log in a directory, or in "memory:". */
  static async open(location: string, options: LogOptions): Promise<LogUnderTest> {
    const log = new LogUnderTest(location);
    await log.#open(options);
    return log;
  }

  constructor(location: string) {
    this.#location = location;
    this.isPersistent = location !== "memory:";
  }

  get log(): Log {
    return this.#log;
  }

  topic(name: string): Topic {
    const topic = this.#topics.get(name);
    assert.ok(topic);
    return topic;
  }

  partition(topic: string, number: number): Partition {
    return this.topic(topic).partition(number);
  }

  adopt(topic: Topic): void {
    this.#topics.set(topic.name, topic);
  }

  pend(pending: Pending): void {
    this.#pending.push(pending);
  }

  /** Awaits all appends. Those to a topic that was deleted meanwhile may have been refused. */
  async settle(deleted?: Topic): Promise<void> {
    const pending = this.#pending;
    this.#pending = [];
    for (const { topic, outcome, acknowledged } of pending) {
      const settled = await outcome;
      if (settled.status === "fulfilled") acknowledged(settled.value);
      else if (topic !== deleted || !hasCode(settled.reason, "TOPIC_NOT_FOUND")) throw settled.reason;
    }
  }

  async reopen(options: LogOptions): Promise<void> {
    const names = [...this.#topics.keys()];
    const old = this.#topics.get(names[0] ?? "");
    await this.#log.close();
    await this.settle();
    if (old !== undefined) await assert.rejects(old.append({ value: "too late" }), { code: "CLOSED" });
    await this.#open(options);
    for (const name of names) this.adopt(await this.#log.existingTopic(name));
  }

  forget(name: string): void {
    this.#topics.delete(name);
  }

  async close(): Promise<void> {
    await this.#log.close();
    await this.settle();
  }

  async #open(options: LogOptions): Promise<void> {
    this.#log = await openLog(this.#location, { ...options, clock: this.#clock });
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof LogError && error.code === code;
}
