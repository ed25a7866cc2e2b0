// A topic as users see it: append, read, describe, change. Made by the log, which keeps one per name.
import type { ReadableStream, WritableStream } from "node:stream/web";
import type { Clock } from "../clock.js";
import { LogError } from "../errors.js";
import { checkInteger, isCompacted, type TopicConfig } from "../options.js";
import { batchHeaderBytes, compressionRefusal, type LogRecord } from "../record/index.js";
import type { LogStorage, PartitionDescription, PartitionName } from "../storage/contracts.js";
import { Watchers } from "../watchers.js";
import {
  batchRefusal,
  keysRefusal,
  optionsRefusal,
  partitionError,
  recordRefusal,
  sealedBatch,
} from "./append-checks.js";
import type { AppendBatchOptions, AppendOptions } from "./append-options.js";
import type { Appender, AppendTarget } from "./appender.js";
import type { Compaction, CompactionResult } from "./compaction.js";
import type { Consumer } from "./consumer.js";
import type { ConsumerOptions } from "./consumer-options.js";
import { Deduplication } from "./deduplication.js";
import { FollowedLedger } from "./followed-ledger.js";
import {
  type AcknowledgedListener,
  type FormingConfig,
  FormingPartition,
  type RecordInput,
} from "./forming.js";
import type { Committed } from "./metadata-values.js";
import { Partition } from "./partition.js";
import { Partitioner } from "./partitioner.js";
import { deleteRecords, ProducerLedger, wakeReaders } from "./producer-snapshot.js";
import type { ReadSource } from "./read-source.js";
import { checkReadOptions, type ReadOptions } from "./reading.js";
import { type AppendResult, type Receipt, refusedReceipt } from "./receipt.js";
import { type Retention, type RetentionResult, refuseReadOnly } from "./retention.js";
import { Closable, readableOf, writableOf } from "./streams.js";
import { type CommitPlace, type GroupDescription, TopicGroups } from "./topic-groups.js";
import { readTopic } from "./topic-reading.js";
import { type Progress, Transaction, type TransactionOptions } from "./transaction.js";

/** What the log lends to its topics. */
export interface TopicHost {
  readonly storage: LogStorage;
  readonly clock: Clock;
  readonly appender: Appender;
  readonly consumers: Set<Consumer>;
  readonly retention: Retention;
  readonly compaction: Compaction;
  isClosed(): boolean;
  alterTopic(name: string, changes: Partial<TopicConfig>): Promise<TopicConfig>;
}

export interface TopicDescription {
  readonly name: string;
  readonly topicId: string;
  readonly config: TopicConfig;
  readonly partitions: readonly (PartitionDescription & { readonly partition: number })[];
}

export class Topic implements AppendTarget {
  readonly name: string;
  readonly topicId: string;
  readonly #host: TopicHost;
  readonly #forming: FormingPartition[] = [];
  readonly #partitions: Partition[] = [];
  readonly #sources: ReadSource[] = [];
  readonly #listeners = new Set<AcknowledgedListener>();
  readonly #formingConfig: FormingConfig;
  readonly #deduplication: Deduplication;
  readonly #groups: TopicGroups;
  #config: TopicConfig;
  /** Why it takes no records, if a package is missing. */
  #codecRefusal: LogError | undefined;
  readonly #partitioner = new Partitioner();
  /** Readers of all partitions, with how many they know. */
  readonly #growth = new Watchers<number>();
  #isDeleted = false;

  /** Use {@link Log.topic}. */
  constructor(host: TopicHost, name: string, topicId: string, config: TopicConfig) {
    this.#host = host;
    this.name = name;
    this.topicId = topicId;
    this.#config = config;
    this.#groups = new TopicGroups({
      storage: host.storage,
      clock: host.clock,
      topic: name,
      topicId,
      sources: this.#sources,
      consumers: host.consumers,
      growth: async (known, signal) => {
        if (this.#sources.length <= known) await this.#growth.wait(known, signal);
      },
      check: () => {
        if (this.#isDeleted) throw deletedError(name);
      },
      committed: () => host.retention.committed(this),
    });
    this.#deduplication = new Deduplication(host.storage, host.appender, host.clock, topicId);
    this.#formingConfig = this.#formingConfigOf(config);
  }

