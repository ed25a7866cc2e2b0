// Pull-based reading: batches first, records on top of them. While the caller works on one chunk the next is on its
// way. A reader holds two chunks at most, and no file.
import { LogError } from "../errors.js";
import { refuseUnknown } from "../options.js";
import { batchLengthAt, type LogRecord, RecordBatch, type RecordCursor } from "../record/index.js";
import {
  endOffset,
  type IsolatedRead,
  type Isolation,
  type ReadSource,
  read,
  readsCommitted,
  watch,
} from "./read-source.js";

/** An offset, either end of what there is, or the first record at or after a time. */
export type Position = number | "earliest" | "latest" | Date;

export interface ReadOptions {
  /** Default "earliest". */
  readonly from?: Position;
  /** Where to stop, exclusive; default: the end as it is when reading begins, or never when following. */
  readonly until?: Position;
  /** Wait for what will be appended. Default false. */
  readonly follow?: boolean;
  /**
   * Default "read_uncommitted": all that is visible. "read_committed": of Kafka's transactions only what has been
   * committed, and nothing beyond the first that is still open: that is where the end is, and where following waits.
   */
  readonly isolation?: Isolation;
  readonly signal?: AbortSignal;
  /** Told when offsets that were asked for do not exist: deleted, or a gap. Reading goes on at `next`. */
  readonly onSkip?: (skip: { partition: number; from: number; next: number }) => void;
}

const chunkBytes = 1024 * 1024;

const optionNames: ReadonlySet<string> = new Set([
  "from",
  "until",
  "follow",
  "isolation",
  "signal",
  "onSkip",
] satisfies (keyof ReadOptions)[]);

/** A misspelt option must not read something else than was meant. @throws LogError INVALID_ARGUMENT */
export function checkReadOptions(options: ReadOptions): void {
  refuseUnknown("option", options, optionNames);
  readsCommitted(options.isolation);
  if (options.from !== undefined) checkPosition(options.from);
  if (options.until !== undefined) checkPosition(options.until);
}

/** @throws LogError INVALID_ARGUMENT */
export function checkPosition(position: Position): void {
  if (position instanceof Date) {
    if (!Number.isNaN(position.getTime())) return;
    throw new LogError("INVALID_ARGUMENT", "an invalid Date is not a position");
  }
  if (typeof position === "number") {
    if (Number.isSafeInteger(position) && position >= 0) return;
    throw new LogError("INVALID_ARGUMENT", `${position} is not an offset`);
  }
  if (position === "earliest" || position === "latest") return;
  throw new LogError(
    "INVALID_ARGUMENT",
    `${String(position)} is not a position: give an offset, a Date, "earliest" or "latest"`,
  );
}

export async function resolvePosition(
  source: ReadSource,
  position: Position,
  isolation?: Isolation,
): Promise<number> {
  source.check();
  checkPosition(position);
  if (typeof position === "number") return position;
  await source.settle();
  if (position instanceof Date) {
    const found = await source.storage.offsetForTimestamp(source.id, position.getTime());
    if (found !== undefined) return found.offset;
  }
  if (position !== "earliest") return endOffset(source, isolation);
  return (await source.storage.describe(source.id)).logStartOffset;
}

/**
 * Whole batches of one partition, in order: with "read_committed" those that count. The first may begin before `from`, the last
 * reach beyond `until`.
 */
export class BatchReader {
  readonly #source: ReadSource;
  readonly #options: ReadOptions;
  #next = -1;
  /** Records before it are not to be seen, even if the batch that holds them is. */
  #start = 0;
  #until = Number.POSITIVE_INFINITY;
  #isCommittedOnly = false;
  #ahead: Promise<IsolatedRead> | undefined;
  #batches: RecordBatch[] = [];
  #index = 0;

  constructor(source: ReadSource, options: ReadOptions) {
    this.#source = source;
    this.#options = options;
  }

  /** The next offset to be read. */
  get position(): number {
    return this.#next;
  }
  get start(): number {
    return this.#start;
  }
  get until(): number {
    return this.#until;
  }

  /** A batch that is in memory already. */
  takeReady(): RecordBatch | undefined {
    const batch = this.#batches[this.#index];
    if (batch === undefined) return undefined;
    this.#index++;
    return batch;
  }

