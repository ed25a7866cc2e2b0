// One lane of processing: takes its records in batches and calls the handler for each key in turn, again after a
// failure, until it gives up.
import { checkInteger } from "../options.js";
import type { LogRecord } from "../record/index.js";

/** Deals with records of one key, in order; those without a key come one partition's together. */
export type Handler = (
  key: Buffer | null,
  records: readonly LogRecord[],
  /** Says that processing is ending: whoever hears it may give up by throwing. */
  signal: AbortSignal,
) => Promise<void> | void;

export interface RetryOptions {
  /** How often a handler that failed is called again. Default 5. */
  readonly times?: number;
  /** How long it waits before the first retry, in milliseconds; twice as long before each further one. Default 100. */
  readonly backoffMs?: number;
  /** Default 10,000. */
  readonly backoffMsMax?: number;
}

/** What a lane works with. */
export interface LaneWork {
  readonly handler: Handler;
  readonly signal: AbortSignal;
  /** Puts away records that nobody can deal with. */
  readonly park: ((records: readonly LogRecord[], error: unknown) => Promise<void>) | undefined;
  /** Settles after so many milliseconds, or earlier when processing ends. */
  sleep(ms: number): Promise<void>;
  finished(records: readonly LogRecord[]): void;
  /** The lane has stopped for good. */
  failed(error: unknown, records: readonly LogRecord[]): void;
}

export class Lane {
  readonly #batch: number;
  readonly #retry: Required<RetryOptions>;
  readonly #work: LaneWork;
  #queue: LogRecord[] = [];
  #running: Promise<void> | undefined;
  #isStopped = false;

  constructor(batch: number, retry: RetryOptions, work: LaneWork) {
    this.#batch = batch;
    const { times = 5, backoffMs = 100, backoffMsMax = 10_000 } = retry;
    checkInteger("retry.times", times, 0);
    checkInteger("retry.backoffMs", backoffMs, 0);
    checkInteger("retry.backoffMsMax", backoffMsMax, 0);
    this.#retry = { times, backoffMs, backoffMsMax };
    this.#work = work;
  }

  push(record: LogRecord): void {
    if (this.#isStopped) return;
    this.#queue.push(record);
    if (this.#running === undefined) this.#start();
  }

  /** Settles when it has nothing left to do. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  /** Begins nothing more; settles when the handler that runs has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#queue = [];
    await this.idle();
  }

  #start(): void {
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      // Pushed after the last look at the queue.
      if (this.#queue.length > 0) this.#start();
    });
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0 && !this.#isStopped) {
      // What is pushed in the same turn shares a batch, and handlers that never wait do not starve the others.
      await new Promise(setImmediate);
      for (const records of byKey(this.#queue.splice(0, this.#batch))) {
        if (this.#isStopped) return;
        await this.#deal(records);
      }
    }
  }

  async #deal(records: readonly LogRecord[]): Promise<void> {
    const { finished, failed, park } = this.#work;
    try {
      await this.#callHandler(records);
    } catch (error) {
      try {
        if (park === undefined || this.#isStopped) throw error;
        await park(records, error);
      } catch (last) {
        this.#isStopped = true;
        this.#queue = [];
        failed(last, records);
        return;
      }
    }
    finished(records);
  }

  async #callHandler(records: readonly LogRecord[]): Promise<void> {
    const { times, backoffMs, backoffMsMax } = this.#retry;
    const key = records[0]?.key ?? null;
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#work.handler(key, records, this.#work.signal);
      } catch (error) {
        if (attempt >= times || this.#isStopped) throw error;
        await this.#work.sleep(Math.min(backoffMs * 2 ** attempt, backoffMsMax));
        if (this.#isStopped) throw error;
      }
    }
  }
}

/** In order of each key's first record; those without a key together by partition. */
function byKey(records: readonly LogRecord[]): Iterable<LogRecord[]> {
  const groups = new Map<string, LogRecord[]>();
  for (const record of records) {
    const name = record.key === null ? `${record.partition}` : `k${record.key.toString("latin1")}`;
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [record]);
    else group.push(record);
  }
  return groups.values();
}
