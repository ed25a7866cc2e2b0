// A consumer of a named group: reads the partitions that it has, remembers what has been dealt with, commits it. At
// least once: what was given out and not committed is given out again, to whoever has the partition then.
import { LogError } from "../errors.js";
import type { LogRecord } from "../record/index.js";
import { Cursor } from "./cursor.js";
import type { Group, Member } from "./group.js";
import { type GroupLag, lagOf } from "./lag.js";
import type { Handler } from "./lane.js";
import { Processing, type ProcessOptions } from "./processing.js";
import { type Position, type ReadSource, resolvePosition } from "./reading.js";
import type { Progress, ProgressSource } from "./transaction.js";

export interface ConsumerOptions {
  /** Where a group begins that is new to the topic. Default "earliest". */
  readonly from?: Position;
  /**
   * "auto" (default): a record counts as dealt with when the next one is asked for; commits go out every second, before
   * waiting, and at the end. "explicit": only {@link Consumer.commit} commits.
   */
  readonly commit?: "auto" | "explicit";
  /** Wait for what will be appended. Default true. */
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
}

/** What a topic lends to its consumers. */
export interface ConsumerHost {
  readonly topic: string;
  readonly group: Group;
  /** Settles after so many milliseconds, or when the signal says so. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  readonly sources: () => readonly ReadSource[];
  readonly nowMs: () => number;
  readonly elapsedMs: () => number;
  /** Settles when partitions were added. */
  growth(signal: AbortSignal): Promise<void>;
  committed(): void;
  closed(consumer: Consumer): void;
}

const commitEveryMs = 1000;

export class Consumer implements AsyncIterableIterator<LogRecord>, ProgressSource<LogRecord> {
  readonly #host: ConsumerHost;
  readonly #options: ConsumerOptions;
  readonly #member: Member = {};
  readonly #cursors = new Map<number, Cursor>();
  readonly #paused = new Set<number>();
  /** Ends with the consumer; whoever waits then stops. */
  readonly #end = new AbortController();
  /** Settles waits when something was changed from outside: seek, resume. */
  #wake = new AbortController();
  #current: Cursor | undefined;
  #given: LogRecord | undefined;
  #joined: Promise<void> | undefined;
  #committedMs: number;
  #committing: Promise<void> | undefined;
  #failure: unknown;
  /** The group's generation that its partitions are of. */
  #generation = -1;
  #beforeRelease: ((partitions: readonly number[]) => Promise<void>) | undefined;

  /** Use {@link Topic.consumer}. */
  constructor(host: ConsumerHost, options: ConsumerOptions) {
    this.#host = host;
    this.#options = options;
    this.#committedMs = host.elapsedMs();
  }

