// Web streams over a topic. Node's own come from them or from what they are made of: Readable.from(topic.read()),
// Writable.fromWeb(topic.writable(), { objectMode: true }).
import { ReadableStream, WritableStream } from "node:stream/web";
import type { LogRecord } from "../record/index.js";
import type { RecordInput } from "./forming.js";

// So many records may be on their way before the stream holds its source back.
const pendingMax = 1024;

/** An iterator that can be left while it waits: a generator alone would queue `return` behind the wait. */
export class Closable<T> implements AsyncIterableIterator<T, undefined> {
  readonly #end = new AbortController();
  readonly #items: AsyncGenerator<T, void, void>;

  constructor(
    start: (signal: AbortSignal) => AsyncGenerator<T, void, void>,
    signal: AbortSignal | undefined,
  ) {
    const signals = signal === undefined ? [this.#end.signal] : [signal, this.#end.signal];
    this.#items = start(AbortSignal.any(signals));
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<T, undefined>> {
    try {
      const { done, value } = await this.#items.next();
      return done === true ? { done, value: undefined } : { done: false, value };
    } catch (error) {
      if (this.#end.signal.aborted) return { done: true, value: undefined };
      throw error;
    }
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    this.#end.abort();
    await this.#items.return().catch(() => undefined);
    return { done: true, value: undefined };
  }
}

export function readableOf(records: AsyncIterableIterator<LogRecord, undefined>): ReadableStream<LogRecord> {
  return new ReadableStream<LogRecord>({
    async pull(controller) {
      const { value } = await records.next();
      if (value === undefined) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await records.return?.();
    },
  });
}

/** Closes when all that was written is acknowledged; fails as a whole when one record does. */
export function writableOf(append: (record: RecordInput) => Promise<unknown>): WritableStream<RecordInput> {
  const pending = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | undefined;
  const failed = (error: unknown): void => {
    failure ??= { error };
  };
  const settle = async (waits: Promise<unknown>): Promise<void> => {
    await waits;
    if (failure !== undefined) throw failure.error;
  };
  return new WritableStream<RecordInput>({
    async write(record) {
      const receipt = append(record)
        .then(() => undefined, failed)
        .finally(() => pending.delete(receipt));
      pending.add(receipt);
      await settle(pending.size < pendingMax ? Promise.resolve() : Promise.race(pending));
    },
    close: () => settle(Promise.all(pending)),
  });
}
