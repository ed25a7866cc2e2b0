// Calls of named groups and of transactions: a consumer takes some records and commits them, by itself or together
// with records that it appends.
import type { Consumer, Log } from "@strandlog/log";
import type { Random } from "@strandlog/log/testing";
import { type AppendCalls, type TransactionDraft, topicOf } from "./append-calls.js";
import type { FollowedCalls } from "./followed.js";
import {
  configsOf,
  expectedIn,
  fail,
  type GroupModel,
  isCompacted,
  modelOf,
  type Place,
  startMaxOf,
  type TopicModel,
} from "./models.js";

const groupNames = ["billing", "audit/1"];

export class GroupCalls {
  readonly #appends: AppendCalls;
  readonly #calls: FollowedCalls;

  constructor(appends: AppendCalls, calls: FollowedCalls) {
    this.#appends = appends;
    this.#calls = calls;
  }

  /** Appends to several topics as one. */
  transact(log: Log, models: readonly TopicModel[], random: Random): void {
    const draft = this.#appends.transaction(models, random);
    const results = log.transaction((tx) => {
      for (const [index, { model }] of draft.transaction.entries.entries())
        tx.append(topicOf(model), draft.records[index] as (typeof draft.records)[number]);
    });
    this.#follow("transaction", this.#appends.submitted(draft, results), models);
  }

  /** Several records of one topic as one. */
  appendAll(model: TopicModel, random: Random): void {
    const draft = this.#appends.transaction([model], random);
    const results = topicOf(model).appendAll(draft.records);
    this.#follow("appendAll", this.#appends.submitted(draft, results), [model]);
  }

  consume(log: Log, model: TopicModel, into: TopicModel | undefined, random: Random): void {
    const name = random.pick(groupNames);
    const group: GroupModel = model.groups.get(name) ?? {
      name,
      committed: new Map(),
      pending: [],
      isBusy: false,
    };
    if (group.isBusy) return;
    model.groups.set(name, group);
    group.isBusy = true;
    const consumed = this.#consume(log, model, group, into, random).finally(() => {
      group.isBusy = false;
    });
    this.#follow(`consume ${model.name} as ${name}`, consumed, into === undefined ? [model] : [model, into]);
  }

  async #consume(
    log: Log,
    model: TopicModel,
    group: GroupModel,
    into: TopicModel | undefined,
    random: Random,
  ): Promise<void> {
    const consumer = topicOf(model).consumer(group.name, { commit: "explicit", follow: false });
    try {
      const last = await this.#take(consumer, model, group, random.between(1, 12));
      if (last.size === 0) return;
      if (into !== undefined && into.state !== "alive") return;
      const places = [...last].map(([partition, offset]) => ({ partition, offset: offset + 1 }));
      group.pending.push(...places);
      if (into === undefined)
        for (const [partition, offset] of last) await consumer.commit({ partition, offset });
      else await this.#commitWith(log, consumer, model, group, { into, places }, random);
      for (const { partition, offset } of places) group.committed.set(partition, offset);
      group.pending.length = 0;
    } finally {
      await consumer.close();
    }
  }

  /** The last offset taken of each partition. What comes must follow what is committed, without a hole. */
  async #take(
    consumer: Consumer,
    model: TopicModel,
    group: GroupModel,
    count: number,
  ): Promise<Map<number, number>> {
    const last = new Map<number, number>();
    for (let left = count; left > 0; left--) {
      const { value } = await consumer.next();
      if (value === undefined) break;
      const { partition, offset } = value;
      const before = last.get(partition);
      const committed = group.committed.get(partition);
      const from = before === undefined ? (committed ?? offset) : before + 1;
      if (offset < from) fail("I2", model, value, `given again to "${group.name}", which is at ${from}`);
      const { records } = expectedIn(model, partition);
      const known = records[offset];
      if (known !== undefined && known.key !== value.key?.toString())
        fail("I1", model, value, `given to "${group.name}" with another key`);
      last.set(partition, offset);
      // What a compaction has taken out is not missed.
      if (configsOf(model).some(isCompacted) || modelOf(model, partition).compactedBefore > 0) continue;
      const deleted = Math.max(startMaxOf(model, partition, offset), modelOf(model, partition).startMax);
      for (let skipped = Math.max(from, deleted); skipped < offset; skipped++)
        if (records[skipped]?.marker === undefined && records[skipped] !== undefined)
          fail("I2", model, value, `"${group.name}" missed ${skipped}`);
    }
    return last;
  }

  async #commitWith(
    log: Log,
    consumer: Consumer,
    model: TopicModel,
    group: GroupModel,
    { into, places }: { into: TopicModel; places: readonly Place[] },
    random: Random,
  ): Promise<void> {
    const draft: TransactionDraft = this.#appends.transaction([into], random);
    draft.transaction.commits.push(...places.map((place) => ({ model, group, place })));
    const results = log.transaction((tx) => {
      for (const record of draft.records) tx.append(topicOf(into), record);
      for (const { partition, offset } of places) tx.commit(consumer, { partition, offset: offset - 1 });
    });
    await this.#appends.submitted(draft, results);
  }

  #follow(what: string, call: Promise<unknown>, models: readonly TopicModel[]): void {
    this.#calls.follow(what, call, { models, refusals: ["RECORD_TOO_LARGE", "TRANSACTION_TOO_LARGE"] });
  }
}
