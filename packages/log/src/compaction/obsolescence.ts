// Which records a compaction takes out: those that a later one of the same key makes obsolete, those of transactions
// that were aborted, and those without a value that have said so for long enough.
import { filterBatch, type LogRecord, type RecordBatch } from "../record/index.js";
import { KeyOffsets } from "./key-offsets.js";

/** What is known of transactions. */
export type IsAborted = (producerId: number, offset: number) => boolean;

export class Obsolescence {
  readonly #keys: KeyOffsets;
  readonly #isAborted: IsAborted | undefined;
  readonly #tombstoneEnd: number;
  /** What is at or beyond it has not been compared with anything. */
  #end: number;

  /**
   * From an offset on, for about so many records. `isAborted`: without it no batch of a transaction is looked at, and none
   * beyond the first. Records without a value go before `tombstoneEnd`.
   */
  constructor(
    start: number,
    records: number,
    keyBytesMax: number,
    tombstoneEnd: number,
    isAborted: IsAborted | undefined,
  ) {
    this.#keys = new KeyOffsets(records, keyBytesMax);
    this.#isAborted = isAborted;
    this.#tombstoneEnd = tombstoneEnd;
    this.#end = start;
  }

  get end(): number {
    return this.#end;
  }

  /** Nothing is left between the last batch that was added and this offset. */
  skipTo(offset: number): void {
    this.#end = Math.max(this.#end, offset);
  }

  /** Notes the keys of a batch, up to `limit`; batches come in order. False where it cannot go on: there it ends. */
  add(batch: RecordBatch, limit: number): boolean {
    const isLeftAlone = this.#isLeftAlone(batch);
    if (isLeftAlone && this.#isAborted === undefined) return this.#stopAt(Math.min(batch.baseOffset, limit));
    const { producerId } = batch;
    for (const { key, offset } of isLeftAlone ? [] : batch.records(this.#end)) {
      if (offset >= limit) break;
      if (key === null || this.#isDropped(batch, producerId, offset)) continue;
      if (!this.#keys.note(key, offset)) return this.#stopAt(offset);
    }
    this.skipTo(Math.min(batch.nextOffset, limit));
    return true;
  }

  /** The batch without what goes: the very bytes if nothing does, undefined if all of it does. */
  filter(batch: RecordBatch): Buffer | undefined {
    if (batch.baseOffset >= this.#end || this.#isLeftAlone(batch)) return batch.bytes;
    const { producerId } = batch;
    return filterBatch(batch, (record) => !this.#goes(batch, producerId, record));
  }

  /**
   * Whether a marker has been compacted for long enough. One that readers are still told about, because it ends an aborted
   * transaction, is not: clients of Kafka's wait for it, and would take what the producer writes next for aborted, too.
   */
  mayGo({ producerId, baseOffset }: RecordBatch): boolean {
    return baseOffset < this.#tombstoneEnd && this.#isAborted?.(producerId, baseOffset) === false;
  }

  #goes(batch: RecordBatch, producerId: number, { offset, key, value }: LogRecord): boolean {
    if (offset >= this.#end) return false;
    if (this.#isDropped(batch, producerId, offset)) return true;
    // What has no key, from before the topic was compacted, can be compared with nothing.
    if (key === null) return false;
    if (value === null && offset < this.#tombstoneEnd) return true;
    return this.#keys.last(key) > offset;
  }

  #isDropped(batch: RecordBatch, producerId: number, offset: number): boolean {
    return batch.isTransactional && this.#isAborted?.(producerId, offset) === true;
  }

  #isLeftAlone(batch: RecordBatch): boolean {
    return batch.isControl || (batch.isTransactional && this.#isAborted === undefined);
  }

  #stopAt(offset: number): boolean {
    this.skipTo(offset);
    return false;
  }
}
