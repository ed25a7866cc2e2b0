// Records to lanes by hash of the key, a handler for each key's batch, and progress up to the lowest record that is not
// finished: a crash replays and never skips.
import { LogError } from "../errors.js";
import { checkInteger } from "../options.js";
import { type LogRecord, murmur2 } from "../record/index.js";
import { type DeadLetterTopic, park } from "./dead-letter.js";
import { type Handler, Lane, type LaneWork, type RetryOptions } from "./lane.js";
import { ProgressMap } from "./progress-map.js";

export interface ProcessOptions {
  /** How many handlers run at once. Default 8. */
  readonly lanes?: number;
  /** How many records a lane takes at once; those of one key in it come in one call. Default 100. */
  readonly batch?: number;
  readonly retry?: RetryOptions;
  /**
   * What becomes of records whose handler goes on failing: they are appended here, with headers that tell where they
   * come from and why, and count as finished. Without it the lane stops, the others finish what they have, and
   * processing ends with HANDLER_FAILED.
   */
  readonly deadLetter?: DeadLetterTopic;
}

/** What processing needs of its consumer. */
export interface ProcessSource {
  readonly topic: string;
  /** Says when nothing more shall begin. */
  readonly signal: AbortSignal;
  next(): Promise<LogRecord | undefined>;
  commit(offsets: ReadonlyMap<number, number>): Promise<void>;
  /** Settles after so many milliseconds, or when the consumer is closed. */
  sleep(ms: number): Promise<void>;
  /** {@link next} gives out no more records. */
  interrupt(): void;
}

const lanesDefault = 8;
const batchDefault = 100;
/** What may be read ahead of the lanes, in batches for each. */
const batchesAhead = 4;

/**
 * Of records that come again after a crash, those that a key store has not applied yet: `applied` is the offset of the
 * last one that it has, as it keeps it with the key's value; undefined if it has none.
 */
export function unapplied(records: readonly LogRecord[], applied: number | undefined): readonly LogRecord[] {
  if (applied === undefined) return records;
  const first = records.findIndex(({ offset }) => offset > applied);
  return first < 0 ? [] : records.slice(first);
}

export class Processing {
  readonly #source: ProcessSource;
  readonly #lanes: Lane[];
  readonly #progress = new ProgressMap();
  readonly #aheadMax: number;
  #failure: LogError | undefined;
  #roomWanted: (() => void) | undefined;
  #committing: Promise<void> | undefined;
  #mayCommit = false;
  #settled: Promise<void> | undefined;

  constructor(options: ProcessOptions, handler: Handler, source: ProcessSource) {
    this.#source = source;
    const { lanes = lanesDefault, batch = batchDefault, retry = {}, deadLetter } = options;
    checkInteger("lanes", lanes, 1, 10_000);
    checkInteger("batch", batch, 1, 1_000_000);
    const work: LaneWork = {
      handler,
      park:
        deadLetter === undefined
          ? undefined
          : (records, error) => park(deadLetter, source.topic, records, error),
      signal: source.signal,
      sleep: (ms) => source.sleep(ms),
      finished: (records) => this.#finished(records),
      failed: (error, records) => this.#failed(error, records),
    };
    this.#aheadMax = lanes * batch * batchesAhead;
    this.#lanes = Array.from({ length: lanes }, () => new Lane(batch, retry, work));
  }

  async run(): Promise<void> {
    try {
      while (this.#failure === undefined) {
        const record = await this.#source.next();
        if (record === undefined) break;
        this.#progress.begin(record);
        this.#laneOf(record).push(record);
        if (this.#progress.count >= this.#aheadMax) await this.#room();
      }
      // The end of the topic, or a lane that has stopped: the others finish what they have.
      if (this.#settled === undefined) await Promise.all(this.#lanes.map((lane) => lane.idle()));
    } finally {
      await this.settle();
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Begins nothing more, waits for the handlers that run, commits what is finished. */
  settle(): Promise<void> {
    this.#settled ??= this.#settle();
    return this.#settled;
  }

  async #settle(): Promise<void> {
    this.#wake();
    await Promise.all(this.#lanes.map((lane) => lane.stop()));
    await this.#committing;
    // Where commits fail, the failure is told by whoever processes.
    if (this.#failure === undefined || this.#failure.code === "HANDLER_FAILED")
      await this.#source.commit(this.#progress.finished());
  }

  /**
   * Every record of these partitions before the offset has been given out, and begun. The last may have been followed by
   * what is not for readers: it need not be looked at again.
   */
  passed(offsets: ReadonlyMap<number, number>): void {
    for (const [partition, offset] of offsets) this.#progress.pass(partition, offset);
    this.#commitBeside();
  }

  /** Settles when nothing of these partitions is under way any more. Their progress is committed then. */
  async drain(partitions: readonly number[]): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.idle()));
    await this.#source.commit(this.#progress.finished());
    for (const partition of partitions) this.#progress.forget(partition);
  }

  #laneOf({ key, partition }: LogRecord): Lane {
    if (key === null) return this.#lanes[partition % this.#lanes.length] as Lane;
    // Not the bits that chose the partition, or the keys of a few partitions would share a few lanes.
    return this.#lanes[(murmur2(key) >>> 15) % this.#lanes.length] as Lane;
  }

  async #room(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#roomWanted = resolve;
    });
  }

  #finished(records: readonly LogRecord[]): void {
    for (const record of records) this.#progress.finish(record);
    if (this.#progress.count * 2 < this.#aheadMax) this.#wake();
    this.#commitBeside();
  }

  #commitBeside(): void {
    this.#mayCommit = true;
    this.#committing ??= this.#commitAll().finally(() => {
      this.#committing = undefined;
    });
  }

  /** One commit at a time, and the next takes all that was finished meanwhile. */
  async #commitAll(): Promise<void> {
    try {
      while (this.#mayCommit) {
        this.#mayCommit = false;
        await this.#source.commit(this.#progress.finished());
      }
    } catch (error) {
      this.#stop(error);
    }
  }

  #failed(error: unknown, [record]: readonly LogRecord[]): void {
    const place = record === undefined ? "" : ` at offset ${record.offset} of partition ${record.partition}`;
    const message = `the handler went on failing${place}: ${(error as Error)?.message ?? String(error)}`;
    const details = { partition: record?.partition, offset: record?.offset };
    this.#stop(new LogError("HANDLER_FAILED", message, { cause: error, details }));
  }

  #stop(error: unknown): void {
    this.#failure ??= error as LogError;
    this.#wake();
    // Whoever waits for another record need not.
    this.#source.interrupt();
  }

  #wake(): void {
    this.#roomWanted?.();
    this.#roomWanted = undefined;
  }
}
