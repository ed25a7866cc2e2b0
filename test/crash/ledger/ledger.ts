// The oracle: keeps, outside the engine, what a process has told of its log (words.ts), and compares it with what a
// log shows after the process, or the power, has gone. What it finds wrong is in `problems`, one sentence each.
import type { Log } from "@strandlog/log";
import type { Found } from "../content.js";
import { PartitionLedger, type Survival } from "./partition-ledger.js";
import type { Word } from "./words.js";

interface TopicLedger {
  readonly partitions: readonly PartitionLedger[];
  /** Whether the log may have it, and whether it must. */
  may: boolean;
  must: boolean;
}

/** Records of one transaction: all of them or none. */
interface Group {
  readonly round: number;
  readonly records: readonly { readonly partition: PartitionLedger; readonly offset: number }[];
}

/** What a disk that fails may make of a call. Anything else is a promise broken: damage that nobody did, for one. */
const codesAllowed: ReadonlySet<string> = new Set([
  "BACKPRESSURE",
  "CLOSED",
  "DISK_FULL",
  "IO",
  "JOURNAL_FAILED",
]);

export class Ledger {
  readonly problems: string[] = [];
  /** Codes with which steps were refused. */
  readonly refusals: string[] = [];
  acknowledgedCount = 0;
  hasEnded = false;
  stuckAt: string | undefined;
  readonly #topics = new Map<string, TopicLedger>();
  #groups: Group[] = [];
  #round = 0;
  #nextRound = 0;
  #hasFailed = false;

  take(line: string): void {
    const [word, ...args] = line.split(" ") as [Word, ...string[]];
    const [name = "", partition, offset] = args;
    if (word === "opening") {
      this.#nextRound = Number(name);
      this.#hasFailed = false;
    } else if (word === "topics") this.#checkNames(args);
    else if (word === "end") this.#end(args);
    else if (word === "loading") this.#begin();
    else if (word === "make") this.#make(name, Number(partition), Number(offset));
    else if (word === "made") this.#topic(name).must = true;
    else if (word === "drop") this.#topic(name).must = false;
    else if (word === "dropped") this.#topic(name).may = false;
    else if (word === "submit") this.#partition(name, partition).submitted(Number(offset));
    else if (word === "ack") this.#acknowledge(args);
    else if (word === "group") this.#groups.push({ round: this.#round, records: this.#records(args) });
    else if (word === "delete" || word === "deleted")
      this.#partition(name, partition).deletion(Number(offset), word === "deleted");
    else if (word === "closed") for (const one of this.#partitions()) one.closed();
    else this.#takeEnding(word, args);
  }

  /** Compares all of the log with what must be there, and takes over what is there. */
  async check(log: Log, survival: Survival): Promise<void> {
    this.#checkNames(await log.topics());
    for (const { may, partitions } of this.#topics.values()) {
      if (!may) continue;
      for (const partition of partitions) {
        const found = (await log.existingTopic(partition.place.topic)).partition(partition.place.partition);
        this.problems.push(...(await partition.check(found, this.#round, survival)));
      }
    }
    this.#checkGroups();
  }

  /** Whether a log that takes nothing more still shows what it has acknowledged. */
  async checkReadable(log: Log): Promise<void> {
    for (const { must, partitions } of this.#topics.values())
      for (const partition of must ? partitions : []) {
        const found = (await log.existingTopic(partition.place.topic)).partition(partition.place.partition);
        this.problems.push(...(await partition.checkReadable(found, this.#round)));
      }
  }

  /** Compares what has been seen with what another reader finds in the files of partitions, if there are any. */
  compareFiles(read: (name: string) => readonly Found[] | undefined): void {
    for (const { may, partitions } of this.#topics.values())
      for (const partition of partitions) {
        const records = read(partition.name);
        if (may) this.problems.push(...partition.compareAll(records ?? []));
        else if (records !== undefined)
          this.problems.push(`${partition.name}: files of a deleted topic are left`);
      }
  }

  /** Whether the partition of this name holds no record. */
  isEmpty(name: string): boolean {
    return this.#partitions().some((one) => one.name === name && one.start === one.seenEnd);
  }

  #takeEnding(word: Word, args: readonly string[]): void {
    if (word === "ended") this.hasEnded = true;
    else if (word === "stuck") this.stuckAt = args.join(" ");
    else if (word === "fault") this.problems.push(args.join(" "));
    else if (word === "refused") {
      const [code = "", ...step] = args;
      this.refusals.push(code);
      if (code === "JOURNAL_FAILED") this.#hasFailed = true;
      if (!codesAllowed.has(code)) this.problems.push(`${step.join(" ")}: refused with ${code}`);
    } else this.problems.push(`said "${word} ${args.join(" ")}"`);
  }

  #acknowledge([topic = "", partition, offset, level = ""]: readonly string[]): void {
    const one = this.#partition(topic, partition);
    this.acknowledgedCount++;
    if (this.#hasFailed && level !== "memory")
      this.problems.push(`${one.name}: ${offset} was acknowledged after the journal had failed`);
    one.acknowledged(Number(offset), level);
  }

  /** The process has opened the log itself: within one system's life nothing is lost that was written. */
  #end([topic = "", partition, start, end]: readonly string[]): void {
    const shown = { start: Number(start), end: Number(end) };
    const found = this.#partition(topic, partition).seen(shown, this.#round, "os");
    this.problems.push(...found.map((problem) => `opened again, ${problem}`));
  }

  #begin(): void {
    this.#checkGroups();
    this.#round = this.#nextRound;
  }

  #make(name: string, generation: number, count: number): void {
    const partitions = Array.from(
      { length: count },
      (_, partition) => new PartitionLedger({ topic: name, partition, generation }),
    );
    this.#topics.set(name, { partitions, may: true, must: false });
  }

  #checkNames(names: readonly string[]): void {
    for (const [name, topic] of this.#topics) {
      const isThere = names.includes(name);
      if (isThere && !topic.may) this.problems.push(`the deleted topic ${name} is back`);
      if (!isThere && topic.must) this.problems.push(`LOST the topic ${name}`);
      topic.may = topic.must = isThere;
    }
    for (const name of names)
      if (!this.#topics.has(name)) this.problems.push(`there is a topic ${name} that nobody has made`);
  }

  #checkGroups(): void {
    for (const { round, records } of this.#groups) {
      const there = records.filter(({ partition, offset }) => partition.has(offset, round)).length;
      if (there !== 0 && there !== records.length)
        this.problems.push(`of ${records.length} records of a transaction there are ${there}`);
    }
    this.#groups = [];
  }

  #records(args: readonly string[]): Group["records"] {
    return args.map((arg) => {
      const [topic = "", partition, offset] = arg.split(":");
      return { partition: this.#partition(topic, partition), offset: Number(offset) };
    });
  }

  #partitions(): PartitionLedger[] {
    return [...this.#topics.values()].flatMap(({ partitions }) => partitions);
  }

  #topic(name: string): TopicLedger {
    const topic = this.#topics.get(name);
    if (topic === undefined) throw new Error(`the ledger knows no topic "${name}"`);
    return topic;
  }

  #partition(topic: string, partition: string | undefined): PartitionLedger {
    const found = this.#topic(topic).partitions[Number(partition)];
    if (found === undefined) throw new Error(`the ledger knows no ${topic}-${partition}`);
    return found;
  }
}
