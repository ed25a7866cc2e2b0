// What one partition has that was not yet handed to the storage: full batches, parts of transactions, and the batch
// that forms. Offsets are given here.
import type { LogError } from "../errors.js";
import {
  BatchBuilder,
  type Bytes,
  type HeadersInput,
  RecordBatch,
  SealedBatch,
  type SealOptions,
} from "../record/index.js";
import type { Durability, MetadataPut } from "../storage/contracts.js";
import { ProducerLedger } from "./producer-snapshot.js";
import { Acknowledgement, acknowledgedReceipt, type Receipt } from "./receipt.js";
import { putBytes, type TakenBatch, type TakenGroup, type TogetherOrNot } from "./taken-group.js";

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
  compression: SealOptions["compression"];
  timestampType: "create" | "append";
  /** A batch that would grow beyond this is followed by another. */
  batchBytesMax: number;
  /** What goes along with a batch takes no more than this. */
  readonly metadataBytesMax: number;
  /** Told of each batch that has reached the topic's durability. */
  readonly listeners: Set<AcknowledgedListener>;
}

/** Records of one partition that have reached their topic's durability, from one offset to before another. */
export interface Acknowledged {
  readonly partition: number;
  readonly from: number;
  readonly next: number;
  readonly durability: Durability;
}

export type AcknowledgedListener = (records: Acknowledged) => void;

/** Records, encoded one by one or given as a batch. */
export interface Content {
  readonly size: number;
  /** How many offsets it takes. */
  readonly recordCount: number;
  seal(options: SealOptions): Buffer;
}

interface FormingBatch<C extends Content = Content> {
  readonly builder: C;
  /** Its bytes, when it is full: sealed at once, while the storage may be busy with what came before. */
  sealed: Buffer | undefined;
  readonly baseOffset: number;
  /** What all its records get for their time, where the topic wants that. */
  appendTime: number | undefined;
  /** Those who wait for each level, if any. */
  os: Acknowledgement | undefined;
  disk: Acknowledgement | undefined;
  readonly transaction: TogetherOrNot | undefined;
  /** Put with it: what is known of producers up to its end, if it was time for that. */
  readonly metadata: MetadataPut | undefined;
}

export class FormingPartition {
  readonly id: string;
  readonly partition: number;
  readonly config: FormingConfig;
  /** Whether it is on the appender's list of partitions that have something. */
  isListed = false;
  #nextOffset: number;
  /** Those that were taken already come first: see #take. */
  #full: FormingBatch[] = [];
  #taken = 0;
  #forming: FormingBatch<BatchBuilder> | undefined;
  /** Undefined as long as no producer has numbered its batches here. */
  #ledger: ProducerLedger | undefined;
  #sizeHint = 512;
  #lastBytes = 0;
  /** Of the record that was added last, or was there before; −1 where that one was refused. */
  #lastOffset: number;

  constructor(
    id: string,
    partition: number,
    nextOffset: number,
    config: FormingConfig,
    ledger?: ProducerLedger,
  ) {
    this.id = id;
    this.partition = partition;
    this.config = config;
    this.#ledger = ledger;
    this.#nextOffset = nextOffset;
    this.#lastOffset = nextOffset - 1;
  }

