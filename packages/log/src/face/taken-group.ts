// A group: what the storage gets in one append, and who is told of its outcome.
import type { AppendGroup, BatchAppend, MetadataPut } from "../storage/contracts.js";
import type { Acknowledgement } from "./receipt.js";

/** Batches in several partitions that one group takes together, or none: a transaction that has its place. */
export interface TogetherOrNot {
  readonly bytes: number;
  /** The level at which all of it becomes visible. */
  readonly durability: AppendGroup["durability"];
  /** Whether it is its turn in each of its partitions. */
  readonly isReady: boolean;
  takeInto(group: TakenGroup): void;
  resolve(): void;
  reject(error: unknown): void;
  /** What it puts beside its records, in bytes, at most. */
  readonly metadataBytes: number;
  readonly metadata: readonly MetadataPut[];
  /** Gives up its places; answers the bytes that they took. */
  refuse(error: unknown): number;
}

export interface TakenBatch {
  readonly append: BatchAppend;
  /** Put with the batch, as one. */
  readonly metadata: MetadataPut | undefined;
  /** What it took while it formed. */
  readonly formingBytes: number;
  readonly needs: AppendGroup["durability"];
  readonly os: Acknowledgement | undefined;
  readonly disk: Acknowledgement | undefined;
  readonly partition: { refused(batch: TakenBatch): void; acknowledged(batch: TakenBatch): void };
  /** The offset after its last record. */
  readonly next: number;
  readonly transaction: TogetherOrNot | undefined;
}

/** What a batch takes in a group besides its bytes: with very many small ones that is most of it. */
const batchOverhead = 64;

/** What the storage gets in one append. */
export class TakenGroup {
  #taken: TakenBatch[] = [];
  #transactions = new Set<TogetherOrNot>();
  isFull = false;
  readonly #bytesMax: number;
  readonly #bytesEnough: number;
  #bytes = 0;

  /** Takes what comes until it has enough; what has to stay together may go beyond that, up to `bytesMax`. */
  constructor(bytesMax: number, bytesEnough: number) {
    this.#bytesMax = bytesMax;
    this.#bytesEnough = bytesEnough;
  }

  get batches(): readonly TakenBatch[] {
    return this.#taken;
  }

  hasRoom(bytes: number): boolean {
    if (this.#bytes >= this.#bytesEnough || this.#bytes + bytes > this.#bytesMax) this.isFull = true;
    return !this.isFull;
  }

  add(batch: TakenBatch): void {
    this.#taken.push(batch);
    if (batch.transaction !== undefined) this.#transactions.add(batch.transaction);
    this.#bytes += batch.formingBytes + batchOverhead;
  }

  addMetadata(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Takes out what belongs to a partition, and with it whatever belongs to the same transactions. */
  without(partitionId: string): TakenBatch[] {
    const gone = new Set<TogetherOrNot>();
    for (const { append, transaction } of this.#taken)
      if (append.partitionId === partitionId && transaction !== undefined) gone.add(transaction);
    const goes = ({ append, transaction }: TakenBatch): boolean =>
      append.partitionId === partitionId || (transaction !== undefined && gone.has(transaction));
    const out = this.#taken.filter(goes);
    this.#taken = this.#taken.filter((batch) => !goes(batch));
    for (const transaction of gone) this.#transactions.delete(transaction);
    return out;
  }

  /** What the storage gets. */
  toAppend(): AppendGroup {
    return {
      batches: this.#taken.map(({ append }) => append),
      durability: this.#taken.some(({ needs }) => needs === "disk") ? "disk" : "os",
      metadata: [
        ...[...this.#transactions].flatMap(({ metadata }) => metadata),
        ...this.#taken.flatMap(({ metadata }) => metadata ?? []),
      ],
    };
  }

  acknowledgeWritten(): void {
    for (const batch of this.#taken) {
      batch.os?.resolve();
      if (batch.append.visibleAt !== "disk") batch.partition.acknowledged(batch);
    }
  }

  acknowledgeDurable(): void {
    for (const batch of this.#taken) {
      batch.disk?.resolve();
      if (batch.append.visibleAt === "disk") batch.partition.acknowledged(batch);
    }
    for (const transaction of this.#transactions) transaction.resolve();
  }

  refuse(error: unknown): void {
    refuseBatches(this.#taken, error);
  }
}

const putOverhead = 64;

/** What metadata takes in the journal, at most. */
export function putBytes(puts: readonly MetadataPut[]): number {
  return puts.reduce((sum, { key, value = "" }) => sum + (key.length + value.length) * 3 + putOverhead, 0);
}

/** Those that were acknowledged at a lower level are not affected. */
export function refuseBatches(batches: readonly TakenBatch[], error: unknown): void {
  for (const batch of batches) {
    batch.os?.reject(error);
    batch.disk?.reject(error);
    batch.transaction?.reject(error);
    batch.partition.refused(batch);
  }
}
