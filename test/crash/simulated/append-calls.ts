// Calls that append: one record, one at an offset of its own, one under an id, several as one.
import type { AppendResult, Clock, Durability, Receipt, RecordInput, Topic } from "@strandlog/log";
import type { Random } from "@strandlog/log/testing";
import type { FollowedCalls } from "./followed.js";
import { type Entry, isCompacted, type TopicModel, type TransactionModel } from "./models.js";
import type { Oracle } from "./oracle.js";
import { randomKey, randomValue } from "./workload-choices.js";

const idsPerTopic = 6;
/** Of the records of a compacted topic whose places are known at once: without its place nobody can tell one from another. */
export const tombstones = 0.1;
/** Undefined: the topic's own. */
const levelsAsked: readonly (Durability | undefined)[] = [
  undefined,
  undefined,
  "disk",
  "disk",
  "os",
  "memory",
];

export function topicOf({ topic }: TopicModel): Topic {
  return topic as Topic;
}

export class AppendCalls {
  readonly #oracle: Oracle;
  readonly #calls: FollowedCalls;
  readonly #clock: Clock;
  #entries = 0;
  #transactions = 0;

  constructor(oracle: Oracle, calls: FollowedCalls, clock: Clock) {
    this.#oracle = oracle;
    this.#calls = calls;
    this.#clock = clock;
  }

  /** At a level that is drawn by lot, unless it is said. */
  append(model: TopicModel, random: Random, level: Durability | "any" = "any"): void {
    const base = this.newEntry(model, random, { tombstones });
    const durability = level === "any" ? random.pick(levelsAsked) : level;
    const partition = random.below(model.config.partitions);
    const isPlaced = random.chance(0.7);
    const record = isPlaced
      ? { key: base.key, value: base.value, partition }
      : { key: base.key, value: base.value };
    const receipt = topicOf(model).append(record, durability === undefined ? {} : { durability });
    const entry: Entry = { ...base, level: durability ?? model.config.durability, receipt };
    this.#follow(`append ${entry.key} to ${model.name}`, model, entry, receipt, ["RECORD_TOO_LARGE"]);
  }

  /** Beyond the end, so that a gap is left. */
  async appendBeyond(model: TopicModel, random: Random): Promise<void> {
    const partition = random.below(model.config.partitions);
    const { logEndOffset } = await topicOf(model).partition(partition).describe();
    if (model.state !== "alive") return;
    const entry: Entry = { ...this.newEntry(model, random), partition, isJump: true };
    const { key, value } = entry;
    const offset = logEndOffset + random.below(4);
    // Others may have come first: then it is refused, or, at the offset of the last one, taken for a retry of it.
    const receipt = topicOf(model).append({ key, value, partition }, { offset });
    this.#follow(`append ${key} at ${offset}`, model, entry, receipt, [
      "OFFSET_OUT_OF_RANGE",
      "RECORD_TOO_LARGE",
    ]);
  }

  /** The id is taken from a few, so that it may have been used before: in this life or an earlier one. */
  appendOnce(model: TopicModel, random: Random): void {
    const number = random.below(idsPerTopic);
    const dedupeId = `id-${number}`;
    const partition = number % model.partitions.length;
    if (partition >= model.config.partitions) return;
    const entry: Entry = { ...this.newEntry(model, random), partition, dedupeId };
    const { key, value } = entry;
    const receipt = topicOf(model).append({ key, value, partition }, { dedupeId });
    this.#follow(`append ${dedupeId} to ${model.name}`, model, entry, receipt, [
      "RECORD_TOO_LARGE",
      "TRANSACTION_TOO_LARGE",
    ]);
  }

  /** Records of several topics, and commits of groups that the caller adds. */
  transaction(models: readonly TopicModel[], random: Random): TransactionDraft {
    const transaction: TransactionModel = { id: this.#transactions++, entries: [], commits: [] };
    const isDisk = models.some(({ config }) => config.durability === "disk");
    const records: RecordInput[] = [];
    for (const model of models) {
      for (let count = random.pick([1, 1, 2, 5]); count > 0; count--) {
        const partition = random.below(model.config.partitions);
        const base = this.newEntry(model, random);
        const entry: Entry = { ...base, level: isDisk ? "disk" : "os", partition, transaction };
        transaction.entries.push({ model, entry });
        records.push({ key: entry.key, value: entry.value, partition });
      }
    }
    return { transaction, records };
  }

  /** Follows a transaction whose records are on their way. */
  async submitted(
    { transaction }: TransactionDraft,
    results: Promise<readonly AppendResult[]>,
  ): Promise<void> {
    for (const { model, entry } of transaction.entries) model.entries.push(entry);
    try {
      for (const [index, result] of (await results).entries()) {
        const { model, entry } = transaction.entries[index] as (typeof transaction.entries)[number];
        this.#oracle.acknowledged(model, entry, result);
      }
    } catch (error) {
      for (const { entry } of transaction.entries) this.#refused(entry, error);
      throw error;
    }
  }

  /** In a compacted topic the key is one of a few; without a value comes that share of its records. */
  newEntry(
    model: TopicModel,
    random: Random,
    { tombstones = 0, bytesMax = Number.POSITIVE_INFINITY }: { tombstones?: number; bytesMax?: number } = {},
  ): Entry {
    const number = this.#entries++;
    const value = randomValue(random)?.subarray(0, bytesMax) ?? null;
    const isKeyShared = isCompacted(model.config);
    return {
      key: isKeyShared ? randomKey(random) : `${number}`,
      value: isKeyShared ? numberedValue(number, value, random.chance(tombstones)) : value,
      at: this.#clock.now(),
      level: model.config.durability,
      acknowledged: false,
      rejected: false,
    };
  }

  #follow(
    what: string,
    model: TopicModel,
    entry: Entry,
    receipt: Receipt,
    refusals: readonly string[],
  ): void {
    model.entries.push(entry);
    const done = receipt.then(
      (result) => this.#oracle.acknowledged(model, entry, result),
      (error: unknown) => {
        this.#refused(entry, error);
        throw error;
      },
    );
    this.#calls.follow(what, done, { models: [model], refusals, isJournalOnly: true });
  }

  #refused(entry: Entry, error: unknown): void {
    entry.rejected = true;
    const { code } = error as { code?: string };
    // Refused at the door. What was on its way when the journal failed may be there all the same.
    if (code === "OFFSET_OUT_OF_RANGE" || code?.endsWith("TOO_LARGE") === true) entry.isOut = true;
  }
}

/** No other record has it, unless it is to be none. */
function numberedValue(number: number, value: Buffer | null, isTombstone: boolean): Buffer | null {
  return isTombstone ? null : Buffer.concat([Buffer.from(`${number}:`), value ?? Buffer.alloc(0)]);
}

export interface TransactionDraft {
  readonly transaction: TransactionModel;
  readonly records: readonly RecordInput[];
}
