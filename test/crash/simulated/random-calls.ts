// The random calls of a life: most of them are not waited for, each is followed to its end and told to the oracle, and
// what it is refused with must have a reason.

import type { Durability, Log } from "@strandlog/log";
import { LogError } from "@strandlog/log";
import type { Random } from "@strandlog/log/testing";
import { quiet, type Simulation, Violation } from "@strandlog/log/testing";
import { type Entry, modelOf, type Oracle, type TopicModel } from "./oracle.js";
import { kibibyte, randomTopic } from "./workload-choices.js";

const outstandingMax = 24;
const noise: Buffer = Buffer.from(
  Array.from({ length: 64 * kibibyte }, (_, at) => (at * 7919 + (at >> 8) * 31) & 255),
);

export class RandomCalls {
  readonly #simulation: Simulation;
  readonly #random: Random;
  readonly #oracle: Oracle;
  /** Whether the disk may become full. */
  readonly #mayFill: boolean;
  #log!: Log;
  /** Calls that have not settled. */
  #underway = new Set<{ what: string }>();
  #trouble: unknown;
  #entries = 0;
  #names = 0;

  constructor(simulation: Simulation, random: Random, oracle: Oracle, mayFill: boolean) {
    this.#simulation = simulation;
    this.#random = random;
    this.#oracle = oracle;
    this.#mayFill = mayFill;
  }

  /** The calls that have not settled, in words. */
  get waiting(): string {
    return [...this.#underway].map(({ what }) => what).join(", ");
  }

  /** Makes calls, most of them without waiting, while the disk works in between. */
  async make(log: Log, calls: number): Promise<void> {
    this.#log = log;
    this.#underway = new Set();
    let left = calls;
    let mustWait = false;
    for (;;) {
      await quiet();
      if (this.#trouble !== undefined) throw this.#trouble;
      if (this.#underway.size === 0) mustWait = false;
      const mayCall = left > 0 && !mustWait && this.#underway.size < outstandingMax && !this.#oracle.isFailed;
      if (mayCall && (this.#underway.size === 0 || this.#random.chance(0.3))) {
        left--;
        this.#simulation.touch();
        mustWait = this.#random.chance(0.1);
        this.#randomCall();
      } else if (this.#underway.size === 0) return;
      else await this.#simulation.step();
    }
  }

  #randomCall(): void {
    const models = this.#oracle.topics.filter(({ state, topic }) => state === "alive" && topic !== undefined);
    const dice = this.#random.below(100);
    if (models.length === 0 || (dice < 4 && this.#oracle.topics.length < 6)) this.#createTopic();
    else {
      const model = this.#random.pick(models);
      if (dice < 6) this.#deleteTopic(model);
      else if (dice < 14) this.#do("deleteRecords", this.#deleteRecords(model), model);
      else if (dice < 19) this.#do("sync", this.#sync());
      else if (dice < 26) this.#do("read", this.#read(model), model);
      else if (dice < 27) this.#fillDisk();
      else if (dice < 28) this.#do("stats", this.#log.stats());
      else for (let count = this.#random.pick([1, 1, 1, 3, 12]); count > 0; count--) this.#append(model);
    }
  }

  #append(model: TopicModel): void {
    const random = this.#random;
    const level = random.pick<Durability | undefined>([undefined, undefined, "disk", "disk", "os", "memory"]);
    const key = `${this.#entries++}`;
    const size = random.pick([0, 20, 100, 1000, 5 * kibibyte, 20 * kibibyte, 30 * kibibyte]);
    const start = random.below(noise.length);
    const value = random.chance(0.02) ? null : noise.subarray(start, start + random.between(0, size));
    const partition = random.below(model.config.partitions);
    const topic = model.topic as NonNullable<TopicModel["topic"]>;
    const record = random.chance(0.7) ? { key, value, partition } : { key, value };
    const receipt = topic.append(record, level === undefined ? {} : { durability: level });
    const entry: Entry = {
      key,
      value,
      level: level ?? model.config.durability,
      receipt,
      acknowledged: false,
      rejected: false,
    };
    this.#oracle.submitted(model, entry);
    const done = receipt.then(
      (result) => this.#oracle.acknowledged(model, entry, result),
      (error: unknown) => {
        entry.rejected = true;
        throw error;
      },
    );
    this.#do(`append ${key} to ${model.name}`, done, model, ["JOURNAL_FAILED", "RECORD_TOO_LARGE"]);
  }

  #createTopic(): void {
    const random = this.#random;
    const config = randomTopic(random);
    // A name that was used before, if there is one: its directory is, too.
    const name = random.chance(0.7) ? `topic-${random.below(3)}` : `topic-${this.#names++ + 3}`;
    if (this.#oracle.topics.some((model) => model.name === name && model.state !== "gone")) return;
    this.#oracle.topics = this.#oracle.topics.filter((model) => model.name !== name);
    const model = this.#oracle.topic(name, config);
    const made = this.#log.createTopic(name, config).then((topic) => {
      model.topic = topic;
      model.state = "alive";
    });
    this.#do(`create ${name}`, made);
  }

  #deleteTopic(model: TopicModel): void {
    model.state = "deleting";
    const deleted = this.#log.deleteTopic(model.name).then(() => {
      model.state = "gone";
    });
    this.#do(`delete ${model.name}`, deleted, model);
  }

  async #deleteRecords(model: TopicModel): Promise<void> {
    const number = this.#random.below(model.config.partitions);
    const partition = (model.topic as NonNullable<TopicModel["topic"]>).partition(number);
    const { logStartOffset, highWatermark } = await partition.describe();
    const known = modelOf(model, number);
    known.visibleEnd = Math.max(known.visibleEnd, highWatermark);
    const before = this.#random.between(logStartOffset, highWatermark);
    known.startMax = Math.max(known.startMax, before);
    await partition.deleteRecords(before);
    known.start = Math.max(known.start, before);
  }

