// Calls on topics: made, changed, deleted; records deleted, retained, read.
import type { Clock, Log } from "@strandlog/log";
import type { Random } from "@strandlog/log/testing";
import { topicOf } from "./append-calls.js";
import type { FollowedCalls } from "./followed.js";
import { type Config, isCompacted, modelOf, newPartition, type TopicModel } from "./models.js";
import type { Oracle } from "./oracle.js";
import { itemsOf } from "./raw-look.js";
import { randomTopic } from "./workload-choices.js";

const partitionsMax = 6;

export class TopicCalls {
  readonly #oracle: Oracle;
  readonly #calls: FollowedCalls;
  readonly #clock: Clock;

  constructor(oracle: Oracle, calls: FollowedCalls, clock: Clock) {
    this.#oracle = oracle;
    this.#calls = calls;
    this.#clock = clock;
  }

  create(log: Log, name: string, config: Config): void {
    if (this.#oracle.topics.some((model) => model.name === name && model.state !== "gone")) return;
    this.#oracle.topics = this.#oracle.topics.filter((model) => model.name !== name);
    const model = this.#oracle.topic(name, config);
    const made = log.createTopic(name, config).then((topic) => {
      model.topic = topic;
      model.state = "alive";
    });
    this.#calls.follow(`create ${name}`, made);
  }

  /** A name that was used before, if there is one: its directory is, too. */
  createAny(log: Log, random: Random): void {
    const name = `topic-${random.below(random.chance(0.7) ? 3 : 100)}`;
    this.create(log, name, randomTopic(random));
  }

  delete(log: Log, model: TopicModel): void {
    model.state = "deleting";
    const deleted = log.deleteTopic(model.name).then(() => {
      model.state = "gone";
    });
    this.#calls.follow(`delete ${model.name}`, deleted, { models: [model] });
  }

  alter(model: TopicModel, random: Random): void {
    if (model.configsAsked.length > 0) return;
    const wanted = randomTopic(random);
    const { partitions, durability, compression } = model.config;
    const config: Config = {
      ...wanted,
      durability,
      compression,
      partitions: random.chance(0.3) ? Math.min(partitionsMax, partitions + 1) : partitions,
    };
    model.configsAsked.push(config);
    const altered = topicOf(model)
      .alter(config)
      .then(() => {
        while (model.partitions.length < config.partitions) model.partitions.push(newPartition());
        model.configsBefore.push(model.config);
        model.configsAsked = [];
        model.config = config;
      });
    this.#calls.follow(`alter ${model.name}`, altered, { models: [model] });
  }

  deleteRecords(model: TopicModel, random: Random): void {
    const number = random.below(model.config.partitions);
    const deleted = this.#deleteRecords(model, number, random);
    this.#calls.follow("deleteRecords", deleted, { models: [model], refusals: ["OFFSET_OUT_OF_RANGE"] });
  }

  async #deleteRecords(model: TopicModel, number: number, random: Random): Promise<void> {
    const partition = topicOf(model).partition(number);
    const { logStartOffset, highWatermark } = await partition.describe();
    const known = modelOf(model, number);
    known.visibleEnd = Math.max(known.visibleEnd, highWatermark);
    const before = random.between(logStartOffset, highWatermark);
    known.startMax = Math.max(known.startMax, before);
    await partition.deleteRecords(before);
    known.start = Math.max(known.start, before);
  }

  retain(model: TopicModel): void {
    const retained = topicOf(model)
      .retain()
      .then((results) => {
        for (const { partition, before } of results) {
          const known = modelOf(model, partition);
          known.start = Math.max(known.start, before);
          known.startMax = Math.max(known.startMax, before);
        }
      });
    this.#calls.follow(`retain ${model.name}`, retained, { models: [model] });
  }

  compact(model: TopicModel): void {
    if (!isCompacted(model.config)) return;
    // Where little is free nothing is written; and the topic may be altered meanwhile.
    const refusals = ["DISK_FULL", "INVALID_ARGUMENT"];
    this.#calls.follow(`compact ${model.name}`, topicOf(model).compact(), { models: [model], refusals });
  }

  /** Reads a partition: what was acknowledged must be there, what is there must have been submitted. */
  read(model: TopicModel, random: Random): void {
    const reading = this.#read(model, random.below(model.config.partitions));
    this.#calls.follow(`read ${model.name}`, reading, { models: [model] });
  }

  async #read(model: TopicModel, number: number): Promise<void> {
    const partition = topicOf(model).partition(number);
    const { start } = modelOf(model, number);
    const { durability } = model.config;
    // Records are seen in order: those behind a transaction that goes to the disk wait for it.
    const isBehind = model.entries.some(
      ({ receipt, acknowledged, level }) => receipt === undefined && !acknowledged && level !== durability,
    );
    const must = isBehind ? 0 : this.#oracle.acknowledgedEnd(model, number, durability);
    const { compaction: compactionBefore, highWatermark } = await partition.describe();
    const items = await itemsOf(model, partition, highWatermark);
    const { logStartOffset: startNow, compaction } = await partition.describe();
    const compacted = { before: compactionBefore?.end ?? 0, after: compaction?.end ?? 0, clock: this.#clock };
    // While the log cannot take them, for want of space, records that are acknowledged in memory are not to be seen.
    const isStuck = durability === "memory" && this.#calls.hasTrouble;
    this.#oracle.read(model, number, { start, must: isStuck ? 0 : must, startNow, compacted }, items);
  }

  sync(log: Log): void {
    const promised = this.#oracle.syncing();
    this.#calls.follow("sync", log.sync().then(promised));
  }
}
