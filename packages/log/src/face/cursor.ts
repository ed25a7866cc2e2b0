// A consumer's place in one partition: what was read ahead, what was given out, what has been dealt with.
import type { LogRecord, RecordCursor } from "../record/index.js";
import { type Isolation, type ReadSource, watch } from "./read-source.js";
import { BatchReader } from "./reading.js";

export class Cursor {
  readonly source: ReadSource;
  readonly #isolation: Isolation;
  #reader: BatchReader | undefined;
  #records: RecordCursor | undefined;
  #ahead: LogRecord | undefined;
  #last: LogRecord | undefined;
  #position: number;
  /** Undefined after a seek, until something from there has been dealt with. */
  #dealtWith: number | undefined;
  #seeks = 0;

  constructor(source: ReadSource, position: number, isolation: Isolation = "read_uncommitted") {
    this.source = source;
    this.#isolation = isolation;
    this.#position = this.#dealtWith = position;
  }

  /** The offset after the last record that was given out. */
  get givenUpTo(): number {
    return this.#position;
  }
  get dealtWithUpTo(): number | undefined {
    return this.#dealtWith;
  }

  given({ offset }: LogRecord): void {
    this.#position = offset + 1;
  }

  dealtWith(upTo: number): void {
    this.#dealtWith = Math.max(this.#dealtWith ?? 0, upTo);
  }

  /** A record that is in memory already. */
  takeReady(): LogRecord | undefined {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    const record = ahead ?? this.#nextOfBatch();
    this.#last = record;
    return record;
  }

  /** The record taken last was not given out. */
  putBack(): void {
    this.#ahead = this.#last;
  }

  /** The next record, or undefined at the end as it is now. */
  async read(): Promise<LogRecord | undefined> {
    const seeks = this.#seeks;
    for (;;) {
      this.#reader ??= new BatchReader(this.source, { from: this.#position, isolation: this.#isolation });
      const { position } = this.#reader;
      const batch = await this.#reader.next();
      if (seeks !== this.#seeks) return undefined;
      if (batch === undefined) {
        this.#skip(Math.max(position, this.#reader.position));
        return undefined;
      }
      if (batch.isControl) continue;
      this.#records = batch.cursor(this.#reader.start);
      const record = this.takeReady();
      if (record !== undefined) return record;
    }
  }

  /** Settles when there is something to read. */
  wait(signal: AbortSignal): Promise<void> {
    return watch(this.source, this.#position, this.#isolation, signal);
  }

  seek(offset: number): void {
    this.#seeks++;
    this.#position = offset;
    this.#dealtWith = undefined;
    this.#reader = this.#records = this.#ahead = undefined;
  }

  /** The end, or past what was deleted or is not for readers: it need not be looked at again. */
  #skip(position: number): void {
    if (this.#dealtWith === this.#position && position > this.#position) this.#dealtWith = position;
    this.#position = Math.max(this.#position, position);
    this.#reader = undefined;
  }

  #nextOfBatch(): LogRecord | undefined {
    const record = this.#records?.take();
    if (record !== undefined) return record;
    this.#records = undefined;
    const batch = this.#reader?.takeReady();
    if (batch === undefined) return undefined;
    this.#records = batch.isControl ? undefined : batch.cursor(this.#reader?.start ?? 0);
    return this.#nextOfBatch();
  }
}
