// Looks at a damaged log in every way that its users have, and compares each answer with what was there before the
// damage: an answer is right, or an error that says where the damage is, or a promise is broken.
import { type Log, LogError, type Partition } from "@strandlog/log";
import { type Contents, firstSince, type PartitionContents, textOf } from "./contents.js";

export interface Seen {
  /** What was answered with an error. */
  readonly errors: LogError[];
  /** What was answered wrong. */
  readonly wrong: string[];
}

/** What is looked at. */
export interface Glance {
  /** The partition that is looked at record by record, too. */
  readonly focus: string | undefined;
  /** Look at these only; undefined: at all. */
  readonly concerned: readonly string[] | undefined;
  /** Ask for every so manieth record of it, from this one on. */
  readonly step: number;
  readonly first: number;
}

export async function lookThrough(log: Log, expected: Contents, glance: Glance): Promise<Seen> {
  const seen: Seen = { errors: [], wrong: [] };
  const names = await log.topics();
  if (names.join() !== [...expected.topics.keys()].join()) seen.wrong.push(`the topics are ${names.join()}`);
  for (const name of names) {
    const topic = await log.existingTopic(name);
    if (expected.topics.get(name) !== `${topic.topicId} ${JSON.stringify(topic.config)}`) {
      seen.wrong.push(`the topic ${name} has other settings`);
      continue;
    }
    for (let number = 0; number < topic.partitionCount; number++) {
      const isFocus = `${name}-${number}` === glance.focus;
      if (glance.concerned?.includes(`${name}-${number}`) === false) continue;
      const wanted = expected.partitions.get(`${name}-${number}`) as PartitionContents;
      const look = new Look(topic.partition(number), `${name}-${number}`, wanted, seen);
      if (isFocus) await look.records(glance);
      await look.inOrder();
    }
    await attempt(seen, async () => {
      for (const { group, partitions } of await topic.groups()) {
        for (const { partition, committed } of partitions) {
          if (expected.committed.get(`${name} ${group} ${partition}`) !== committed)
            seen.wrong.push(`group ${group} has committed ${committed} of ${name}-${partition}`);
        }
      }
    });
  }
  return seen;
}

class Look {
  readonly #partition: Partition;
  readonly #name: string;
  readonly #wanted: PartitionContents;
  readonly #seen: Seen;

  constructor(partition: Partition, name: string, wanted: PartitionContents, seen: Seen) {
    this.#partition = partition;
    this.#name = name;
    this.#wanted = wanted;
    this.#seen = seen;
  }

  /** Before anything is known of where the records lie; and backwards, so that no answer helps the next. */
  async records({ step, first }: Glance): Promise<void> {
    const isChosen = (_: number, index: number): boolean => index % step === first % step;
    const offsets = [...this.#wanted.records.keys()].reverse();
    for (const offset of offsets.filter(isChosen)) await this.#one(offset);
    for (const offset of this.#gaps().filter(isChosen)) await this.#gap(offset);
    for (const timestamp of this.#times().filter(isChosen)) await this.#since(timestamp);
  }

  async inOrder(): Promise<void> {
    const { start, end, records } = this.#wanted;
    const left = records.keys();
    const isRead = await attempt(this.#seen, async () => {
      const { logStartOffset, highWatermark } = await this.#partition.describe();
      if (logStartOffset !== start || highWatermark !== end)
        this.#wrong(`it goes from ${logStartOffset} to ${highWatermark}, not from ${start} to ${end}`);
      for await (const record of this.#partition.read()) {
        const { value: offset } = left.next();
        if (record.offset !== offset)
          return this.#wrong(`${record.offset} was read where ${offset} should be`);
        if (records.get(offset) !== textOf(record)) this.#wrong(`record ${offset} is another one`);
      }
      return true;
    });
    const missing = left.next().value;
    if (isRead === true && missing !== undefined) this.#wrong(`reading ended before ${missing}`);
  }

  async #one(offset: number): Promise<void> {
    await attempt(this.#seen, async () => {
      const found = await this.#partition.get(offset);
      if (found.record === undefined)
        this.#wrong(`record ${offset} is said not to exist, next is ${found.next}`);
      else if (textOf(found.record) !== this.#wanted.records.get(offset))
        this.#wrong(`record ${offset} is another one when it is asked for`);
    });
  }

  async #gap(offset: number): Promise<void> {
    await attempt(this.#seen, async () => {
      const found = await this.#partition.get(offset);
      const next = [...this.#wanted.records.keys()].find((other) => other > offset) ?? this.#wanted.end;
      if (found.record !== undefined) this.#wrong(`there is a record ${offset} where there was none`);
      else if (found.next !== next)
        this.#wrong(`after the gap at ${offset} comes ${found.next}, not ${next}`);
    });
  }

  async #since(timestamp: number): Promise<void> {
    await attempt(this.#seen, async () => {
      const found = await this.#partition.offsetOf(new Date(timestamp));
      const right = firstSince(this.#wanted, timestamp) ?? this.#wanted.end;
      if (found !== right) this.#wrong(`the first since ${timestamp} is said to be ${found}, not ${right}`);
    });
  }

  #times(): number[] {
    const all = [...this.#wanted.timestamps.values()];
    return all.filter((_, index) => index % 5 === 0).map((time) => time - 1);
  }

  /** The first and the last offset of each gap. */
  #gaps(): number[] {
    const gaps: number[] = [];
    let expected = this.#wanted.start;
    for (const offset of this.#wanted.records.keys()) {
      if (offset > expected) gaps.push(expected, offset - 1);
      expected = offset + 1;
    }
    return gaps;
  }

  #wrong(what: string): void {
    this.#seen.wrong.push(`${this.#name}: ${what}`);
  }
}

/** Keeps the error of an action; one that does not say where the damage is breaks a promise. */
export async function attempt<T>(seen: Seen, action: () => Promise<T>): Promise<T | undefined> {
  try {
    return await action();
  } catch (error) {
    const vague = vagueness(error);
    if (vague === undefined) seen.errors.push(error as LogError);
    else seen.wrong.push(vague);
    return undefined;
  }
}

/** What an error lacks, if it lacks anything. */
function vagueness(error: unknown): string | undefined {
  if (!(error instanceof LogError)) return `an untyped error: ${(error as Error)?.stack}`;
  const { code, details, message } = error;
  const isDamage = code.startsWith("CORRUPT_") || code === "UNSUPPORTED_VERSION" || code === "IO";
  if (!isDamage) return `an error with the code ${code}: ${error.stack}`;
  if (typeof details["path"] !== "string") return `an error that names no file: ${code} ${message}`;
  const isWhole = code === "CORRUPT_CHECKPOINT" || code === "UNSUPPORTED_VERSION" || code === "IO";
  if (!isWhole && typeof details["position"] !== "number") return `an error without a position: ${message}`;
  return undefined;
}
