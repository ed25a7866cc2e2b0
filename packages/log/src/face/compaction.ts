// Compaction of topics whose `cleanup` says so: when it is due, which partition is next, and up to where. The storage
// does it. One partition at a time, so that it takes little from those who append and read.
import type { Clock } from "../clock.js";
import { LogError } from "../errors.js";
import { isCompacted, type TopicConfig } from "../options.js";
import type { CompactionLimits, CompactionOutcome, LogStorage } from "../storage/contracts.js";
import type { FormingPartition } from "./forming.js";
import { type CompactionBounds, compactionBounds } from "./producer-snapshot.js";
import { refuseReadOnly } from "./retention.js";

/** A topic, as far as compaction is concerned. */
export interface CompactedTopic {
  readonly name: string;
  readonly topicId: string;
  readonly config: TopicConfig;
  readonly formingPartitions: readonly FormingPartition[];
}

export interface CompactionResult extends CompactionOutcome {
  readonly partition: number;
}

// Kafka's min.cleanable.dirty.ratio: half of what is there at the end of a compaction has to come anew for the next one.
const dirtyRatioMin = 0.5;

export class Compaction {
  readonly #storage: LogStorage;
  readonly #clock: Clock;
  readonly #topics: () => Promise<readonly CompactedTopic[]>;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;

  constructor(storage: LogStorage, clock: Clock, topics: () => Promise<readonly CompactedTopic[]>) {
    this.#storage = storage;
    this.#clock = clock;
    this.#topics = topics;
  }

  /** Looks at all topics, unless that is under way. What fails is tried again next time; the storage tells why. */
  look(): void {
    if (this.#running !== undefined || this.#stopping.signal.aborted) return;
    if (this.#storage.compact === undefined) return;
    this.#running = this.#compactDue()
      .catch(() => undefined)
      .then(() => {
        this.#running = undefined;
      });
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new LogError("CLOSED", "the log is closed"));
    await this.#running;
  }

  /** Compacts all partitions of a topic now. */
  async compact(topic: CompactedTopic, signal?: AbortSignal): Promise<CompactionResult[]> {
    refuseReadOnly(this.#storage);
    refuseUnsupported(this.#storage, topic.config);
    if (!isCompacted(topic.config)) {
      const message = `the topic "${topic.name}" is not compacted: its cleanup is ${topic.config.cleanup}`;
      throw new LogError("INVALID_ARGUMENT", message, { details: { topic: topic.name } });
    }
    const results: CompactionResult[] = [];
    for (let partition = 0; partition < topic.config.partitions; partition++)
      results.push({ partition, ...(await this.#compact(topic, partition, 0, signal)) });
    return results;
  }

  async #compactDue(): Promise<void> {
    const { signal } = this.#stopping;
    for (const topic of await this.#topics()) {
      if (!isCompacted(topic.config)) continue;
      for (let partition = 0; partition < topic.config.partitions && !signal.aborted; partition++)
        await this.#compact(topic, partition, dirtyRatioMin, signal).catch(() => undefined);
    }
  }

  async #compact(
    topic: CompactedTopic,
    partition: number,
    dirtyRatioMin: number,
    signal: AbortSignal | undefined,
  ): Promise<CompactionOutcome> {
    const { topicId, config } = topic;
    const limits: CompactionLimits = {
      ...(await this.#boundsOf(topic, partition)),
      now: this.#clock.now(),
      deleteRetentionMs: config.deleteRetentionMs,
      dirtyRatioMin,
      ...(signal === undefined ? {} : { signal }),
    };
    const compact = this.#storage.compact as NonNullable<LogStorage["compact"]>;
    return compact.call(this.#storage, `${topicId}/${partition}`, limits);
  }

  #boundsOf({ formingPartitions }: CompactedTopic, partition: number): Promise<CompactionBounds> {
    const forming = formingPartitions[partition] as FormingPartition;
    return compactionBounds(this.#storage, forming, this.#clock.now());
  }
}

/** @throws LogError UNSUPPORTED where the driver cannot compact and the topic wants it. */
export function refuseUnsupported({ manifest, compact }: LogStorage, config: TopicConfig): void {
  if (compact !== undefined || !isCompacted(config)) return;
  const message = `the storage driver "${manifest.name}" cannot compact topics`;
  throw new LogError("UNSUPPORTED", message, { details: { driver: manifest.name, capability: "compact" } });
}
