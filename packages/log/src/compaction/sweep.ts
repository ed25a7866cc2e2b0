// One way through a partition's batches, in order and from its beginning: what is left of each. Beside what is obsolete,
// the markers of transactions go of which no record is left, when that has been compacted for as long as records without
// a value stay. A marker of records that are left stays: who works out what producers have done from the batches alone,
// as Kafka's broker does, would take their transaction for an open one.
import type { RecordBatch } from "../record/index.js";
import type { Obsolescence } from "./obsolescence.js";

export class Sweep {
  readonly #obsolescence: Obsolescence;
  /** The producers with records left of the transaction that the next marker of theirs ends. */
  readonly #withRecords: Set<number>;

  constructor(obsolescence: Obsolescence, withRecords: ReadonlySet<number> = new Set()) {
    this.#obsolescence = obsolescence;
    this.#withRecords = new Set(withRecords);
  }

  /** Another one that goes on from here, while this one stays where it is. */
  fork(): Sweep {
    return new Sweep(this.#obsolescence, this.#withRecords);
  }

  /** The batch without what goes: the very bytes if nothing does, undefined if all of it does. */
  filter(batch: RecordBatch): Buffer | undefined {
    const left = this.#obsolescence.filter(batch);
    if (!batch.isTransactional) return left;
    if (!batch.isControl) {
      if (left !== undefined) this.#withRecords.add(batch.producerId);
      return left;
    }
    const hasRecords = this.#withRecords.delete(batch.producerId);
    return !hasRecords && this.#obsolescence.mayGo(batch) ? undefined : left;
  }
}
