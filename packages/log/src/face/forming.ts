// What one partition has that was not yet handed to the storage: full batches, parts of transactions, and the batch
// that forms. Offsets are given here.
import { BatchBuilder, type Bytes, type HeadersInput } from "../record/index.js";
import type { AppendGroup, BatchAppend, Durability, MetadataPut } from "../storage/contracts.js";
import { Acknowledgement, acknowledgedReceipt, type Receipt } from "./receipt.js";

export interface RecordInput {
  /** Records of one key keep their order: they go to the same partition. */
  readonly key?: Bytes | null;
  readonly value: Bytes | null;
  readonly headers?: HeadersInput;
  /** Milliseconds since 1970; default: now. */
  readonly timestamp?: number;
  /** Default: by the key's hash, as Kafka's clients do it; without a key, batch by batch in turn. */
  readonly partition?: number;
}

/** What the topic decides for its partitions. */
export interface FormingConfig {
  durability: Durability;
  compression: Parameters<BatchBuilder["seal"]>[0]["compression"];
  /** A batch that would grow beyond this is followed by another. */
  batchBytesMax: number;
}

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
  /** Gives up its places; answers the bytes that they took. */
  refuse(error: unknown): number;
}

interface FormingBatch {
  readonly builder: BatchBuilder;
  readonly baseOffset: number;
  /** Those who wait for each level, if any. */
  os?: Acknowledgement;
  disk?: Acknowledgement;
  readonly transaction?: TogetherOrNot;
}

export interface TakenBatch {
  readonly append: BatchAppend;
  /** What it took while it formed. */
  readonly formingBytes: number;
  readonly needs: AppendGroup["durability"];
  readonly os: Acknowledgement | undefined;
  readonly disk: Acknowledgement | undefined;
}

/** What the storage gets in one append. */
export class TakenGroup {
  readonly batches: TakenBatch[] = [];
  readonly transactions: TogetherOrNot[] = [];
  readonly metadata: MetadataPut[] = [];
  isFull = false;
  #bytesLeft: number;

  constructor(bytesMax: number) {
    this.#bytesLeft = bytesMax;
  }

  hasRoom(bytes: number): boolean {
    if (bytes > this.#bytesLeft) this.isFull = true;
    return !this.isFull;
  }

  add(batch: TakenBatch): void {
    this.batches.push(batch);
    this.#bytesLeft -= batch.formingBytes;
  }
}

export class FormingPartition {
  readonly id: string;
  readonly partition: number;
  readonly config: FormingConfig;
  /** Whether it is on the appender's list of partitions that have something. */
  isListed = false;
  #nextOffset: number;
  #full: FormingBatch[] = [];
  #forming: FormingBatch | undefined;
  #sizeHint = 512;
  #lastBytes = 0;

  constructor(id: string, partition: number, nextOffset: number, config: FormingConfig) {
    this.id = id;
    this.partition = partition;
    this.config = config;
    this.#nextOffset = nextOffset;
  }

  get nextOffset(): number {
    return this.#nextOffset;
  }
  /** The oldest record that has not been handed over; `nextOffset` if there is none. */
  get firstOffset(): number {
    return this.#head?.baseOffset ?? this.#nextOffset;
  }
  get isEmpty(): boolean {
    return this.#head === undefined;
  }
  /** The transaction whose turn it is here, if any. */
  get headTransaction(): TogetherOrNot | undefined {
    return this.#full[0]?.transaction;
  }

