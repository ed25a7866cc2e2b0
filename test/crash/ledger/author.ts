// Uses a log and tells all that it does and gets (words.ts). Nothing that it does fails: what the log refuses is told,
// and then the log has to be opened again. One thing is done at a time, but for appends.
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import {
  type Durability,
  type Log,
  LogError,
  type LogOptions,
  openLog,
  type RecordInput,
  type Topic,
  type TopicConfig,
} from "@strandlog/log";
import { keyFor, type Place, valueFor } from "../content.js";
import type { Tell } from "./words.js";

const trouble = "strandlog:trouble";
/** A topic's generation is kept in a setting that has no effect: whoever opens the log finds it there. */
const segmentMsMin = 365 * 24 * 60 * 60 * 1000;

interface Target {
  readonly topic: Topic;
  readonly place: Place;
  /** Where the next record goes: offsets are known, since this process is the only one that writes. */
  next: number;
  /** The end of what was acknowledged. */
  end: number;
  start: number;
}

/** Which records: of a topic's partition, how many. */
export type Part = readonly [topic: string, partition: number, count: number];

export class Author {
  readonly #directory: string;
  readonly #options: LogOptions;
  readonly #tell: Tell;
  readonly #targets = new Map<string, Target[]>();
  #log: Log | undefined;
  #round: number;
  /** After so many troubles within one step it is taken to wait for ever. */
  patience = 12;
  /** Something was refused: the log has to be opened again. */
  isBroken = false;
  /** A step waits for what does not come. */
  isStuck = false;

  /** The records that follow each opening carry a round of their own, from `round` on. */
  constructor(directory: string, options: LogOptions, round: number, tell: Tell) {
    this.#directory = directory;
    this.#options = options;
    this.#round = round - 1;
    this.#tell = tell;
  }

