// A partition as users see it: reading, and deleting its head. Appending goes through the topic.
import { checkInteger } from "../options.js";
import { batchLengthAt, type LogRecord, RecordBatch } from "../record/index.js";
import type { LogStorage, PartitionDescription } from "../storage/contracts.js";
import { type RawReadOptions, type RawSlice, readRaw } from "./raw.js";
import {
  BatchReader,
  type Position,
  type ReadOptions,
  type ReadSource,
  RecordReader,
  resolvePosition,
} from "./reading.js";

/** What an offset leads to: the record, or the next offset that exists (the end, if none does yet). */
export type GetResult =
  | { readonly record: LogRecord }
  | { readonly record?: undefined; readonly next: number };

export class Partition {
  readonly topic: string;
  /** From 0. */
  readonly number: number;
  readonly #source: ReadSource;

  constructor(topic: string, source: ReadSource) {
    this.topic = topic;
    this.number = source.partition;
    this.#source = source;
  }

  /** Records in order of their offsets. Ends at the end, or never with `follow`. */
  read(options: ReadOptions = {}): AsyncIterableIterator<LogRecord> {
    return new RecordReader(this.#source, options);
  }

  /** Whole batches as they are stored: the fast way. The first may begin before `from`. */
  async *readBatches(options: ReadOptions = {}): AsyncGenerator<RecordBatch, void, void> {
    const reader = new BatchReader(this.#source, options);
    for (let batch = await reader.next(); batch !== undefined; batch = await reader.next()) yield batch;
  }

  /**
   * Whole batches as bytes, checked, not decoded and not copied: to be sent somewhere and turned into records by
   * {@link decodeBatches} there. What was deleted at the head of the first batch is still in it: decode from
   * `startOffset`.
   */
  readRaw(options: RawReadOptions): Promise<RawSlice> {
    return readRaw(this.#source, options);
  }

  /** The record at an offset, or the next offset that exists. */
  async get(offset: number): Promise<GetResult> {
    checkInteger("offset", offset, 0);
    await this.#source.settle();
    for (let from = offset; ; ) {
      const { chunks, startOffset, highWatermark } = await this.#storage.read(this.#source.id, from, 1);
      const [chunk] = chunks;
      if (chunk === undefined) return { next: highWatermark };
      const batch = new RecordBatch(chunk.subarray(0, batchLengthAt(chunk, 0)), this.number);
      for (const record of batch.records(startOffset)) {
        return record.offset === offset ? { record } : { next: record.offset };
      }
      from = batch.nextOffset;
    }
  }

  /** The offset that a position means now. */
  offsetOf(position: Position): Promise<number> {
    return resolvePosition(this.#source, position);
  }

  /** Deletes all records before an offset; "latest" deletes all. Files go when nothing in them is left. */
  async deleteRecords(before: number | "latest"): Promise<void> {
    await this.#source.settle();
    const offset = await resolvePosition(this.#source, before);
    await this.#storage.deleteRecords(this.#source.id, offset);
  }

  async describe(): Promise<PartitionDescription> {
    await this.#source.settle();
    return this.#storage.describe(this.#source.id);
  }

  get #storage(): LogStorage {
    this.#source.check();
    return this.#source.storage;
  }
}