  /** Those that have parts here. */
  get transactions(): ReadonlySet<TogetherOrNot> {
    return new Set(this.#full.flatMap(({ transaction }) => transaction ?? []));
  }

  /** Copies the record; answers the bytes that this took. `sizeMax` is what the record may take at most. */
  add(record: RecordInput, timestamp: number, sizeMax: number): number {
    let forming = this.#forming;
    if (forming !== undefined && forming.builder.size + sizeMax > this.config.batchBytesMax) {
      this.#full.push(forming);
      forming = undefined;
    }
    if (forming === undefined) {
      const builder = new BatchBuilder(Math.min(this.#sizeHint, this.config.batchBytesMax));
      forming = { builder, baseOffset: this.#nextOffset };
      this.#forming = forming;
    }
    const before = forming.builder.size;
    const isFirst = forming.builder.recordCount === 0;
    forming.builder.append(record.key ?? null, record.value, record.headers, timestamp);
    this.#nextOffset++;
    this.#lastBytes = forming.builder.size - before;
    return isFirst ? forming.builder.size : this.#lastBytes;
  }

  /** A receipt for the record that was added last. */
  receipt(level: Durability): Receipt {
    const { partition } = this;
    const forming = this.#forming as FormingBatch;
    const offset = this.#nextOffset - 1;
    const bytes = this.#lastBytes;
    if (level === "memory") return acknowledgedReceipt({ partition, offset, durability: level, bytes });
    forming[level] ??= new Acknowledgement(partition, level);
    return forming[level].receipt(offset, bytes);
  }

  /** Leaves a gap: the next record gets this offset. */
  skipTo(offset: number): void {
    if (offset === this.#nextOffset) return;
    this.#cut();
    this.#nextOffset = offset;
  }

  /** Takes in a part of a transaction; answers the offset of its first record. */
  place(builder: BatchBuilder, transaction: TogetherOrNot): number {
    this.#cut();
    const baseOffset = this.#nextOffset;
    this.#full.push({ builder, baseOffset, transaction });
    this.#nextOffset += builder.recordCount;
    return baseOffset;
  }

  /** Hands over what it can; what belongs to a transaction waits until all of that one may go. */
  takeInto(group: TakenGroup): void {
    for (let head = this.#head; head !== undefined; head = this.#head) {
      const { transaction } = head;
      if (transaction !== undefined && !transaction.isReady) return;
      if (!group.hasRoom(transaction?.bytes ?? head.builder.size)) return;
      if (transaction !== undefined) transaction.takeInto(group);
      else group.add(this.#take(head));
    }
  }

  /** Hands over the parts that it has of a transaction whose turn it is. */
  takeTransaction(transaction: TogetherOrNot, group: TakenGroup): void {
    for (let head = this.#head; head?.transaction === transaction; head = this.#head) {
      group.add(this.#take(head));
    }
  }

  /** Gives up all that it has, or only what belongs to a transaction. The offsets are not given again. */
  drop(only?: TogetherOrNot): TakenBatch[] {
    const goes = (batch: FormingBatch): boolean => only === undefined || batch.transaction === only;
    const all = this.#forming === undefined ? this.#full : [...this.#full, this.#forming];
    this.#full = this.#full.filter((batch) => !goes(batch));
    if (this.#forming !== undefined && goes(this.#forming)) this.#forming = undefined;
    return all.filter(goes).map((batch) => this.#seal(batch));
  }

  get #head(): FormingBatch | undefined {
    return this.#full[0] ?? this.#forming;
  }

  #cut(): void {
    if (this.#forming !== undefined) this.#full.push(this.#forming);
    this.#forming = undefined;
  }

  #take(head: FormingBatch): TakenBatch {
    if (this.#full.shift() === undefined) this.#forming = undefined;
    return this.#seal(head);
  }

  #seal({ builder, baseOffset, os, disk, transaction }: FormingBatch): TakenBatch {
    const formingBytes = builder.size;
    this.#sizeHint = Math.ceil(formingBytes * 1.1);
    const { durability, compression } = this.config;
    const bytes = builder.seal({ baseOffset, partitionLeaderEpoch: 0, compression });
    const visibleAt = transaction?.durability ?? durability;
    return {
      os,
      disk,
      append: { partitionId: this.id, bytes, baseOffset, visibleAt },
      formingBytes,
      needs: visibleAt === "disk" || disk !== undefined ? "disk" : "os",
    };
  }
}