  /** @internal */
  get storage(): LogStorage {
    return this.#host.storage;
  }
  get isDeleted(): boolean {
    return this.#isDeleted;
  }
  /** The topic's settings as they are now. */
  get config(): TopicConfig {
    return this.#config;
  }
  get partitionCount(): number {
    return this.#partitions.length;
  }
  /** @internal What each partition has, by number. */
  get formingPartitions(): readonly FormingPartition[] {
    return this.#forming;
  }
  get batchBytesMax(): number {
    return this.#formingConfig.batchBytesMax;
  }

  /**
   * Appends a record. The receipt knows its offset at once; awaiting it waits until the record has reached its
   * durability. Key and value are copied before the call returns, unless the append has to wait for room.
   * Rejects with RECORD_TOO_LARGE, BACKPRESSURE, JOURNAL_FAILED, READ_ONLY, CLOSED.
   */
  append(record: RecordInput, options: AppendOptions = {}): Receipt {
    const refusal = this.#refusal(record, options);
    if (refusal !== undefined) return refusedReceipt(record?.partition ?? -1, refusal);
    if (options.dedupeId !== undefined) return this.#appendOnce(record, options.dedupeId, options);
    return this.#host.appender.append(this, record, options);
  }

  /**
   * Appends a whole record batch as it is, for whoever passes batches on: what {@link Partition.readRaw} gave, or what a
   * client of Kafka's has sent. It is checked, not decoded, and handed over: its offsets and its leader epoch are
   * written into the bytes, and the time of the append where the topic's `timestampType` wants it. The receipt's offset
   * is that of the first record.
   * Rejects with CORRUPT_BATCH, NUMBER_TOO_LARGE, RECORD_TOO_LARGE, on a compacted topic INVALID_ARGUMENT for a record
   * without a key, if it is told to be idempotent OUT_OF_ORDER_SEQUENCE
   * and PRODUCER_FENCED, and for what {@link Topic.append} rejects.
   */
  appendBatch(partition: number, batch: Uint8Array, options: AppendBatchOptions = {}): Receipt {
    const forming = this.#forming[partition];
    const refusal =
      this.#closedToAppends() ??
      batchRefusal(batch, this.batchBytesMax, options) ??
      (isCompacted(this.#config) ? keysRefusal(batch, this.name) : undefined);
    if (refusal !== undefined) return refusedReceipt(partition, refusal);
    if (forming === undefined) {
      return refusedReceipt(partition, partitionError(this.name, partition, this.#forming.length));
    }
    return this.#host.appender.appendBatch(this, forming, sealedBatch(batch), options);
  }

  /**
   * One stream of completions: `listener` is told of the records of each batch, in order within a partition, once they
   * have reached the topic's durability. Answers a function that ends it.
   */
  onAcknowledged(listener: AcknowledgedListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Appends several records as one: all of them or none, see {@link Log.transaction}. */
  async appendAll(
    records: Iterable<RecordInput>,
    options: TransactionOptions = {},
  ): Promise<readonly AppendResult[]> {
    const transaction = new Transaction(this.storage, this.#host.clock);
    for (const record of records) transaction.append(this, record);
    return transaction.finish(this.#host.appender, options);
  }

  /** One partition, by its number. PARTITION_NOT_FOUND if there is none. */
  partition(number: number): Partition {
    return this.#partitions[number] ?? this.#noPartition(number);
  }

  /**
   * Records of all partitions: in order within each, one partition's run after the other's. An offset in `from` or
   * `until` counts for each partition.
   */
  read(options: ReadOptions = {}): AsyncIterableIterator<LogRecord, undefined> {
    checkReadOptions(options);
    const sources = { all: this.#sources, growth: this.#growth, check: () => this.check() };
    return new Closable((signal) => readTopic(sources, { ...options, signal }), options.signal);
  }

  /**
   * Joins a named group, which reads the topic's records at least once; what it has committed is kept with the log.
   * Consumers of one group in this process share the partitions. Leaving its loop closes it, unless commits are explicit.
   */
  consumer(group: string, options: ConsumerOptions = {}): Consumer {
    this.check();
    return this.#groups.consumer(group, options);
  }

  /** The groups that have committed here, and how far each is behind. */
  async groups(): Promise<GroupDescription[]> {
    this.check();
    return this.#groups.describe();
  }

  /** What a group has committed, by partition: for whoever reads on its behalf without being a consumer. */
  async committed(group: string): Promise<ReadonlyMap<number, Committed>> {
    this.check();
    return this.#groups.committed(group);
  }

  /** Commits for a group, durably: where it goes on in each partition, backwards too. Undefined forgets a partition. */
  async commit(group: string, places: ReadonlyMap<number, CommitPlace | undefined>): Promise<void> {
    this.check();
    await this.#groups.commit(group, places);
  }

  /** Forgets a group: it no longer holds records back, and begins anew if it comes back. */
  async deleteGroup(group: string): Promise<void> {
    this.check();
    await this.#groups.delete(group);
  }

  /** @internal Forgets places of groups that are not in use: see TopicGroups. */
  expire(isOver: (group: string, committed: Committed) => boolean): Promise<void> {
    return this.#groups.expire(isOver);
  }

  /** {@link Topic.read} as a web stream; cancel it to end early. */
  readable(options: ReadOptions = {}): ReadableStream<LogRecord> {
    return readableOf(this.read(options));
  }

  /** Appends what is written to it. It closes when all of that is acknowledged, and fails when one append does. */
  writable(options: AppendOptions = {}): WritableStream<RecordInput> {
    return writableOf((record) => this.append(record, options));
  }

  async describe(): Promise<TopicDescription> {
    this.check();
    const partitions = await Promise.all(
      this.#partitions.map(async (partition) => ({
        partition: partition.number,
        ...(await partition.describe()),
      })),
    );
    return { name: this.name, topicId: this.topicId, config: this.config, partitions };
  }

  /**
   * Deletes now what retention would delete anyway, and tells of each partition what went and why the rest is kept;
   * with `dryRun` it only tells.
   */
  async retain({ dryRun = false }: { readonly dryRun?: boolean } = {}): Promise<RetentionResult[]> {
    this.check();
    if (!dryRun) refuseReadOnly(this.#host.storage);
    return this.#host.retention.retain(this, dryRun);
  }

  /**
   * Compacts now what may be compacted, whenever that would be due by itself, and tells of each partition what went. The
   * segment that is written to is left alone.
   *
   * @throws LogError INVALID_ARGUMENT unless the topic's `cleanup` says that it is compacted; READ_ONLY, DISK_FULL, IO.
   */
  async compact({ signal }: { readonly signal?: AbortSignal } = {}): Promise<CompactionResult[]> {
    this.check();
    return this.#host.compaction.compact(this, signal);
  }

  /** Deletes all records; offsets go on from where they are. */
  async clear(): Promise<void> {
    for (const partition of this.#partitions) await partition.deleteRecords("latest");
  }

  /** Changes settings; they are stored with the topic. `partitions` may only grow. */
  async alter(changes: Partial<TopicConfig>): Promise<TopicConfig> {
    this.check();
    return this.#host.alterTopic(this.name, changes);
  }

  /** @internal Called by the log when the settings or the number of partitions changed. */
  async adopt(config: TopicConfig, names: readonly PartitionName[]): Promise<void> {
    if (this.#partitions.length === 0) await this.#deduplication.load();
    this.#config = config;
    this.#codecRefusal = compressionRefusal(config.compression);
    Object.assign(this.#formingConfig, this.#formingConfigOf(config));
    const { storage, clock } = this.#host;
    for (const { id, partition } of names.slice(this.#partitions.length)) {
      const { logEndOffset } = await storage.describe(id);
      // A reader beside the writer does not hear of what producers do from now on: it looks.
      const followed = storage.manifest.readOnly ? new FollowedLedger(storage, clock, id) : undefined;
      const ledger = followed ? undefined : await ProducerLedger.load(storage, id, clock.now());
      const forming = new FormingPartition(id, partition, logEndOffset, this.#formingConfig, ledger);
      const source: ReadSource = {
        storage,
        topic: this.name,
        id,
        partition,
        settle: () => this.#settle(forming),
        check: () => this.check(),
        ledger: () => (followed ?? forming).ledger,
        ...(followed && { catchUp: () => followed.catchUp() }),
        deleteRecords: (before) => deleteRecords(storage, forming, before, clock.now()),
      };
      this.#forming.push(forming);
      this.#sources.push(source);
      this.#partitions.push(new Partition(this.name, source));
    }
    this.#growth.notify((count) => count < this.#sources.length);
  }

  /** @internal Throws if a transaction cannot append the record. */
  accept(record: RecordInput): void {
    const refusal = this.#refusal(record, {});
    if (refusal !== undefined) throw refusal;
  }

  /** @internal Refuses what has not reached the storage, and whatever comes. */
  markDeleted(): void {
    this.#isDeleted = true;
    this.#host.appender.forget(this, this.#forming, deletedError(this.name));
    wakeReaders(this.#forming);
  }

  /** @internal A commit of a group that is to be part of a transaction. */
  progress(group: string, places: ReadonlyMap<number, CommitPlace>): Progress {
    this.check();
    return this.#groups.progress(group, places);
  }

  /** @internal See {@link Partitioner}. */
  choose(record: RecordInput): FormingPartition {
    return this.#partitioner.choose(record, this.#forming);
  }

  #appendOnce(record: RecordInput, id: string, options: AppendOptions): Receipt {
    try {
      return this.#deduplication.append(this, record, { producer: options.producer ?? "", id }, options);
    } catch (error) {
      return refusedReceipt(record.partition ?? -1, error);
    }
  }

  /** @internal */
  check(): void {
    const gone = this.#goneError();
    if (gone !== undefined) throw gone;
  }

  #goneError(): LogError | undefined {
    if (this.#host.isClosed()) return new LogError("CLOSED", "the log is closed");
    return this.#isDeleted ? deletedError(this.name) : undefined;
  }

  #closedToAppends(): LogError | undefined {
    const gone = this.#goneError();
    if (gone !== undefined || !this.#host.storage.manifest.readOnly) return gone;
    return new LogError("READ_ONLY", "the log was opened read-only: open it without readOnly to append");
  }

  #refusal(record: RecordInput, options: AppendOptions): LogError | undefined {
    const refusal = this.#closedToAppends() ?? this.#codecRefusal;
    if (refusal !== undefined) return refusal;
    const partitions = this.#forming.length;
    const needsKey = isCompacted(this.#config);
    return (
      recordRefusal(record, this.name, partitions, needsKey) ?? optionsRefusal(options, record, partitions)
    );
  }

  /** What is acknowledged must be visible; that of a memory topic may still be forming, and stays so on a full disk. */
  async #settle(forming: FormingPartition): Promise<void> {
    if (this.#config.durability === "memory") await this.#host.appender.handOver(forming);
  }

  #formingConfigOf({ durability, compression, timestampType, maxMessageBytes }: TopicConfig): FormingConfig {
    const { groupBytesMax } = this.#host.storage.manifest;
    const batchBytesMax = Math.max(batchHeaderBytes, Math.min(maxMessageBytes, groupBytesMax));
    const bounds = { batchBytesMax, metadataBytesMax: Math.floor(groupBytesMax / 4) };
    return { durability, compression, timestampType, ...bounds, listeners: this.#listeners };
  }

  #noPartition(number: number): never {
    checkInteger("partition", number, 0);
    throw partitionError(this.name, number, this.#partitions.length);
  }
}

function deletedError(name: string): LogError {
  return new LogError("TOPIC_NOT_FOUND", `the topic "${name}" was deleted`, { details: { topic: name } });
}