  get nextOffset(): number {
    return this.#nextOffset;
  }
  get lastOffset(): number {
    return this.#lastOffset;
  }
  /** The oldest record that has not been handed over; `nextOffset` if there is none. */
  get firstOffset(): number {
    return this.#head?.baseOffset ?? this.#nextOffset;
  }
  /** What its next batch will probably take. */
  get sizeHint(): number {
    return Math.min(this.#sizeHint, this.config.batchBytesMax);
  }
  get isEmpty(): boolean {
    return this.#head === undefined;
  }
  /** The transaction whose turn it is here, if any. */
  get headTransaction(): TogetherOrNot | undefined {
    return this.#full[this.#taken]?.transaction;
  }

  /** Those that have parts here. */
  get transactions(): ReadonlySet<TogetherOrNot> {
    return new Set(this.#waiting.flatMap(({ transaction }) => transaction ?? []));
  }

  /** Copies the record; answers the bytes that this took. `sizeMax` is what the record may take at most. */
  add(record: RecordInput, now: number, sizeMax: number): number {
    let forming = this.#forming;
    const { batchBytesMax, timestampType } = this.config;
    const isStamped = timestampType === "append";
    const isFull = forming !== undefined && forming.builder.size + sizeMax > batchBytesMax;
    // The topic may have been altered.
    const isOther = forming !== undefined && (forming.appendTime !== undefined) !== isStamped;
    if (forming !== undefined && (isFull || isOther)) {
      forming.sealed = this.#bytesOf(forming);
      this.#full.push(forming);
      forming = undefined;
    }
    if (forming === undefined) {
      const builder = new BatchBuilder(this.sizeHint);
      forming = {
        builder,
        sealed: undefined,
        baseOffset: this.#nextOffset,
        appendTime: undefined,
        os: undefined,
        disk: undefined,
        transaction: undefined,
        metadata: undefined,
      };
      this.#forming = forming;
    }
    const before = forming.builder.size;
    const isFirst = forming.builder.recordCount === 0;
    const timestamp = isStamped ? now : (record.timestamp ?? now);
    forming.builder.append(record.key ?? null, record.value, record.headers, timestamp);
    if (isStamped) forming.appendTime = forming.builder.maxTimestamp;
    this.#lastOffset = this.#nextOffset++;
    this.#lastBytes = forming.builder.size - before;
    return isFirst ? forming.builder.size : this.#lastBytes;
  }

  /** A receipt for the record that was added last. */
  receipt(level: Durability): Receipt {
    return this.#receiptIn(this.#forming as FormingBatch, this.#nextOffset - 1, this.#lastBytes, level);
  }

  get ledger(): ProducerLedger | undefined {
    return this.#ledger;
  }

  /** See {@link Producers.find}. */
  findBatch({ batch }: SealedBatch): number | LogError | undefined {
    return this.#ledger?.find(batch);
  }

  /** Takes in a batch as it is; answers a receipt for its first record. `isNoted`: so that it is found again. */
  addBatch(content: SealedBatch, level: Durability, isNoted: boolean, now: number): Receipt {
    const { batch } = content;
    let metadata: MetadataPut | undefined;
    if (isNoted && batch.producerId >= 0) {
      this.#ledger ??= new ProducerLedger(this.id);
      metadata = this.#ledger.add(batch, this.#nextOffset, now, this.config.metadataBytesMax);
    }
    const added = this.#push(content, undefined, now, metadata);
    return this.#receiptIn(added, added.baseOffset, content.size, level);
  }

  /** Leaves a gap: the next record gets this offset. */
  skipTo(offset: number): void {
    if (offset === this.#nextOffset) return;
    this.#cut();
    this.#nextOffset = offset;
  }

  /** Takes in a part of a transaction, or the marker that ends a producer's; answers the offset of its first record. */
  place(content: Content, transaction: TogetherOrNot, now: number): number {
    if (content instanceof SealedBatch && content.batch.isControl) {
      this.#ledger ??= new ProducerLedger(this.id);
      this.#ledger.end(content.batch, this.#nextOffset);
    }
    return this.#push(content, transaction, now).baseOffset;
  }

  /** Hands over what it can; what belongs to a transaction waits until all of that one may go. */
  takeInto(group: TakenGroup): void {
    for (let head = this.#head; head !== undefined; head = this.#head) {
      const { transaction, metadata } = head;
      if (transaction !== undefined && !transaction.isReady) return;
      const metadataBytes = metadata === undefined ? 0 : putBytes([metadata]);
      const bytes =
        transaction === undefined
          ? head.builder.size + metadataBytes
          : transaction.bytes + transaction.metadataBytes;
      if (!group.hasRoom(bytes)) return;
      group.addMetadata(metadataBytes);
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
    this.forgetLast();
    const waiting = this.#waiting;
    const all = this.#forming === undefined ? waiting : [...waiting, this.#forming];
    this.#full = waiting.filter((batch) => !goes(batch));
    this.#taken = 0;
    if (this.#forming !== undefined && goes(this.#forming)) this.#forming = undefined;
    const dropped = all.filter(goes).map((batch) => this.#seal(batch));
    for (const taken of dropped) this.refused(taken);
    return dropped;
  }

  /** It was handed over and is not stored: whoever sends it again must not be told that it is. */
  refused({ append }: Pick<TakenBatch, "append">): void {
    this.forgetLast();
    this.#ledger?.refused(new RecordBatch(append.bytes));
  }

  forgetLast(): void {
    this.#lastOffset = -1;
  }

  acknowledged({ append, next }: TakenBatch): void {
    this.#ledger?.producers.ended(append.baseOffset);
    const { listeners } = this.config;
    if (listeners.size === 0) return;
    const { baseOffset: from, visibleAt: durability } = append;
    for (const listener of listeners) {
      try {
        listener({ partition: this.partition, from, next, durability });
      } catch (error) {
        // The listener's own fault, and nobody else's.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  get #head(): FormingBatch | undefined {
    return this.#full[this.#taken] ?? this.#forming;
  }

  get #waiting(): FormingBatch[] {
    return this.#full.slice(this.#taken);
  }

  #push(
    builder: Content,
    transaction: TogetherOrNot | undefined,
    now: number,
    metadata?: MetadataPut,
  ): FormingBatch {
    this.#cut();
    const batch: FormingBatch = {
      builder,
      sealed: undefined,
      baseOffset: this.#nextOffset,
      appendTime: this.config.timestampType === "append" ? now : undefined,
      os: undefined,
      disk: undefined,
      transaction,
      metadata,
    };
    this.#full.push(batch);
    this.#nextOffset += builder.recordCount;
    this.#lastOffset = this.#nextOffset - 1;
    return batch;
  }

  #receiptIn(batch: FormingBatch, offset: number, bytes: number, level: Durability): Receipt {
    const { partition } = this;
    if (level === "memory") return acknowledgedReceipt({ partition, offset, durability: level, bytes });
    batch[level] ??= new Acknowledgement(partition, level);
    return batch[level].receipt(offset, bytes);
  }

  #cut(): void {
    if (this.#forming !== undefined) this.#full.push(this.#forming);
    this.#forming = undefined;
  }

  #take(head: FormingBatch): TakenBatch {
    if (this.#full.length === 0) this.#forming = undefined;
    else if (++this.#taken * 2 >= this.#full.length) {
      // Seldom, and not one by one: very many small batches may wait.
      this.#full = this.#waiting;
      this.#taken = 0;
    }
    return this.#seal(head);
  }

  #bytesOf({ builder, sealed, baseOffset, appendTime }: FormingBatch): Buffer {
    if (builder instanceof BatchBuilder) this.#sizeHint = Math.ceil(builder.size * 1.1);
    const { compression } = this.config;
    return sealed ?? builder.seal({ baseOffset, partitionLeaderEpoch: 0, compression, appendTime });
  }

  #seal(batch: FormingBatch): TakenBatch {
    const { builder, baseOffset, os, disk, transaction, metadata } = batch;
    const { size: formingBytes, recordCount } = builder;
    const { durability } = this.config;
    const bytes = this.#bytesOf(batch);
    const visibleAt = transaction?.durability ?? durability;
    return {
      os,
      disk,
      partition: this,
      transaction,
      next: baseOffset + recordCount,
      append: { partitionId: this.id, bytes, baseOffset, visibleAt },
      metadata,
      formingBytes,
      needs: visibleAt === "disk" || disk !== undefined ? "disk" : "os",
    };
  }
}
