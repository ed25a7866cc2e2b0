// A consumer of a named group: reads the partitions that it has, remembers what has been dealt with, commits it. At
// least once: what was given out and not committed is given out again, to whoever has the partition then.
import { setMaxListeners } from "node:events";
import { LogError } from "../errors.js";
import { checkInteger } from "../options.js";
import type { LogRecord } from "../record/index.js";
import { type ConsumerHost, type ConsumerOptions, notItsOwn, type Place } from "./consumer-options.js";
import { Cursor } from "./cursor.js";
import type { Member } from "./group.js";
import { type GroupLag, lagOf } from "./lag.js";
import type { Handler } from "./lane.js";
import { Processing, type ProcessOptions } from "./processing.js";
import type { ReadSource } from "./read-source.js";
import { type Position, resolvePosition } from "./reading.js";
import type { Progress, ProgressSource } from "./transaction.js";

const commitEveryMs = 1000;

export class Consumer implements AsyncIterableIterator<LogRecord>, ProgressSource<Place> {
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
  #processing: Processing | undefined;
  /** One look for the next record at a time. */
  #finding: Promise<unknown> | undefined;
  #closed: Promise<void> | undefined;

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
  next(): Promise<IteratorResult<LogRecord, undefined>> {
    const again = (): Promise<IteratorResult<LogRecord, undefined>> => this.next();
    if (this.#finding !== undefined) return this.#finding.then(again, again);
    this.#dealWith();
    const ready = this.#isDue() ? undefined : this.#current?.takeReady();
    if (ready !== undefined) return Promise.resolve(this.#give(ready));
    const finding = this.#findOrClose().finally(() => {
      this.#finding = undefined;
    });
    this.#finding = finding;
    return finding;
  }

  /**
   * Leaving a loop closes the consumer, and what it had in hand then has not been dealt with. Where commits are explicit
   * it stays open for them, until it is closed.
   */
  async return(): Promise<IteratorResult<LogRecord, undefined>> {
    if (this.#isAuto) {
      this.#given = undefined;
      await this.close();
    }
    return { done: true, value: undefined };
  }

  /**
   * Commits, durably, all that was given out, or all up to and including a record, or an offset of a partition.
   * Rejects with JOURNAL_FAILED, READ_ONLY, CLOSED, and PARTITION_NOT_FOUND for a partition that it does not have.
   */
  async commit(upTo?: Place): Promise<void> {
    this.#failIfFailed();
    const offsets = this.#offsets(upTo);
    await this.#commit(offsets);
    this.#noteCommitted(offsets);
  }