  /** False if the log cannot be opened. */
  open(): Promise<boolean> {
    return this.#attempt("opening", async () => {
      this.#tell("opening", ++this.#round);
      const log = await openLog(this.#directory, this.#options);
      this.#log = log;
      this.isBroken = false;
      const names = await log.topics();
      this.#tell("topics", ...names);
      this.#targets.clear();
      for (const name of names) await this.#adopt(await log.existingTopic(name), true);
      this.#tell("loading");
    });
  }

  /** Lets go of the log, whatever state it is in. */
  async close(): Promise<void> {
    const log = this.#log;
    this.#log = undefined;
    const wasBroken = this.isBroken;
    const isClosed = await this.#attempt("closing", async () => log?.close());
    if (isClosed && !wasBroken) this.#tell("closed");
  }

  /** The log while it is open. */
  get log(): Log | undefined {
    return this.#log;
  }

  has(topic: string): boolean {
    return this.#targets.has(topic);
  }

  /** All partitions that there are. */
  get places(): (readonly [topic: string, partition: number])[] {
    return [...this.#targets.values()].flat().map(({ place }) => [place.topic, place.partition] as const);
  }

  /** Makes a topic that is not there; a number that grows tells those of one name apart. */
  async make(name: string, generation: number, config: Partial<TopicConfig>): Promise<void> {
    if (this.has(name)) return;
    await this.#attempt(`making ${name}`, async () => {
      this.#tell("make", name, generation, config.partitions ?? 1);
      const segmentMs = segmentMsMin + generation;
      const topic = await this.#opened.createTopic(name, { ...config, segmentMs });
      this.#tell("made", name);
      await this.#adopt(topic, false);
    });
  }

  async drop(name: string): Promise<void> {
    if (!this.has(name)) return;
    await this.#attempt(`dropping ${name}`, async () => {
      this.#tell("drop", name);
      await this.#opened.deleteTopic(name);
      this.#targets.delete(name);
      this.#tell("dropped", name);
    });
  }

  /** Appends so many records at once to each of the partitions, and waits for all of them. */
  async append(parts: readonly Part[], durability?: Durability): Promise<void> {
    await this.#attempt("appending", async () => {
      const receipts: Promise<void>[] = [];
      const longest = Math.max(...parts.map(([, , count]) => count));
      for (let index = 0; index < longest; index++)
        for (const [topic, partition, count] of parts)
          if (index < count) receipts.push(this.#appendOne(this.#target(topic, partition), durability));
      const results = await Promise.allSettled(receipts);
      for (const result of results) if (result.status === "rejected") throw result.reason;
    });
  }

  /** Appends to all of the partitions as one. */
  async transact(parts: readonly Part[]): Promise<void> {
    await this.#attempt("a transaction", async () => {
      const records = parts.flatMap(([topic, partition, count]) => {
        const target = this.#target(topic, partition);
        return Array.from({ length: count }, () => ({ target, offset: target.next++ }));
      });
      for (const { target, offset } of records) this.#submit(target, offset);
      this.#tell("group", ...records.map(({ target, offset }) => `${placeText(target.place)}:${offset}`));
      const results = await this.#opened.transaction((transaction) => {
        for (const { target, offset } of records)
          transaction.append(target.topic, this.#record(target, offset));
      });
      for (const [index, { offset, durability }] of results.entries())
        this.#acknowledged(records[index]?.target as Target, records[index]?.offset, offset, durability);
    });
  }

  /** Reads everything: what is damaged is refused. */
  async readAll(): Promise<void> {
    await this.#attempt("reading", async () => {
      for (const [topic, partition] of this.places)
        for await (const { offset } of this.#target(topic, partition).topic.partition(partition).read())
          if (offset < 0) this.#tell("fault", `${topic}-${partition}: read ${offset}`);
    });
  }

  /** Deletes a share of a partition's acknowledged records, from its beginning on. */
  async deleteShare(topic: string, partition: number, share: number): Promise<void> {
    await this.#attempt("deleting records", async () => {
      const target = this.#target(topic, partition);
      const before = target.start + Math.floor((target.end - target.start) * share);
      this.#tell("delete", topic, partition, before);
      await target.topic.partition(partition).deleteRecords(before);
      this.#tell("deleted", topic, partition, before);
      target.start = before;
    });
  }

  /** How many checkpoints the log has written since it was opened. */
  async checkpoints(): Promise<number> {
    return this.#log === undefined ? 0 : (await this.#log.stats()).storage.checkpoints;
  }

  /** Why appends wait or fail, as the log has it. */
  async trouble(): Promise<string | undefined> {
    return (await this.#log?.stats())?.storage.trouble;
  }

  get #opened(): Log {
    if (this.#log === undefined) throw new Error("the log is not open");
    return this.#log;
  }

  #target(topic: string, partition: number): Target {
    const target = this.#targets.get(topic)?.[partition];
    if (target === undefined) throw new Error(`there is no ${topic}-${partition}`);
    return target;
  }

  async #adopt(topic: Topic, isOld: boolean): Promise<void> {
    const { partitions, name } = await topic.describe();
    const generation = topic.config.segmentMs - segmentMsMin;
    const targets = partitions.map(({ partition, logEndOffset, logStartOffset }): Target => {
      if (isOld) this.#tell("end", name, partition, logStartOffset, logEndOffset);
      return {
        topic,
        place: { topic: name, partition, generation },
        next: logEndOffset,
        end: logEndOffset,
        start: logStartOffset,
      };
    });
    this.#targets.set(name, targets);
  }

  #record({ place }: Target, offset: number): RecordInput & { partition: number } {
    const { partition } = place;
    return {
      key: keyFor(place, this.#round, offset),
      value: valueFor(place, this.#round, offset),
      partition,
    };
  }

  #submit({ place: { topic, partition } }: Target, offset: number): void {
    this.#tell("submit", topic, partition, offset);
  }

  async #appendOne(target: Target, durability: Durability | undefined): Promise<void> {
    const offset = target.next++;
    this.#submit(target, offset);
    const record = this.#record(target, offset);
    const result = await target.topic.append(record, durability === undefined ? {} : { durability });
    this.#acknowledged(target, offset, result.offset, result.durability);
  }

  #acknowledged(target: Target, due: number | undefined, offset: number, level: Durability): void {
    const { topic, partition } = target.place;
    if (offset !== due) this.#tell("fault", `${topic}-${partition}: ${due} was acknowledged as ${offset}`);
    this.#tell("ack", topic, partition, offset, level);
    target.end = Math.max(target.end, offset + 1);
  }

  /** True if it went well. Otherwise what went wrong has been told. */
  async #attempt(step: string, action: () => Promise<unknown>): Promise<boolean> {
    let troubles = 0;
    let giveUp = (): void => undefined;
    const stuck = new Promise<"stuck">((resolve) => {
      giveUp = () => resolve("stuck");
    });
    const hear = (): void => {
      if (++troubles > this.patience) giveUp();
    };
    subscribe(trouble, hear);
    try {
      if ((await Promise.race([action(), stuck])) !== "stuck") return true;
      this.isStuck = true;
      this.#tell("stuck", step);
    } catch (error) {
      this.isBroken = true;
      if (error instanceof LogError) this.#tell("refused", error.code, step, error.message);
      else this.#tell("fault", `${step}: an untyped error: ${(error as Error).stack}`);
    } finally {
      unsubscribe(trouble, hear);
    }
    return false;
  }
}

function placeText({ topic, partition }: Place): string {
  return `${topic}:${partition}`;
}
