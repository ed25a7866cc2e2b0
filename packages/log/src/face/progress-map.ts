// Which records of each partition are under way, and up to where all are finished, in whatever order they end.
import type { LogRecord } from "../record/index.js";

interface Underway {
  /** Offsets in the order in which they began; those before `first` are finished. */
  offsets: number[];
  first: number;
  readonly done: Set<number>;
  end: number;
}

// So many finished offsets are kept before the list is cut.
const cutAt = 1024;

export class ProgressMap {
  readonly #partitions = new Map<number, Underway>();
  #count = 0;

  /** Records that hold back progress, their own or others'. */
  get count(): number {
    return this.#count;
  }

  begin({ partition, offset }: LogRecord): void {
    const underway = this.#partitions.get(partition) ?? { offsets: [], first: 0, done: new Set(), end: 0 };
    this.#partitions.set(partition, underway);
    underway.offsets.push(offset);
    underway.end = offset + 1;
    this.#count++;
  }

  /** What lies between the records that began and an offset is not for readers. */
  pass(partition: number, offset: number): void {
    const underway = this.#partitions.get(partition) ?? { offsets: [], first: 0, done: new Set(), end: 0 };
    this.#partitions.set(partition, underway);
    underway.end = offset;
  }

  finish({ partition, offset }: LogRecord): void {
    const underway = this.#partitions.get(partition);
    if (underway === undefined) return;
    underway.done.add(offset);
    while (underway.done.delete(underway.offsets[underway.first] ?? -1)) {
      underway.first++;
      this.#count--;
    }
    if (underway.first < cutAt) return;
    underway.offsets = underway.offsets.slice(underway.first);
    underway.first = 0;
  }

  /** For each partition the offset before which all is finished. */
  finished(): Map<number, number> {
    return new Map(
      [...this.#partitions].map(([partition, { offsets, first, end }]) => [partition, offsets[first] ?? end]),
    );
  }

  forget(partition: number): void {
    const underway = this.#partitions.get(partition);
    if (underway !== undefined) this.#count -= underway.offsets.length - underway.first;
    this.#partitions.delete(partition);
  }
}
