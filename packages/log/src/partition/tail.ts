// The part of a partition that is journaled but not yet in a segment, oldest first. It serves readers from memory.
import type { Durability } from "../storage/contracts.js";

export interface TailBatch {
  readonly bytes: Buffer;
  readonly baseOffset: number;
  readonly nextOffset: number;
  readonly maxTimestamp: number;
  readonly visibleAt: Durability;
  /** What has been reached so far. */
  reached: Durability;
  /** The journal block that holds it; −1 until written. */
  sequence: number;
}

const compactAfter = 64;

export class Tail {
  #batches: TailBatch[] = [];
  #head = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }
  get count(): number {
    return this.#batches.length - this.#head;
  }
  get first(): TailBatch | undefined {
    return this.#batches[this.#head];
  }

  push(batch: TailBatch): void {
    this.#batches.push(batch);
    this.#bytes += batch.bytes.length;
  }

  /** Drops the batches that end at or before `offset`; returns the bytes that this frees. */
  dropBefore(offset: number): number {
    const before = this.#bytes;
    for (let batch = this.first; batch !== undefined && batch.nextOffset <= offset; batch = this.first) {
      this.#bytes -= batch.bytes.length;
      this.#head++;
    }
    if (this.#head >= compactAfter && this.#head * 2 >= this.#batches.length) {
      this.#batches = this.#batches.slice(this.#head);
      this.#head = 0;
    }
    return before - this.#bytes;
  }

  /** The batches from the one that holds `offset`, or follows it, on. */
  *from(offset: number): Generator<TailBatch, void, void> {
    // The array as it is now: dropBefore may replace it while a consumer awaits something between two batches.
    const batches = this.#batches;
    for (let at = this.#indexOf(offset); at < batches.length; at++) yield batches[at] as TailBatch;
  }

  /** The end of the batches from the one on that holds `offset`, up to the first that is not `isIt`. */
  endOf(offset: number, isIt: (batch: TailBatch) => boolean): number {
    let end = offset;
    for (let at = this.#indexOf(offset); at < this.#batches.length; at++) {
      const batch = this.#batches[at] as TailBatch;
      if (!isIt(batch)) break;
      end = batch.nextOffset;
    }
    return end;
  }

  #indexOf(offset: number): number {
    let low = this.#head;
    let high = this.#batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#batches[middle] as TailBatch).nextOffset <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Whether it has reached the level at which readers see it. */
export function isVisible({ visibleAt, reached }: TailBatch): boolean {
  return visibleAt === "memory" || reached === "disk" || (visibleAt === "os" && reached === "os");
}