  async next(): Promise<RecordBatch | undefined> {
    try {
      for (;;) {
        const ready = this.takeReady();
        if (ready !== undefined) return ready;
        if (!(await this.#fill())) return undefined;
      }
    } catch (error) {
      if (!(error instanceof LogError) || error.code !== "PARTITION_NOT_FOUND") throw error;
      const { topic } = this.#source;
      throw new LogError("TOPIC_NOT_FOUND", `the topic "${topic}" was deleted`, {
        cause: error,
        details: { topic },
      });
    }
  }

  /** Gets another chunk; false at the end. */
  async #fill(): Promise<boolean> {
    const { follow = false, isolation, signal } = this.#options;
    for (;;) {
      signal?.throwIfAborted();
      this.#source.check();
      if (this.#next < 0) await this.#begin();
      if (this.#next >= this.#until) return false;
      const result = await (this.#ahead ?? this.#read());
      this.#ahead = undefined;
      if (result.startOffset > this.#next) this.#skipTo(result.startOffset);
      if (result.chunks.length > 0) {
        this.#take(result);
        const isMore = this.#next < Math.min(result.end, this.#until);
        if (isMore) {
          this.#ahead = this.#read();
          this.#ahead.catch(() => undefined); // Whoever reads on gets it; nobody may.
        }
        if (this.#batches.length > 0) return true;
        if (isMore || this.#next >= this.#until) continue;
        if (!follow) return false;
        await watch(this.#source, this.#next, isolation, signal);
      } else {
        if (!follow) return false;
        await watch(this.#source, Math.max(this.#next, result.highWatermark), isolation, signal);
      }
    }
  }

  #read(): Promise<IsolatedRead> {
    return read(this.#source, this.#next, chunkBytes, this.#isCommittedOnly);
  }

  async #begin(): Promise<void> {
    const { from = "earliest", until, follow = false, isolation } = this.#options;
    this.#isCommittedOnly = readsCommitted(isolation);
    await this.#source.settle();
    this.#next = this.#start = await resolvePosition(this.#source, from, isolation);
    if (until !== undefined) this.#until = await resolvePosition(this.#source, until, isolation);
    else if (!follow) this.#until = await resolvePosition(this.#source, "latest", isolation);
  }

  #take({ chunks, end: stableEnd, isCommitted }: IsolatedRead): void {
    const batches: RecordBatch[] = [];
    for (const chunk of chunks) {
      for (let at = 0; at < chunk.length; ) {
        const length = batchLengthAt(chunk, at);
        batches.push(new RecordBatch(chunk.subarray(at, at + length), this.#source.partition));
        at += length;
      }
    }
    const first = batches[0] as RecordBatch;
    if (first.baseOffset > this.#next) this.#skipTo(first.baseOffset);
    // Not beyond what was asked for: whoever goes on from here must not miss what came meanwhile.
    const end = Math.min(stableEnd, this.#until);
    this.#next = Math.max(this.#next, Math.min((batches.at(-1) as RecordBatch).nextOffset, end));
    const beyond = batches.findIndex((batch) => batch.baseOffset >= end);
    const taken = beyond < 0 ? batches : batches.slice(0, beyond);
    this.#batches = isCommitted === undefined ? taken : taken.filter(isCommitted);
    this.#index = 0;
  }

  #skipTo(next: number): void {
    this.#options.onSkip?.({ partition: this.#source.partition, from: this.#next, next });
    this.#next = this.#start = next;
  }
}

/** Records of one partition. Those at hand are given without waiting for anything. */
export class RecordReader implements AsyncIterableIterator<LogRecord> {
  readonly #batches: BatchReader;
  #records: RecordCursor | undefined;
  #isDone = false;

  constructor(source: ReadSource, options: ReadOptions) {
    this.#batches = new BatchReader(source, options);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<LogRecord, undefined>> {
    const record = this.#takeReady();
    if (record !== undefined) return Promise.resolve({ done: false, value: record });
    return this.#advance();
  }

  return(): Promise<IteratorResult<LogRecord, undefined>> {
    this.#isDone = true;
    this.#records = undefined;
    return Promise.resolve({ done: true, value: undefined });
  }

  #takeReady(): LogRecord | undefined {
    while (this.#records !== undefined) {
      const value = this.#records.take();
      if (value !== undefined && value.offset < this.#batches.until) return value;
      this.#records = value === undefined ? this.#cursorReady() : undefined;
    }
    return undefined;
  }

  /** Into the next batch that is in memory already; markers, which end producers' transactions, are no records. */
  #cursorReady(): RecordCursor | undefined {
    for (let batch = this.#batches.takeReady(); batch !== undefined; batch = this.#batches.takeReady())
      if (!batch.isControl) return batch.cursor(this.#batches.start);
    return undefined;
  }

  async #advance(): Promise<IteratorResult<LogRecord, undefined>> {
    while (!this.#isDone) {
      const batch = await this.#batches.next();
      if (batch === undefined || this.#isDone) break;
      this.#records = batch.isControl ? undefined : batch.cursor(this.#batches.start);
      const value = this.#takeReady();
      if (value !== undefined) return { done: false, value };
    }
    this.#isDone = true;
    return { done: true, value: undefined };
  }
}
