// A transaction that has its offsets: parts at the end of several partitions, taken by one group together or not at
// all. It waits until it is its turn in each of them; since all its places were taken in one step, two transactions
// never wait for each other.
import type { BatchBuilder } from "../record/index.js";
import type { Durability, MetadataPut } from "../storage/contracts.js";
import type { Content, FormingPartition } from "./forming.js";
import type { TakenGroup, TogetherOrNot } from "./taken-group.js";

export interface TransactionPart<C extends Content = BatchBuilder> {
  readonly partition: FormingPartition;
  readonly builder: C;
}

export class PlacedTransaction implements TogetherOrNot {
  readonly bytes: number;
  readonly metadataBytes: number;
  readonly metadata: readonly MetadataPut[];
  /** What it has to survive, and the level at which readers see all of it at once. */
  readonly durability: Exclude<Durability, "memory">;
  /** Settles when it has reached its durability; rejects when none of it will be there. */
  readonly done: Promise<void>;
  /** Offset of the first record of each part. */
  readonly baseOffsets: readonly number[];
  resolve!: () => void;
  reject!: (error: unknown) => void;
  readonly #partitions: ReadonlySet<FormingPartition>;

  constructor(
    parts: readonly TransactionPart<Content>[],
    durability: Exclude<Durability, "memory">,
    bytes: number,
    metadataBytes: number,
    metadata: (baseOffsets: readonly number[]) => readonly MetadataPut[],
    now: number,
  ) {
    this.bytes = bytes;
    this.metadataBytes = metadataBytes;
    this.durability = durability;
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.#partitions = new Set(parts.map(({ partition }) => partition));
    this.baseOffsets = parts.map(({ partition, builder }) => partition.place(builder, this, now));
    this.metadata = metadata(this.baseOffsets);
  }

  get isReady(): boolean {
    for (const { headTransaction } of this.#partitions) if (headTransaction !== this) return false;
    return true;
  }

  takeInto(group: TakenGroup): void {
    for (const partition of this.#partitions) partition.takeTransaction(this, group);
    group.addMetadata(this.metadataBytes);
  }

  /** None of it will be there. Answers the bytes that it took while it waited. */
  refuse(error: unknown): number {
    let bytes = 0;
    for (const partition of this.#partitions)
      for (const { formingBytes } of partition.drop(this)) bytes += formingBytes;
    this.reject(error);
    return bytes;
  }
}
