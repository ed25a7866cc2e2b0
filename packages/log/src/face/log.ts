// The log as users see it: topics by name, sync, figures, close. It keeps the catalogue of topics in the metadata store
// and looks after retention. It sees the storage through its contract and nothing else.
import type { Clock } from "../clock.js";
import { LogError } from "../errors.js";
import { checkTopicName, type LogSettings, type TopicConfig, topicConfig } from "../options.js";
import { requireCompression } from "../record/index.js";
import type { LogStorage, PartitionConfig, PartitionName, StorageCounters } from "../storage/contracts.js";
import { Appender } from "./appender.js";
import { Compaction, refuseUnsupported } from "./compaction.js";
import type { Consumer } from "./consumer.js";
import { dedupePrefix } from "./deduplication.js";
import { endTransaction, type TransactionEnd } from "./end-transaction.js";
import { groupPrefix } from "./group.js";
import { groupOf, readTopicEntry, type TopicEntry, topicEntryText } from "./metadata-values.js";
import { producersPrefixOf, saveAll, wakeReaders } from "./producer-snapshot.js";
import type { AppendResult } from "./receipt.js";
import { Retention, refuseReadOnly, type StalledGroup } from "./retention.js";
import { Topic, type TopicDescription, type TopicHost } from "./topic.js";
import { Transaction, type TransactionOptions } from "./transaction.js";

export interface LogStats {
  readonly topics: readonly TopicDescription[];
  /** Records whose batches have not been handed to the storage yet, and appends that wait for room, in bytes. */
  readonly formingBytes: number;
  readonly waitingBytes: number;
  /** Groups that hold records back of a topic whose `cleanup` is "consumed", as of the last look. */
  readonly stalled: readonly StalledGroup[];
  readonly storage: StorageCounters;
}

const topicPrefix = "topic/";
const formingShare = 0.25;

export class Log {
  readonly #storage: LogStorage;
  readonly #clock: Clock;
  readonly #host: TopicHost;
  readonly #appender: Appender;
  readonly #consumers = new Set<Consumer>();
  readonly #topics = new Map<string, Topic>();
  readonly #turns = new Map<string, Promise<void>>();
  readonly #retention: Retention;
  readonly #compaction: Compaction;
  #closed: Promise<void> | undefined;

