// A partition as users see it: reading, and deleting its head. Appending goes through the topic.
import { checkInteger } from "../options.js";
import { batchLengthAt, type LogRecord, RecordBatch } from "../record/index.js";
import type { FileRange, LogStorage, PartitionDescription } from "../storage/contracts.js";
import { type FileRangeOptions, fileRange, type RawReadOptions, type RawSlice, readRaw } from "./raw.js";
import { type Isolation, type ReadSource, read, readsCommitted, watch } from "./read-source.js";
import {
  BatchReader,
  checkReadOptions,
  type Position,
  type ReadOptions,
  RecordReader,
  resolvePosition,
} from "./reading.js";

/** What an offset leads to: the record, or the next offset that exists (the end, if none does yet). */
export type GetResult =
  | { readonly record: LogRecord; readonly next?: undefined }
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
    checkReadOptions(options);
    return new RecordReader(this.#source, options);
  }

  /** Whole batches as they are stored: the fast way. The first may begin before `from`. */
  async *readBatches(options: ReadOptions = {}): AsyncGenerator<RecordBatch, void, void> {
    checkReadOptions(options);
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

  /**
   * Where whole batches lie in a segment file, with a descriptor that is open on it: for sendfile and the like, or
   * `createReadStream("", { fd, start: position, end: position + length - 1, autoClose: false })`. Undefined when the
   * records are not in a segment yet, or do not exist: read them with {@link Partition.readRaw}, or ask again after
   * the next checkpoint.
   *
   * Release it: until then each range keeps a file open, beyond openFilesMax, and its space on the disk, though the
   * records be deleted. Deletion does not wait for that: the file loses its name at once. Where the system does not
   * remove open files (Windows, depending on Node's version and the disk), the file alone stays until a checkpoint
   * after the release; a topic that is made again by the name of a deleted one gets its segments only after that.
   *
   * @throws LogError UNSUPPORTED unless the log is a directory on the real disk.
   */
  fileRange(options: FileRangeOptions): Promise<FileRange | undefined> {
    return fileRange(this.#source, options);
  }

  /** The record at an offset, or the next offset that exists: with "read_committed" that of a record that is committed. */
  async get(offset: number, isolation?: Isolation): Promise<GetResult> {
    checkInteger("offset", offset, 0);
    const isCommittedOnly = readsCommitted(isolation);
    await this.#source.settle();
    for (let from = offset; ; ) {
      this.#source.check();
      const { chunks, startOffset, end, isCommitted } = await read(this.#source, from, 1, isCommittedOnly);
      const [chunk] = chunks;
      if (chunk === undefined) return { next: end };
      const batch = new RecordBatch(chunk.subarray(0, batchLengthAt(chunk, 0)), this.number);
      if (batch.baseOffset >= end) return { next: end };
      const counts = isCommitted?.(batch) ?? !batch.isControl;
      for (const record of counts ? batch.records(startOffset) : [])
        return record.offset === offset ? { record } : { next: record.offset };
      from = batch.nextOffset;
    }
  }

  /**
   * Settles when there may be something to read at the offset or after it: with "read_committed" something that is
   * known to be committed or aborted. Rejects when the topic is deleted.
   */
  async watch(offset: number, signal?: AbortSignal, isolation?: Isolation): Promise<void> {
    checkInteger("offset", offset, 0);
    this.#source.check();
    await watch(this.#source, offset, isolation, signal);
  }

  /** The offset that a position means now: with "read_committed" the last stable offset is the end. */
  offsetOf(position: Position, isolation?: Isolation): Promise<number> {
    return resolvePosition(this.#source, position, isolation);
  }

  /** The first record whose timestamp, in milliseconds since 1970, is at or after the given one. */
  async offsetForTimestamp(timestamp: number): Promise<{ offset: number; timestamp: number } | undefined> {
    checkInteger("timestamp", timestamp, 0);
    await this.#source.settle();
    return this.#storage.offsetForTimestamp(this.#source.id, timestamp);
  }

  /** Deletes all records before an offset; "latest" deletes all. Files go when nothing in them is left. */
  async deleteRecords(before: number | "latest"): Promise<void> {
    await this.#source.settle();
    const offset = await resolvePosition(this.#source, before);
    this.#source.check();
    await this.#source.deleteRecords(offset);
  }

  /** The end of what readers see: with "read_committed" the last stable offset. */
  endOffset(isolation?: Isolation): Promise<number> {
    return resolvePosition(this.#source, "latest", isolation);
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