  /** The group's name. */
  get group(): string {
    return this.#host.group.name;
  }
  /** The partitions that it has at the moment. */
  get partitions(): number[] {
    return [...this.#cursors.keys()];
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The next record of any of its partitions; each partition's come in order. */
  async next(): Promise<IteratorResult<LogRecord, undefined>> {
    this.#dealWith();
    const ready = this.#current?.takeReady();
    if (ready !== undefined && !this.#isDue()) return this.#give(ready);
    if (ready !== undefined) this.#current?.putBack();
    try {
      return await this.#find();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** Leaving a loop closes the consumer. What it had in hand then has not been dealt with. */
  async return(): Promise<IteratorResult<LogRecord, undefined>> {
    this.#given = undefined;
    await this.close();
    return { done: true, value: undefined };
  }

  /**
   * Commits, durably, all that was given out, or all up to and including a record in that record's partition.
   * Rejects with JOURNAL_FAILED, READ_ONLY, CLOSED.
   */
  async commit(upTo?: LogRecord): Promise<void> {
    this.#failIfFailed();
    const offsets = this.#offsets(upTo);
    await this.#commit(offsets);
    this.#noteCommitted(offsets);
  }

  /** For {@link Transaction.commit}. */
  progress(upTo?: LogRecord): Progress {
    const offsets = this.#offsets(upTo);
    const { group } = this.#host;
    return { puts: group.puts(offsets), committed: () => this.#adopt(offsets) };
  }

  /** Goes on from another place in one of its partitions. It is not committed until something from there is. */
  async seek(partition: number, position: Position): Promise<void> {
    await this.#join();
    const cursor = this.#cursors.get(partition);
    if (cursor === undefined) {
      const message = `the consumer of "${this.group}" does not have partition ${partition}, but ${this.partitions.join(", ") || "none"}`;
      throw new LogError("PARTITION_NOT_FOUND", message, { details: { partition } });
    }
    cursor.seek(await resolvePosition(cursor.source, position));
    if (this.#given?.partition === partition) this.#given = undefined;
    this.#stir();
  }

  /** Gives out nothing more of these partitions, or of all, until {@link resume}. They stay its own. */
  pause(partitions: readonly number[] = this.#host.sources().map(({ partition }) => partition)): void {
    for (const partition of partitions) this.#paused.add(partition);
    if (this.#current !== undefined && this.#paused.has(this.#current.source.partition)) {
      this.#current = undefined;
    }
  }

  resume(partitions: readonly number[] = [...this.#paused]): void {
    for (const partition of partitions) this.#paused.delete(partition);
    this.#stir();
  }

  /** How far the group is behind, in all partitions of the topic. */
  async lag(): Promise<GroupLag> {
    await this.#join();
    const { group, sources, nowMs } = this.#host;
    return lagOf(sources(), (partition) => group.committed(partition), nowMs());
  }

  /**
   * Hands the records to `handler` in lanes, by hash of the key: those of one key in order and in batches, at least
   * once. Ends with the topic's end (or never with `follow`), when the signal says so, or when a lane stops.
   * Rejects with HANDLER_FAILED if a handler went on failing and there is no dead-letter topic.
   */
  process(options: ProcessOptions, handler: Handler): Promise<void> {
    const processing = new Processing(options, handler, {
      next: async () => (await this.next()).value,
      commit: (offsets) => this.#commit(offsets),
      topic: this.#host.topic,
      sleep: (ms) => this.#host.sleep(ms, this.#end.signal),
      close: () => this.close(),
    });
    this.#beforeRelease = (partitions) => processing.drain(partitions);
    return processing.run();
  }

  /** Leaves the group; commits what was dealt with, unless commits are explicit. */
  async close(): Promise<void> {
    if (this.#end.signal.aborted) return;
    this.#end.abort(new LogError("CLOSED", "the consumer is closed"));
    try {
      await this.#committing;
      if (this.#isAuto) await this.#commit(this.#dealtWith());
    } finally {
      this.#host.group.leave(this.#member);
      this.#host.closed(this);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #isAuto(): boolean {
    return this.#options.commit !== "explicit" && this.#beforeRelease === undefined;
  }

  /** Whether something else has to be looked at before the next record. */
  #isDue(): boolean {
    if (this.#end.signal.aborted || this.#options.signal?.aborted === true) return true;
    const isCommitDue = this.#isAuto && this.#host.elapsedMs() - this.#committedMs >= commitEveryMs;
    return isCommitDue || this.#failure !== undefined || this.#host.group.generation !== this.#generation;
  }

  #give(record: LogRecord): IteratorResult<LogRecord, undefined> {
    this.#given = record;
    this.#current?.given(record);
    return { done: false, value: record };
  }

  /** The record given last has been dealt with, or why would anybody ask for the next one? */
  #dealWith(): void {
    if (this.#given !== undefined)
      this.#cursors.get(this.#given.partition)?.dealtWith(this.#given.offset + 1);
    this.#given = undefined;
  }

  async #find(): Promise<IteratorResult<LogRecord, undefined>> {
    await this.#join();
    for (;;) {
      this.#options.signal?.throwIfAborted();
      if (this.#end.signal.aborted) return { done: true, value: undefined };
      this.#failIfFailed();
      await this.#settleOwnership();
      if (this.#isAuto && this.#host.elapsedMs() - this.#committedMs >= commitEveryMs) this.#commitBeside();
      const record = await this.#read();
      if (record !== undefined) return this.#give(record);
      if (this.#isAuto) await this.#commit(this.#dealtWith());
      if (this.#options.follow === false) {
        await this.close();
        return { done: true, value: undefined };
      }
      await this.#wait();
    }
  }

  async #join(): Promise<void> {
    this.#joined ??= (async () => {
      const { group, sources } = this.#host;
      this.#refuseReadOnly();
      await this.#know();
      if (!this.#end.signal.aborted) group.join(this.#member);
      if (sources().length > 0) await this.#settleOwnership();
    })();
    await this.#joined;
  }

  async #know(): Promise<void> {
    const { group, sources } = this.#host;
    const isNew = this.#joined === undefined || this.#cursors.size === 0;
    const from = isNew ? (this.#options.from ?? "earliest") : "earliest";
    await group.know(sources().length, (partition) =>
      resolvePosition(sources()[partition] as ReadSource, from),
    );
  }

  #refuseReadOnly(): void {
    if (this.#host.sources()[0]?.storage.manifest.readOnly !== true) return;
    throw new LogError("READ_ONLY", "the log was opened read-only: a consumer cannot commit there");
  }

  /** Lets go of what others should have, takes what is meant for it. */
  async #settleOwnership(): Promise<void> {
    const { group, sources } = this.#host;
    this.#generation = group.generation;
    const surplus = group.surplus(this.#member);
    if (surplus.length > 0) await this.#beforeRelease?.(surplus);
    if (surplus.length > 0 && this.#isAuto) await this.#commit(this.#dealtWith());
    for (const partition of surplus) {
      if (this.#current === this.#cursors.get(partition)) this.#current = undefined;
      this.#cursors.delete(partition);
      group.release(partition);
    }
    for (const partition of group.take(this.#member)) {
      if (this.#cursors.has(partition)) continue;
      this.#cursors.set(
        partition,
        new Cursor(sources()[partition] as ReadSource, group.committed(partition)),
      );
    }
  }

  /** A record of the partition whose turn it is. */
  async #read(): Promise<LogRecord | undefined> {
    const cursors = [...this.#cursors.values()];
    const turn = this.#current === undefined ? 0 : cursors.indexOf(this.#current);
    for (let index = 0; index < cursors.length; index++) {
      const cursor = cursors[(turn + index) % cursors.length] as Cursor;
      if (this.#paused.has(cursor.source.partition)) continue;
      const record = cursor.takeReady() ?? (await cursor.read());
      // Paused or taken away meanwhile.
      if (record === undefined) continue;
      if (
        this.#cursors.get(cursor.source.partition) !== cursor ||
        this.#paused.has(cursor.source.partition)
      ) {
        cursor.putBack();
        continue;
      }
      this.#current = cursor;
      return record;
    }
    return undefined;
  }

  async #wait(): Promise<void> {
    const done = new AbortController();
    const signals = [done.signal, this.#end.signal, this.#wake.signal];
    if (this.#options.signal !== undefined) signals.push(this.#options.signal);
    const signal = AbortSignal.any(signals);
    const { group, sources } = this.#host;
    const grown = this.#host.growth(signal).then(() => this.#know());
    const waits = [group.change(signal), grown];
    for (const cursor of this.#cursors.values()) {
      if (!this.#paused.has(cursor.source.partition)) waits.push(cursor.wait(signal));
    }
    for (const wait of waits) wait.catch(() => undefined);
    try {
      await Promise.race(waits);
      for (const source of sources()) source.check();
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      if (!signal.aborted) throw error;
    } finally {
      done.abort();
    }
  }

  #stir(): void {
    const before = this.#wake;
    this.#wake = new AbortController();
    before.abort();
  }

  /** Of each partition what comes after the last record that was given out, or after `upTo`. */
  #offsets(upTo?: LogRecord): Map<number, number> {
    const offsets = new Map<number, number>();
    if (upTo !== undefined) offsets.set(upTo.partition, upTo.offset + 1);
    else for (const [partition, cursor] of this.#cursors) offsets.set(partition, cursor.givenUpTo);
    return offsets;
  }

  #dealtWith(): Map<number, number> {
    const offsets = new Map<number, number>();
    for (const [partition, { dealtWithUpTo }] of this.#cursors)
      if (dealtWithUpTo !== undefined) offsets.set(partition, dealtWithUpTo);
    return offsets;
  }

  async #commit(offsets: ReadonlyMap<number, number>): Promise<void> {
    this.#committedMs = this.#host.elapsedMs();
    const { group } = this.#host;
    const changed = new Map(
      [...offsets].filter(([partition, offset]) => group.committed(partition) !== offset),
    );
    if (changed.size === 0) return;
    await group.commit(changed);
    this.#host.committed();
  }

  #adopt(offsets: ReadonlyMap<number, number>): void {
    this.#host.group.adopt(offsets);
    this.#noteCommitted(offsets);
    this.#host.committed();
  }

  /** What the caller has committed counts as dealt with, so that no automatic commit goes back behind it. */
  #noteCommitted(offsets: ReadonlyMap<number, number>): void {
    for (const [partition, offset] of offsets) this.#cursors.get(partition)?.dealtWith(offset);
  }

  /** Reading goes on meanwhile. */
  #commitBeside(): void {
    this.#committing ??= this.#commit(this.#dealtWith())
      .catch((error: unknown) => {
        this.#failure = error;
      })
      .finally(() => {
        this.#committing = undefined;
      });
  }

  #failIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}
