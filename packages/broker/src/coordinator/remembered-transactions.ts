// What is remembered of all transactional ids, in memory: by id, by producer, by what their groups may yet commit. In
// order of their last change, so that whoever has been idle for longest comes first; and how much all of it takes.
import {
  type PendingOffset,
  pendingKey,
  placeKey,
  stateText,
  type TransactionState,
} from "./transaction-state.js";

export interface Remembered {
  readonly state: TransactionState;
  /** Keys of its partitions: a batch for another one is refused. */
  places: ReadonlySet<string>;
  /** What it takes in the log's metadata, but for the id. */
  readonly bytes: number;
}

type GroupPlace = Pick<PendingOffset, "group" | "topicId" | "partition">;

export class RememberedTransactions {
  readonly #byId = new Map<string, Remembered>();
  /** The transactional id that a producer has. */
  readonly #idsByProducer = new Map<number, string>();
  /** Places of groups that transactions may change, each with how many of them. */
  readonly #pending = new Map<string, number>();
  #bytes = 0;

  get(transactionalId: string): Remembered | undefined {
    return this.#byId.get(transactionalId);
  }

  ofProducer(producerId: number): Remembered | undefined {
    return this.#byId.get(this.#idsByProducer.get(producerId) ?? "");
  }

  /** Whether a transaction that is open may change where the group goes on. */
  isPending(place: GroupPlace): boolean {
    return this.#pending.has(pendingKey(place));
  }

  get count(): number {
    return this.#byId.size;
  }

  /** Of all of them together. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The one that was changed least recently comes first. */
  get all(): IterableIterator<[transactionalId: string, Remembered]> {
    return this.#byId.entries();
  }

  put(transactionalId: string, state: TransactionState): void {
    this.delete(transactionalId);
    for (const each of state.offsets)
      this.#pending.set(pendingKey(each), (this.#pending.get(pendingKey(each)) ?? 0) + 1);
    const bytes = stateText(state).length;
    this.#byId.set(transactionalId, { state, places: new Set(state.partitions.map(placeKey)), bytes });
    this.#idsByProducer.set(state.producerId, transactionalId);
    this.#bytes += bytes;
  }

  delete(transactionalId: string): void {
    const known = this.#byId.get(transactionalId);
    if (known === undefined) return;
    this.#byId.delete(transactionalId);
    this.#idsByProducer.delete(known.state.producerId);
    this.#bytes -= known.bytes;
    for (const key of known.state.offsets.map(pendingKey)) {
      const left = (this.#pending.get(key) ?? 0) - 1;
      if (left > 0) this.#pending.set(key, left);
      else this.#pending.delete(key);
    }
  }
}