  async #sync(): Promise<void> {
    const promised = this.#oracle.syncing();
    await this.#log.sync();
    promised();
  }

  /** Reads a partition: what was acknowledged must be there, what is there must have been submitted. */
  async #read(model: TopicModel): Promise<void> {
    const number = this.#random.below(model.config.partitions);
    const partition = (model.topic as NonNullable<TopicModel["topic"]>).partition(number);
    const known = modelOf(model, number);
    const { start } = known;
    const must = this.#oracle.acknowledgedEnd(model, number, model.config.durability);
    const records = [];
    for await (const record of partition.read()) records.push(record);
    const end = this.#oracle.compare(model, number, start, records);
    const isSeen = end >= must || known.startMax >= must || this.#oracle.isFailed;
    if (!isSeen)
      throw new Violation(
        `${model.config.durability} ${model.name}/${number}: acknowledged up to ${must}, readable up to ${end}`,
      );
    known.visibleEnd = Math.max(known.visibleEnd, end);
  }

  #fillDisk(): void {
    if (!this.#mayFill) return;
    const { clock, disk } = this.#simulation;
    disk.freeBytes = this.#random.below(64 * kibibyte);
    clock.startTimer(this.#random.below(3000), () => {
      disk.freeBytes = Number.POSITIVE_INFINITY;
    });
  }

  /** After a failed journal nothing may be acknowledged, and all that was visible is readable. */
  async checkFailed(): Promise<void> {
    for (const model of this.#oracle.topics) {
      if (model.state !== "alive" || model.topic === undefined) continue;
      await this.#read(model);
      this.#append(model);
    }
    while (this.#underway.size > 0) await quiet();
    if (this.#trouble !== undefined) throw this.#trouble;
  }

  /** Follows a call to its end. What it may be refused with depends on what was done to it. */
  #do(what: string, call: Promise<unknown>, model?: TopicModel, allowed?: readonly string[]): void {
    const { disk } = this.#simulation;
    const underway = { what };
    this.#underway.add(underway);
    const ended = (): void => {
      this.#underway.delete(underway);
    };
    call.then(ended, (error: unknown) => {
      ended();
      const code = error instanceof LogError ? error.code : undefined;
      const isHit = disk.hits.length > 0;
      const wasDeleted = model?.state === "deleting" || model?.state === "gone";
      if (code === "JOURNAL_FAILED" && disk.hits.some(({ path }) => path.includes("/journal/")))
        this.#oracle.isFailed = true;
      else if ((code === "TOPIC_NOT_FOUND" || code === "PARTITION_NOT_FOUND") && wasDeleted) return;
      else if (code === "RECORD_TOO_LARGE" && allowed?.includes(code)) return;
      else if (code === undefined || !isHit || (allowed !== undefined && !allowed.includes(code)))
        this.#trouble ??= error;
    });
  }
}
