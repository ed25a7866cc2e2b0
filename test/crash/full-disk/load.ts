// What fills the disk, and what is known of it: records whose content follows from their place, as many appends at a
// time as there are workers, and what has been acknowledged.
import assert from "node:assert/strict";
import { type Log, LogError, type Partition, type Topic } from "@strandlog/log";
import { differenceOf, keyFor, type Place, valueFor } from "../content.js";
import type { Troubles } from "./troubles.js";

const round = 1;

/** What a partition is to hold. */
export class Expected {
  readonly place: Place;
  /** Where the next record goes: all before it was appended. */
  next: number;
  /** All before it was acknowledged. */
  end: number;
  start = 0;

  constructor(topic: string, partition: number, next = 0, end: number = next) {
    this.place = { topic, partition, generation: 0 };
    this.next = next;
    this.end = end;
  }

  /** What was acknowledged is there once, in order, with its bytes; nothing is there that was not appended. */
  async check(log: Log): Promise<void> {
    const { topic, partition: number } = this.place;
    const name = `${topic}-${number}`;
    const partition = (await log.existingTopic(topic)).partition(number);
    const { logStartOffset } = await partition.describe();
    assert.equal(logStartOffset, this.start, `where ${name} starts`);
    let next = this.start;
    for await (const record of partition.read()) {
      assert.equal(record.offset, next++, name);
      assert.equal(differenceOf(record, this.place, round), undefined, `${name} at ${record.offset}`);
    }
    assert.ok(next >= this.end, `LOST ${this.end - next}: ${name} ends at ${next}, not ${this.end}`);
    assert.ok(next <= this.next, `${name} ends at ${next}, appended were records up to ${this.next}`);
  }
}

/** A partition that is appended to. */
export class Target extends Expected {
  readonly #topic: Topic;

  constructor(topic: Topic, partition: number) {
    super(topic.name, partition);
    this.#topic = topic;
  }

  get partition(): Partition {
    return this.#topic.partition(this.place.partition);
  }

  /** Appends the record that belongs there. Appends are let in in their order, so their offsets are known. */
  async append(): Promise<void> {
    const { place } = this;
    const offset = this.next++;
    const key = keyFor(place, round, offset);
    const value = valueFor(place, round, offset);
    const result = await this.#topic.append({ key, value, partition: place.partition });
    assert.equal(result.offset, offset);
    this.end = Math.max(this.end, offset + 1);
  }
}

export function targetsOf(topic: Topic): Target[] {
  return Array.from({ length: topic.partitionCount }, (_, partition) => new Target(topic, partition));
}

/** Appends to all targets in turn, until it is told to end. */
export class Load {
  readonly targets: readonly Target[];
  /** Errors of appends: there should be none. */
  readonly refusals: unknown[] = [];
  acknowledged = 0;
  pending = 0;
  #isEnding = false;
  #whoWaits: (() => void)[] = [];
  readonly #workers: Promise<void>[];

  constructor(targets: readonly Target[], workers: number) {
    this.targets = targets;
    this.#workers = Array.from({ length: workers }, (_, index) => this.#work(index));
  }

  /** Settles when the disk has been found full again and again, nothing has been acknowledged meanwhile, and appends wait. */
  async untilStuck(troubles: Troubles): Promise<void> {
    for (let before = -1; before < this.acknowledged || this.pending === 0; ) {
      before = this.acknowledged;
      await troubles.next(6);
      assert.deepEqual(this.refusals, [], "appends wait, they do not fail");
    }
  }

  /** Settles with the next acknowledgement. */
  async progress(): Promise<void> {
    await new Promise<void>((resolve) => this.#whoWaits.push(resolve));
  }

  /** Nothing more is appended. */
  end(): void {
    this.#isEnding = true;
  }

  /** Settles when every append has. */
  async ended(): Promise<void> {
    await Promise.all(this.#workers);
    assert.deepEqual(this.refusals, [], "appends wait, they do not fail");
  }

  async #work(index: number): Promise<void> {
    for (let turn = index; !this.#isEnding; turn++) {
      this.pending++;
      try {
        await (this.targets[turn % this.targets.length] as Target).append();
        this.acknowledged++;
        for (const resolve of this.#whoWaits.splice(0)) resolve();
      } catch (error) {
        this.refusals.push(error instanceof LogError ? `${error.code}: ${error.message}` : error);
        return;
      } finally {
        this.pending--;
      }
    }
  }
}
