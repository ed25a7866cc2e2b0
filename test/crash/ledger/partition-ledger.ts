// What is known of one partition: what was submitted, acknowledged at which level, deleted, and seen after a recovery.
import type { Partition } from "@strandlog/log";
import { differenceOf, type Found, type Place } from "../content.js";

/** What the end of a process was: killed, the system lives on; or the power went, only what was synced is left. */
export type Survival = "os" | "disk";

/** What a partition shows. */
export interface Shown {
  readonly start: number;
  readonly end: number;
}

const problemsMax = 10;

export class PartitionLedger {
  readonly place: Place;
  /** Which round wrote the records from an offset on, as far as they have been seen after a recovery. */
  readonly #rounds: { from: number; round: number }[] = [];
  /** The end of what was acknowledged so that it survives a kill, and a power cut. */
  readonly #acknowledgedEnd: Record<Survival, number> = { os: 0, disk: 0 };
  /** The end that a recovery has shown: all before is there for good. */
  seenEnd = 0;
  start = 0;
  #submittedEnd = 0;
  /** Where deletions lie that were acknowledged, and how far any went that were only begun. */
  #startMin = 0;
  #startMax = 0;

  constructor(place: Place) {
    this.place = place;
  }

  get name(): string {
    return `${this.place.topic}-${this.place.partition}`;
  }

  submitted(offset: number): void {
    this.#submittedEnd = Math.max(this.#submittedEnd, offset + 1);
  }

  acknowledged(offset: number, level: string): void {
    const ends = this.#acknowledgedEnd;
    if (level === "disk") ends.disk = Math.max(ends.disk, offset + 1);
    if (level !== "memory") ends.os = Math.max(ends.os, offset + 1);
  }

  deletion(before: number, isAcknowledged: boolean): void {
    this.#startMax = Math.max(this.#startMax, before);
    if (isAcknowledged) this.#startMin = Math.max(this.#startMin, before);
  }

  /** A clean close makes all of it durable, whatever its level. */
  closed(): void {
    this.#acknowledgedEnd.disk = Math.max(this.#acknowledgedEnd.disk, this.#acknowledgedEnd.os);
  }

  /** Compares what a recovery shows with what must be there, and takes it over: from now on that must be there. */
  seen({ start, end }: Shown, round: number, survival: Survival): string[] {
    const problems: string[] = [];
    const say = (what: string): unknown => problems.push(`${this.name}: ${what}`);
    const due = Math.max(this.seenEnd, this.#acknowledgedEnd[survival]);
    if (end < due) say(`LOST ${due - end}: ends at ${end}, due are records up to ${due}`);
    if (end > this.#submittedEnd) say(`ends at ${end}, submitted were records up to ${this.#submittedEnd}`);
    if (start < this.#startMin) say(`deleted records are back: starts at ${start}, not ${this.#startMin}`);
    if (start > this.#startMax) say(`starts at ${start}, deleted were records before ${this.#startMax}`);
    if (end > this.seenEnd) this.#rounds.push({ from: this.seenEnd, round });
    this.seenEnd = this.#submittedEnd = end;
    this.#acknowledgedEnd.os = this.#acknowledgedEnd.disk = end;
    this.start = this.#startMin = this.#startMax = start;
    return problems;
  }

  /** The same for a partition of a log that is open, with every record read. */
  async check(partition: Partition, round: number, survival: Survival): Promise<string[]> {
    const { logStartOffset, highWatermark, logEndOffset } = await partition.describe();
    const shown = { start: logStartOffset, end: highWatermark };
    const problems = this.seen(shown, round, survival);
    if (highWatermark !== logEndOffset)
      problems.push(`${this.name}: the end is ${logEndOffset}, but readers see ${highWatermark}`);
    let next = logStartOffset;
    for await (const record of partition.read()) next = this.#compare(record, next, problems);
    if (next !== highWatermark)
      problems.push(`${this.name}: reading ends at ${next}, the log at ${highWatermark}`);
    return problems;
  }

  /** What a log that goes on being read must show: all that was acknowledged, and nothing else than was submitted. */
  async checkReadable(partition: Partition, round: number): Promise<string[]> {
    const problems: string[] = [];
    let next = (await partition.describe()).logStartOffset;
    for await (const record of partition.read()) {
      const by = record.offset < this.seenEnd ? this.#roundOf(record.offset) : round;
      next = this.#compare(record, next, problems, by);
    }
    if (next < Math.max(this.seenEnd, this.#acknowledgedEnd.disk) || next > this.#submittedEnd)
      problems.push(`${this.name}: can be read up to ${next} only`);
    return problems;
  }

  /** Compares with records that another reader has found; its files may begin earlier. */
  compareAll(records: readonly Found[]): string[] {
    const problems: string[] = [];
    let next = this.start;
    for (const record of records)
      if (record.offset >= this.start) next = this.#compare(record, next, problems);
    if (next !== this.seenEnd)
      problems.push(`${this.name}: the files end at ${next}, the log at ${this.seenEnd}`);
    return problems;
  }

  /** Whether the record that this round has put there is there, as was seen last. */
  has(offset: number, round: number): boolean {
    return offset < this.seenEnd && this.#roundOf(offset) === round;
  }

  /** The record in its place, once, with its bytes; answers which offset is to follow. */
  #compare(
    record: Found,
    next: number,
    problems: string[],
    round: number = this.#roundOf(record.offset),
  ): number {
    const { offset } = record;
    if (problems.length > problemsMax) return offset + 1;
    if (offset !== next) problems.push(`${this.name}: offset ${next} is missing, ${offset} follows`);
    const difference = differenceOf(record, this.place, round);
    if (difference !== undefined) problems.push(`${this.name}: the record at ${offset} ${difference}`);
    return offset + 1;
  }

  #roundOf(offset: number): number {
    return this.#rounds.findLast(({ from }) => from <= offset)?.round ?? -1;
  }
}