  /** For {@link Transaction.commit}. */
  progress(upTo?: Place): Progress {
    const offsets = this.#offsets(upTo);
    const { group } = this.#host;
    return { storage: group.storage, puts: group.puts(offsets), committed: () => this.#adopt(offsets) };
  }

  /** Goes on from another place in one of its partitions. It is not committed until something from there is. */
  async seek(partition: number, position: Position): Promise<void> {
    await this.#join();
    const cursor = this.#cursors.get(partition);
    if (cursor === undefined) throw notItsOwn(this, partition);
    cursor.seek(await resolvePosition(cursor.source, position, this.#options.isolation));
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
    const { offsets, sources, nowMs } = this.#host;
    const committed = await offsets();
    const placeIn = (partition: number): number => committed?.get(partition)?.offset ?? 0;
    return lagOf(sources(), placeIn, nowMs(), this.#options.isolation);
  }

  /**
   * Hands the records to `handler` in lanes, by hash of the key: those of one key in order and in batches, at least
   * once. Ends with the topic's end (or never with `follow`), when the signal says so, or when a lane stops.
   * Rejects with HANDLER_FAILED if a handler went on failing and there is no dead-letter topic.
   */
  async process(options: ProcessOptions, handler: Handler): Promise<void> {
    if (this.#processing !== undefined) {
      throw new LogError("INVALID_ARGUMENT", "the consumer processes already: make another one");
    }
    this.#processing = new Processing(options, handler, {
      topic: this.#host.topic,
      signal: this.#end.signal,
      next: async () => (await this.next()).value,
      commit: (offsets) => this.#commit(offsets),
      sleep: (ms) => this.#host.sleep(ms, this.#end.signal),
      interrupt: () => this.#interrupt(),
    });
    try {
      await this.#processing.run();
    } finally {
      await this.close();
    }
  }

  /**
   * Leaves the group; commits what was dealt with, unless commits are explicit. Handlers that run are waited for: they
   * are told by their signal.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#interrupt();
    try {
      await this.#processing?.settle();
      await this.#committing;
      if (this.#isAuto) await this.#commit(this.#dealtWith());
    } finally {
      this.#cursors.clear();
      this.#host.group.leave(this.#member);
      this.#host.closed();
    }
  }

  /** No more records are given out. */
  #interrupt(): void {
    this.#end.abort(new LogError("CLOSED", "the consumer is closed"));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #isAuto(): boolean {
    return this.#options.commit !== "explicit" && this.#processing === undefined;
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

  async #findOrClose(): Promise<IteratorResult<LogRecord, undefined>> {
    try {
      return await this.#find();
    } catch (error) {
      // What went wrong first is what counts.
      if (this.#processing === undefined) await this.close().catch(() => undefined);
      throw error;
    }
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
      if (this.#end.signal.aborted) return { done: true, value: undefined };
      if (record !== undefined) return this.#give(record);
      if (this.#isAuto) await this.#commit(this.#dealtWith());
      else this.#processing?.passed(this.#dealtWith());
      if (this.#options.follow === false) {
        if (this.#isAuto) await this.close();
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

  /** A group begins where it was told to; in partitions that are added later it begins at their beginning. */
  async #know(): Promise<void> {
    const { group, sources } = this.#host;
    const from = group.partitionCount === 0 ? (this.#options.from ?? "earliest") : "earliest";
    await group.know(sources().length, (partition) =>
      resolvePosition(sources()[partition] as ReadSource, from, this.#options.isolation),
    );
  }

  #refuseReadOnly(): void {
    if (this.#host.sources()[0]?.storage.manifest.readOnly !== true) return;
    throw new LogError("READ_ONLY", "the log was opened read-only: a consumer cannot commit there");
  }

  /** Lets go of what others should have, takes what is meant for it. */
  async #settleOwnership(): Promise<void> {
    const { group, sources } = this.#host;
    if (sources().length > group.partitionCount) await this.#know();
    this.#generation = group.generation;
    const surplus = group.surplus(this.#member);
    if (surplus.length > 0) await this.#processing?.drain(surplus);
    if (surplus.length > 0 && this.#isAuto) await this.#commit(this.#dealtWith());
    for (const partition of surplus) {
      if (!group.owns(this.#member, partition)) continue; // Closed meanwhile.
      if (this.#current === this.#cursors.get(partition)) this.#current = undefined;
      this.#cursors.delete(partition);
      group.release(partition);
    }
    for (const partition of group.take(this.#member)) {
      if (this.#cursors.has(partition)) continue;
      const source = sources()[partition] as ReadSource;
      this.#cursors.set(partition, new Cursor(source, group.committed(partition), this.#options.isolation));
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
    setMaxListeners(0, signal);
    const { group, sources, growth } = this.#host;
    const waits = [group.change(this.#generation, signal), growth(group.partitionCount, signal)];
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
  #offsets(upTo?: Place): Map<number, number> {
    if (this.#closed !== undefined) throw new LogError("CLOSED", "the consumer is closed");
    const offsets = new Map<number, number>();
    if (upTo !== undefined) {
      if (!this.#cursors.has(upTo.partition)) throw notItsOwn(this, upTo.partition);
      offsets.set(upTo.partition, checkInteger("offset", upTo.offset, 0) + 1);
    } else for (const [partition, cursor] of this.#cursors) offsets.set(partition, cursor.givenUpTo);
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
    const isNews = ([partition, offset]: readonly [number, number]): boolean =>
      group.owns(this.#member, partition) && group.committed(partition) !== offset;
    const changed = new Map([...offsets].filter(isNews));
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
