// Several appends and consumer commits as one: all of it, or nothing, for readers and across a crash. Records are
// encoded as they are added and get their offsets together at the end.
import type { Clock } from "../clock.js";
import { LogError } from "../errors.js";
import { BatchBuilder, recordSizeMax } from "../record/index.js";
import type { Durability, LogStorage, MetadataPut } from "../storage/contracts.js";
import { checkTransactionOptions, tooLarge } from "./append-checks.js";
import type { AppendOptions } from "./append-options.js";
import type { Appender, AppendTarget } from "./appender.js";
import type { FormingPartition, RecordInput } from "./forming.js";
import { PlacedTransaction, type TransactionPart } from "./placed-transaction.js";
import type { AppendResult } from "./receipt.js";
import { putBytes } from "./taken-group.js";

/** A topic, as far as a transaction is concerned. */
export interface TransactionTarget extends AppendTarget {
  /** @internal */
  readonly storage: LogStorage;
  /** Checks the record; throws if the topic cannot take it. */
  accept(record: RecordInput): void;
  /** Throws if the log was closed or the topic deleted. */
  check(): void;
}

/** What a consumer adds: its progress, and what to do once that counts. */
export interface Progress {
  readonly storage: LogStorage;
  readonly puts: readonly MetadataPut[];
  committed(): void;
}

/** Something whose progress can be part of a transaction. */
export interface ProgressSource<T> {
  progress(upTo?: T): Progress;
}

export type TransactionOptions = Pick<AppendOptions, "durability" | "wait" | "signal">;

interface Entry {
  readonly part: number;
  /** Its place within the part. */
  readonly index: number;
  readonly bytes: number;
}

/** What shall be put with a transaction once its offsets are known. */
export interface More {
  /** How many bytes that takes at most. */
  readonly bytes: number;
  puts(baseOffsets: readonly number[]): readonly MetadataPut[];
}

export class Transaction {
  readonly #storage: LogStorage;
  readonly #clock: Clock;
  readonly #targets = new Set<TransactionTarget>();
  readonly #parts: TransactionPart[] = [];
  /** The part of each partition that still takes records. */
  readonly #open = new Map<FormingPartition, number>();
  readonly #entries: Entry[] = [];
  readonly #progress: Progress[] = [];
  #level: Exclude<Durability, "memory"> = "os";
  #isOver = false;
  #begunAt: number | undefined;

  /** Use {@link Log.transaction}. */
  constructor(storage: LogStorage, clock: Clock) {
    const { atomicGroups, name } = storage.manifest;
    if (!atomicGroups) throw new LogError("UNSUPPORTED", `the driver "${name}" has no transactions`);
    this.#storage = storage;
    this.#clock = clock;
  }

  /**
   * Adds a record. Key and value are copied before the call returns.
   *
   * @throws LogError RECORD_TOO_LARGE, INVALID_ARGUMENT, PARTITION_NOT_FOUND, TOPIC_NOT_FOUND, READ_ONLY, CLOSED.
   */
  append(topic: TransactionTarget, record: RecordInput): void {
    this.#refuseOver();
    this.#refuseForeign(topic);
    topic.accept(record);
    const size = recordSizeMax(record.key ?? null, record.value, record.headers);
    const excess = tooLarge(size, topic);
    if (excess !== undefined) throw excess;
    const partition = topic.choose(record);
    const part = this.#partFor(partition, size);
    const { builder } = this.#parts[part] as TransactionPart;
    const before = builder.size;
    const index = builder.recordCount;
    builder.append(record.key ?? null, record.value, record.headers, record.timestamp ?? this.#now());
    this.#entries.push({ part, index, bytes: builder.size - before });
    this.#targets.add(topic);
    if (partition.config.durability === "disk") this.#level = "disk";
  }

  /** Adds the progress of a consumer: of all that it has given out, or up to and including a record. */
  commit<T>(consumer: ProgressSource<T>, upTo?: T): void {
    this.#refuseOver();
    const progress = upTo === undefined ? consumer.progress() : consumer.progress(upTo);
    this.#refuseForeign(progress);
    this.#progress.push(progress);
  }

  /** @internal The partition of each record, in turn. */
  get partitions(): number[] {
    return this.#entries.map(({ part }) => (this.#parts[part] as TransactionPart).partition.partition);
  }

  /** @internal The callback failed: nothing of it will be there. */
  abandon(): void {
    this.#isOver = true;
  }

  /** @internal Settles when all of it has reached its durability, with a result for each append in turn. */
  async finish(
    appender: Appender,
    options: TransactionOptions,
    more: More = { bytes: 0, puts: () => [] },
  ): Promise<AppendResult[]> {
    this.#refuseOver();
    this.#isOver = true;
    checkTransactionOptions(options);
    const puts = this.#progress.flatMap((progress) => progress.puts);
    let baseOffsets: readonly number[] = [];
    const durability = this.#durability(options);
    if (this.#parts.length > 0) {
      const metadata = (offsets: readonly number[]): MetadataPut[] => [...puts, ...more.puts(offsets)];
      const metadataBytes = more.bytes + putBytes(puts);
      const placed = await appender.transact(this.#unplaced(durability, metadataBytes, metadata), options);
      await placed.done;
      ({ baseOffsets } = placed);
    } else if (puts.length > 0) {
      await this.#storage.append({ batches: [], metadata: puts, durability: "disk" }).durable;
    }
    for (const progress of this.#progress) progress.committed();
    return this.#entries.map(({ part, index, bytes }) => ({
      partition: (this.#parts[part] as TransactionPart).partition.partition,
      offset: (baseOffsets[part] as number) + index,
      durability,
      bytes,
    }));
  }

  #unplaced(
    durability: Exclude<Durability, "memory">,
    metadataBytes: number,
    metadata: (baseOffsets: readonly number[]) => readonly MetadataPut[],
  ): Parameters<Appender["transact"]>[0] {
    const parts = this.#parts;
    const bytes = parts.reduce((sum, { builder }) => sum + builder.size, 0);
    return {
      bytes,
      metadataBytes,
      partitions: parts.map(({ partition }) => partition),
      concerns: (target) => this.#targets.has(target as TransactionTarget),
      place: (now) => {
        for (const target of this.#targets) target.check();
        return new PlacedTransaction(parts, durability, bytes, metadataBytes, metadata, now);
      },
    };
  }

  /** The strongest of its topics' and of what the caller chose: all of it becomes visible at once. */
  #durability({ durability }: TransactionOptions): Exclude<Durability, "memory"> {
    return durability === "disk" ? "disk" : this.#level;
  }

  /** All of it happens at one time. */
  #now(): number {
    this.#begunAt ??= this.#clock.now();
    return this.#begunAt;
  }

  #partFor(partition: FormingPartition, size: number): number {
    const open = this.#open.get(partition);
    const isOpen = open !== undefined;
    if (
      isOpen &&
      (this.#parts[open] as TransactionPart).builder.size + size <= partition.config.batchBytesMax
    )
      return open;
    const part =
      this.#parts.push({ partition, builder: new BatchBuilder(Math.max(partition.sizeHint, size)) }) - 1;
    this.#open.set(partition, part);
    return part;
  }

  #refuseForeign({ storage }: { readonly storage: LogStorage }): void {
    if (storage === this.#storage) return;
    throw new LogError("INVALID_ARGUMENT", "a transaction is over topics and consumers of one log");
  }

  #refuseOver(): void {
    if (this.#isOver) throw new LogError("CLOSED", "the transaction is over: begin another one");
  }
}
