// Knows, outside the writer's process, what the log has acknowledged, and compares it with what is there after a kill.
import type { Log, Partition } from "@strandlog/log";
import { differenceOf, type Found, type Place } from "../content.js";
import { briefConfig, briefTopic, topics, type Word } from "./workload.js";

/** How much of what was checked before is read again where not everything is. */
const overlap = 100;
const problemsMax = 20;

class PartitionOracle {
  readonly place: Place;
  /** Which round wrote the records from an offset on, as far as they have been found after a kill. */
  readonly #rounds: { from: number; round: number }[] = [];
  readonly #acknowledged = new Set<number>();
  /** The log's end when it was last checked: all before is there for good. */
  end = 0;
  #acknowledgedEnd = 0;
  start = 0;
  /** Where deletions lie that were acknowledged, and how far any went that were only begun. */
  #startMin = 0;
  #startMax = 0;

  constructor(place: Place) {
    this.place = place;
  }

  get name(): string {
    return `${this.place.topic}-${this.place.partition}`;
  }

  acknowledged(offset: number): string | undefined {
    if (offset < this.end) return `${this.name}: offset ${offset} was given before`;
    if (this.#acknowledged.has(offset)) return `${this.name}: offset ${offset} was acknowledged twice`;
    this.#acknowledged.add(offset);
    this.#acknowledgedEnd = Math.max(this.#acknowledgedEnd, offset + 1);
    return undefined;
  }

  deletion(before: number, isAcknowledged: boolean): void {
    this.#startMax = Math.max(this.#startMax, before);
    if (isAcknowledged) this.#startMin = Math.max(this.#startMin, before);
  }

  /** Compares with what is there, and takes over what is. `round` is the only one that can have written since. */
  async check(partition: Partition, round: number, isFull: boolean): Promise<string[]> {
    const { logStartOffset, highWatermark, logEndOffset } = await partition.describe();
    const problems: string[] = [];
    const say = (what: string): unknown => problems.push(`${this.name}: ${what}`);
    const due = Math.max(this.end, this.#acknowledgedEnd);
    if (highWatermark !== logEndOffset) say(`the end is ${logEndOffset}, but readers see ${highWatermark}`);
    if (highWatermark < due)
      say(`LOST ${due - highWatermark}: ends at ${highWatermark}, acknowledged up to ${due}`);
    if (logStartOffset < this.#startMin)
      say(`deleted records are back: starts at ${logStartOffset}, not ${this.#startMin}`);
    if (logStartOffset > this.#startMax)
      say(`starts at ${logStartOffset}, deleted were records before ${this.#startMax}`);
    if (highWatermark > this.end) this.#rounds.push({ from: this.end, round });
    const from = isFull ? logStartOffset : Math.max(logStartOffset, this.end - overlap);
    let next = from;
    for await (const record of partition.read({ from })) next = this.compare(record, next, problems);
    if (next !== highWatermark) say(`reading ends at ${next}, the log at ${highWatermark}`);
    this.#startMin = logStartOffset;
    this.#startMax = logStartOffset;
    this.start = logStartOffset;
    this.end = highWatermark;
    this.#acknowledgedEnd = highWatermark;
    this.#acknowledged.clear();
    return problems;
  }

  /** The record in its place, once, with its bytes; answers which offset is to follow. */
  compare(record: Found, next: number, problems: string[]): number {
    const { offset } = record;
    if (problems.length > problemsMax) return offset + 1;
    if (offset !== next) problems.push(`${this.name}: offset ${next} is missing, ${offset} follows`);
    const difference = differenceOf(record, this.place, this.#roundOf(offset));
    if (difference !== undefined) problems.push(`${this.name}: the record at ${offset} ${difference}`);
    return offset + 1;
  }

  #roundOf(offset: number): number {
    return this.#rounds.findLast(({ from }) => from <= offset)?.round ?? -1;
  }
}

export class Oracle {
  readonly problems: string[] = [];
  acknowledgedCount = 0;
  deletedCount = 0;
  #partitions = new Map<string, PartitionOracle>();
  #generation = 0;
  #briefMay = false;
  #briefMust = false;

  constructor() {
    for (const [topic, { partitions }] of Object.entries(topics)) this.#add(topic, partitions ?? 1);
  }

  /** Takes what the writer tells. */
  take(word: Word, args: readonly string[]): void {
    const [topic = "", partition, offset] = args;
    const place = (): PartitionOracle => this.#partition(topic, Number(partition));
    if (word === "ack") {
      this.acknowledgedCount++;
      this.#note(place().acknowledged(Number(offset)));
    } else if (word === "delete" || word === "deleted") {
      place().deletion(Number(offset), word === "deleted");
      if (word === "deleted") this.deletedCount++;
    } else if (word === "end" && topic !== briefTopic) {
      // What the last check has seen, the writer's own recovery must have found as well: no more, no less.
      const { end, name } = place();
      if (Number(offset) !== end)
        this.#note(`${name}: was seen to end at ${end}, the writer finds ${offset}`);
    } else if (word === "create") {
      this.#generation = Number(topic);
      this.#briefMay = true;
      this.#briefMust = false;
      this.#add(briefTopic, briefConfig.partitions ?? 1);
    } else if (word === "created") this.#briefMust = true;
    else if (word === "drop") this.#briefMust = false;
    else if (word === "dropped") this.#briefMay = false;
    else if (word === "fault") this.#note(`the writer saw: ${args.join(" ")}`);
  }

  /** Compares the whole log, read again from its beginning when `isFull`. */
  async check(log: Log, round: number, isFull: boolean): Promise<void> {
    const names = new Set(await log.topics());
    const hasBrief = names.has(briefTopic);
    if (hasBrief && !this.#briefMay) this.#note("a deleted topic is back");
    if (!hasBrief && this.#briefMust) this.#note("LOST the brief topic");
    this.#briefMay = hasBrief;
    this.#briefMust = hasBrief;
    for (const oracle of this.#partitions.values()) {
      const { topic, partition } = oracle.place;
      if (topic === briefTopic && !hasBrief) continue;
      if (!names.has(topic)) {
        if (oracle.end > 0) this.#note(`LOST the topic ${topic}`);
        continue;
      }
      const found = (await log.existingTopic(topic)).partition(partition);
      this.problems.push(...(await oracle.check(found, round, isFull)));
    }
  }

  /** Whether the partition of this name holds no record. */
  isEmpty(name: string): boolean {
    return [...this.#partitions.values()].some(
      (oracle) => oracle.name === name && oracle.start === oracle.end,
    );
  }

  /** Compares with what another reader found in the partitions' files, if there are any; they may begin earlier. */
  compareFiles(read: (partitionDirectory: string) => readonly Found[] | undefined): void {
    for (const oracle of this.#partitions.values()) {
      const { end, start, name } = oracle;
      if (start === end && oracle.place.topic !== briefTopic) continue;
      const records = read(name);
      if (oracle.place.topic === briefTopic && !this.#briefMay) {
        if (records !== undefined) this.#note(`${name}: files of a deleted topic were left behind`);
        continue;
      }
      let next = start;
      for (const record of records ?? []) {
        if (record.offset >= start) next = oracle.compare(record, next, this.problems);
      }
      if (next !== end) this.#note(`${name}: the files end at ${next}, the log at ${end}`);
    }
  }

  #add(topic: string, count: number): void {
    const generation = topic === briefTopic ? this.#generation : 0;
    for (let partition = 0; partition < count; partition++) {
      this.#partitions.set(`${topic} ${partition}`, new PartitionOracle({ topic, partition, generation }));
    }
  }

  #partition(topic: string, partition: number): PartitionOracle {
    const oracle = this.#partitions.get(`${topic} ${partition}`);
    if (oracle === undefined) throw new Error(`the writer spoke of ${topic}-${partition}`);
    return oracle;
  }

  #note(problem: string | undefined): void {
    if (problem !== undefined) this.problems.push(problem);
  }
}