  /** Use {@link openLog}. */
  constructor(storage: LogStorage, clock: Clock, settings: LogSettings) {
    this.#storage = storage;
    this.#clock = clock;
    this.#appender = new Appender(storage, clock, {
      formingBytesMax: Math.floor(settings.tailBytesMax * formingShare),
      waitingBytesMax: settings.waitingBytesMax,
      lingerMs: settings.lingerMs,
      syncEveryMs: settings.syncEveryMs,
    });
    const openTopics = async (): Promise<Topic[]> => {
      const topics = await Promise.all((await this.topics()).map((name) => this.#findTopic(name)));
      return topics.filter((topic) => topic !== undefined);
    };
    this.#compaction = new Compaction(storage, clock, openTopics);
    this.#retention = new Retention(storage, clock, settings, openTopics, () => this.#compaction.look());
    this.#host = {
      storage,
      clock,
      appender: this.#appender,
      consumers: this.#consumers,
      retention: this.#retention,
      compaction: this.#compaction,
      isClosed: () => this.#closed !== undefined,
      alterTopic: (name, changes) => this.#alter(name, changes),
    };
  }

  /** @internal */
  get storage(): LogStorage {
    return this.#storage;
  }
  /** @internal */
  get clock(): Clock {
    return this.#clock;
  }

  /** @internal Begins to look after retention and compaction. */
  start(): void {
    if (!this.#storage.manifest.readOnly) this.#retention.start();
  }

  /**
   * Opens a topic, or makes it. Settings count when it is made; one that exists must have those that are given
   * (TOPIC_EXISTS otherwise: see {@link Topic.alter}).
   */
  async topic(name: string, config: Partial<TopicConfig> = {}): Promise<Topic> {
    const checked = topicConfig(config);
    const topic = await this.#exclusively(
      name,
      async () => (await this.#open(name)) ?? this.#make(name, checked),
    );
    for (const [option, wanted] of Object.entries(config) as [keyof TopicConfig, unknown][]) {
      if (wanted === undefined || topic.config[option] === wanted) continue;
      const message = `the topic "${name}" exists with ${option} ${topic.config[option]}, not ${String(wanted)}: alter it`;
      throw new LogError("TOPIC_EXISTS", message, { details: { topic: name, option } });
    }
    return topic;
  }

  /** Makes a topic; TOPIC_EXISTS if there is one. */
  async createTopic(name: string, config: Partial<TopicConfig> = {}): Promise<Topic> {
    const checked = topicConfig(config);
    return this.#exclusively(name, async () => {
      refuseReadOnly(this.#storage);
      if ((await this.#open(name)) === undefined) return this.#make(name, checked);
      throw new LogError("TOPIC_EXISTS", `the topic "${name}" exists already`, { details: { topic: name } });
    });
  }

  /** Opens a topic that exists; TOPIC_NOT_FOUND otherwise. */
  async existingTopic(name: string): Promise<Topic> {
    return this.#exclusively(name, async () => (await this.#open(name)) ?? notFound(name));
  }

  /** Whether there is a topic of that name. */
  async hasTopic(name: string): Promise<boolean> {
    this.#refuseClosed();
    checkTopicName(name);
    return (await this.#storage.metadata.get(topicPrefix + name)) !== undefined;
  }

  /** Names of all topics, sorted. */
  async topics(): Promise<string[]> {
    this.#refuseClosed();
    const entries = await this.#storage.metadata.list(topicPrefix);
    return entries.map(({ key }) => key.slice(topicPrefix.length));
  }

  /** Names of all groups that have committed anything, in any topic, sorted. */
  async groups(): Promise<string[]> {
    this.#refuseClosed();
    const entries = await this.#storage.metadata.list("group/");
    return [...new Set(entries.map(({ key }) => groupOf(key)))].sort();
  }

  /** Deletes a topic with all its records; TOPIC_NOT_FOUND if there is none. Appends not yet durable are refused. */
  async deleteTopic(name: string): Promise<void> {
    await this.#exclusively(name, async () => {
      const topic = (await this.#open(name)) ?? notFound(name);
      refuseReadOnly(this.#storage);
      topic.markDeleted();
      this.#topics.delete(name);
      // What groups and producers have put already is known to the store by then, and goes too.
      await this.#storage.append({ batches: [], durability: "disk", force: true }).durable;
      const ids = partitionNames(name, topic).map(({ id }) => id);
      const remembered = await Promise.all(
        [dedupePrefix, groupPrefix, producersPrefixOf].map((prefix) =>
          this.#storage.metadata.list(prefix(topic.topicId)),
        ),
      );
      const puts = [topicPrefix + name, ...remembered.flat().map(({ key }) => key)].map((key) => ({
        key,
        value: undefined,
      }));
      await this.#storage.deletePartitions(ids, puts);
    });
  }

  /**
   * Appends to several topics and partitions, and commits consumers' progress, as one: readers see all of it at once,
   * and a crash leaves all of it or nothing. If `action` throws, nothing of it is there. Answers a result for each append,
   * in turn. TRANSACTION_TOO_LARGE, BACKPRESSURE, JOURNAL_FAILED, CLOSED; UNSUPPORTED where the driver cannot do it.
   */
  async transaction(
    action: (transaction: Transaction) => void | Promise<void>,
    options: TransactionOptions = {},
  ): Promise<readonly AppendResult[]> {
    this.#refuseClosed();
    const transaction = new Transaction(this.#storage, this.#clock);
    try {
      await action(transaction);
    } catch (error) {
      transaction.abandon();
      throw error;
    }
    return transaction.finish(this.#appender, options);
  }

  /** @internal Ends what one of Kafka's producers has open: see {@link endTransaction}. */
  async endTransaction(end: TransactionEnd): Promise<void> {
    this.#refuseClosed();
    await endTransaction(this.#storage, this.#appender, this.#clock, end);
  }

  /** Deletes all records of all topics; topics, offsets and groups stay. */
  async clear(): Promise<void> {
    for (const name of await this.topics()) await (await this.existingTopic(name)).clear();
  }

  /** Makes durable all that was appended before the call, whatever its level and syncEveryMs. */
  async sync(): Promise<void> {
    this.#refuseClosed();
    await this.#appender.flush();
    await this.#storage.append({ batches: [], durability: "disk", force: true }).durable;
  }

  /** Figures of the log, of every topic and of every partition. */
  async stats(): Promise<LogStats> {
    const described = await Promise.all(
      (await this.topics()).map(async (name) =>
        (await this.#findTopic(name))?.describe().catch(unlessNotFound),
      ),
    );
    const topics = described.filter((description) => description !== undefined);
    return {
      topics,
      formingBytes: this.#appender.formingBytes,
      waitingBytes: this.#appender.waitingBytes,
      stalled: this.#retention.stalled,
      storage: this.#storage.counters,
    };
  }

  /**
   * Waits for what was appended, writes everything to segments, lets go of the directory. While the disk is full that takes
   * until there is room. A program that cannot wait may end all the same: what was acknowledged as on the disk is in the
   * journal, which the next opening replays.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await Promise.all([this.#retention.stop(), this.#compaction.stop()]);
    await Promise.allSettled([...this.#consumers].map((consumer) => consumer.close()));
    try {
      await this.#appender.flush();
      const partitions = [...this.#topics.values()].flatMap(({ formingPartitions }) => formingPartitions);
      await saveAll(this.#storage, partitions, this.#clock.now());
      await this.#storage.append({ batches: [], durability: "disk", force: true }).durable;
      await this.#appender.drain();
    } catch {
      // Whoever appended has been told; the directory has to be let go of all the same.
    }
    this.#appender.fail(new LogError("CLOSED", "the log is closed"));
    for (const { formingPartitions } of this.#topics.values()) wakeReaders(formingPartitions);
    await this.#storage.close();
  }

  /** Undefined for a topic that was deleted meanwhile. */
  async #findTopic(name: string): Promise<Topic | undefined> {
    return this.existingTopic(name).catch(unlessNotFound);
  }

  /** One change or look-up of a topic at a time, by name. */
  async #exclusively<T>(name: string, action: () => Promise<T>): Promise<T> {
    this.#refuseClosed();
    checkTopicName(name);
    const turn = (this.#turns.get(name) ?? Promise.resolve()).then(action);
    const settled = turn.then(
      () => undefined,
      () => undefined,
    );
    this.#turns.set(name, settled);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(name) === settled) this.#turns.delete(name);
    }
  }

  async #open(name: string): Promise<Topic | undefined> {
    const found = await this.#storage.metadata.get(topicPrefix + name);
    if (found === undefined) return undefined;
    const entry = readTopicEntry(found.key, found.value);
    let topic = this.#topics.get(name);
    // A log that is read beside its writer finds topics changed, or deleted and made again.
    if (topic?.topicId !== entry.topicId || topic.config.partitions !== entry.config.partitions) {
      if (topic?.topicId !== entry.topicId) topic = new Topic(this.#host, name, entry.topicId, entry.config);
      await topic.adopt(entry.config, partitionNames(name, entry));
      this.#topics.set(name, topic);
    }
    return topic;
  }

  async #make(name: string, config: TopicConfig): Promise<Topic> {
    if (this.#storage.manifest.readOnly) notFound(name);
    requireCompression(config.compression);
    refuseUnsupported(this.#storage, config);
    const entry: TopicEntry = { topicId: this.#clock.randomBytes(16).toString("base64url"), config };
    const put = { key: topicPrefix + name, value: topicEntryText(entry), version: 0 };
    await this.#storage.createPartitions(partitionNames(name, entry), partitionConfig(config), [put]);
    return (await this.#open(name)) ?? notFound(name);
  }

  #alter(name: string, changes: Partial<TopicConfig>): Promise<TopicConfig> {
    return this.#exclusively(name, async () => {
      const topic = (await this.#open(name)) ?? notFound(name);
      refuseReadOnly(this.#storage);
      const config = topicConfig(changes, topic.config);
      if (config.partitions < topic.config.partitions) {
        const message = `the topic "${name}" has ${topic.config.partitions} partitions: their number can only grow`;
        throw new LogError("INVALID_ARGUMENT", message, { details: { topic: name } });
      }
      requireCompression(config.compression);
      refuseUnsupported(this.#storage, config);
      const entry: TopicEntry = { topicId: topic.topicId, config };
      const put = { key: topicPrefix + name, value: topicEntryText(entry) };
      await this.#storage.createPartitions(partitionNames(name, entry), partitionConfig(config), [put]);
      await topic.adopt(config, partitionNames(name, entry));
      return config;
    });
  }

  #refuseClosed(): void {
    if (this.#closed !== undefined) throw new LogError("CLOSED", "the log is closed");
  }
}

function partitionNames(topic: string, { topicId, config }: TopicEntry): PartitionName[] {
  return Array.from({ length: config.partitions }, (_, partition) => ({
    id: `${topicId}/${partition}`,
    topic,
    topicId,
    partition,
  }));
}

function partitionConfig({ segmentBytes, segmentMs }: TopicConfig): PartitionConfig {
  return { segmentBytes, segmentMs };
}

function unlessNotFound(error: unknown): undefined {
  if (!(error instanceof LogError) || error.code !== "TOPIC_NOT_FOUND") throw error;
}

function notFound(name: string): never {
  throw new LogError("TOPIC_NOT_FOUND", `there is no topic "${name}"`, { details: { topic: name } });
}
