// Appends that wait for room, in the order in which they came, within a bound of their own.
import { LogError } from "../errors.js";

/** Something that waits for room. */
export interface Applicant<T> {
  readonly size: number;
  concerns(target: T): boolean;
  admit(): void;
  refuse(error: unknown): void;
}

export interface WaitOptions {
  readonly wait?: boolean;
  readonly signal?: AbortSignal;
}

interface Waiting<T> extends Applicant<T> {
  readonly stopListening: () => void;
}

export class WaitingLine<T> {
  readonly #bytesMax: number;
  #waiting: Waiting<T>[] = [];
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }
  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }
  get last(): object | undefined {
    return this.#waiting.at(-1);
  }

  includes(applicant: object): boolean {
    return this.#waiting.some((waiting) => waiting === applicant);
  }

  /** Answers why the applicant cannot wait, if so. */
  join(applicant: Applicant<T>, { wait = true, signal }: WaitOptions): unknown {
    const { size } = applicant;
    if (!wait || this.#bytes + size > this.#bytesMax) {
      const why = wait ? `${this.#bytes} bytes wait already` : "the caller chose not to wait";
      const message = `no room for another record: ${why}; await receipts before appending more`;
      return new LogError("BACKPRESSURE", message);
    }
    if (signal?.aborted) return signal.reason;
    const abort = (): void => {
      this.#waiting = this.#waiting.filter((other) => other !== waiting);
      this.#bytes -= size;
      applicant.refuse(signal?.reason);
    };
    const stopListening = (): void => signal?.removeEventListener("abort", abort);
    const waiting = { ...applicant, stopListening };
    signal?.addEventListener("abort", abort, { once: true });
    this.#waiting.push(waiting);
    this.#bytes += size;
    return undefined;
  }

  /** Lets in as many as there is room for; answers how many those were. */
  letIn(hasRoom: (size: number) => boolean): number {
    let count = 0;
    for (const waiting of this.#waiting) {
      if (!hasRoom(waiting.size)) break;
      count++;
      this.#leave(waiting);
      try {
        waiting.admit();
      } catch (error) {
        waiting.refuse(error);
      }
    }
    if (count > 0) this.#waiting = this.#waiting.slice(count);
    return count;
  }

  /** Refuses those that want something of the target. */
  forget(target: T, error: unknown): void {
    const refused = this.#waiting.filter((waiting) => waiting.concerns(target));
    this.#waiting = this.#waiting.filter((waiting) => !waiting.concerns(target));
    for (const waiting of refused) this.#refuse(waiting, error);
  }

  refuseAll(error: unknown): void {
    const refused = this.#waiting;
    this.#waiting = [];
    for (const waiting of refused) this.#refuse(waiting, error);
  }

  #refuse(waiting: Waiting<T>, error: unknown): void {
    this.#leave(waiting);
    waiting.refuse(error);
  }

  #leave(waiting: Waiting<T>): void {
    waiting.stopListening();
    this.#bytes -= waiting.size;
  }
}
