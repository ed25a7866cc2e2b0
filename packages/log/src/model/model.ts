// What a log is to hold, as arrays and numbers: it shares nothing with the engine but its words.
import type { Durability } from "../storage/contracts.js";

/** Keys, values and headers as text of one byte per character, so that any bytes can be compared and shown. */
export interface ModelRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: readonly (readonly [string, string | null])[];
}

export interface ModelConfig {
  readonly partitions: number;
  readonly durability: Durability;
  readonly compression: "none" | "gzip" | "snappy" | "lz4" | "zstd";
  readonly segmentBytes: number;
  readonly maxMessageBytes: number;
}

export const defaultConfig: ModelConfig = {
  partitions: 1,
  durability: "disk",
  compression: "none",
  segmentBytes: 1_073_741_824,
  maxMessageBytes: 1_048_588,
};

export type ModelPosition = number | "earliest" | "latest" | { readonly time: number };

/** Records whose durability has not been awaited may be seen already or not: an end that may lie anywhere between two. */
export class ModelPartition {
  /** Those not deleted, by their offsets. */
  records: ModelRecord[] = [];
  start = 0;
  /** Readers see all before it: they have done so, or it was promised. */
  seen = 0;
  #seenAlready = 0;
  /** Records before it may have to reach another level than their topic has now. */
  #doubtful = 0;
  /** One more than the last offset that was given. */
  end = 0;

  /** Every high watermark that may be, without promises; with them, those below `seen` may not. */
  get ends(): number[] {
    const first = this.#seenAlready;
    return Array.from({ length: this.end - first + 1 }, (_, index) => first + index);
  }

  append(offset: number, record: Omit<ModelRecord, "offset">): void {
    this.records.push({ offset, ...record });
    this.end = offset + 1;
  }

  deleteBefore(offset: number): void {
    this.start = Math.max(this.start, offset);
    this.records = this.records.filter((record) => record.offset >= this.start);
    this.observe(this.start);
  }

  /** What was acknowledged at its topic's level is to be seen, once all before it is. */
  promise(end: number, level: Durability): void {
    if (level === "disk" || this.seen >= this.#doubtful) this.seen = Math.max(this.seen, end);
  }

  /** What was seen once stays so. */
  observe(end: number): void {
    this.#seenAlready = Math.max(this.#seenAlready, end);
    this.seen = Math.max(this.seen, end);
  }

  /** The topic's level was changed: what has only been promised may have to reach either. */
  forgetPromises(): void {
    this.seen = this.#seenAlready;
    this.#doubtful = this.end;
  }

  visible(end: number): ModelRecord[] {
    return this.records.filter(({ offset }) => offset < end);
  }

  /** The offset that a position means when readers see records up to `end`. */
  resolve(position: ModelPosition, end: number): number {
    if (typeof position === "number") return position;
    if (position === "earliest") return this.start;
    if (position === "latest") return end;
    return this.visible(end).find(({ timestamp }) => timestamp >= position.time)?.offset ?? end;
  }
}

export interface ModelTopic {
  config: ModelConfig;
  readonly topicId: string;
  readonly partitions: ModelPartition[];
  /** Where the records of a key went, as long as the number of partitions is the same. */
  readonly keys: Map<string, number>;
}

export class Model {
  readonly topics: Map<string, ModelTopic> = new Map();
  /** What groups have committed, by topic id, group and partition. */
  readonly groups: Map<string, number> = new Map();

  create(name: string, topicId: string, config: ModelConfig): void {
    const partitions = Array.from({ length: config.partitions }, () => new ModelPartition());
    this.topics.set(name, { config, topicId, partitions, keys: new Map() });
  }

  alter(topic: ModelTopic, config: ModelConfig): void {
    if (config.partitions !== topic.config.partitions) topic.keys.clear();
    if (config.durability !== topic.config.durability)
      for (const partition of topic.partitions) partition.forgetPromises();
    while (topic.partitions.length < config.partitions) topic.partitions.push(new ModelPartition());
    topic.config = config;
  }

  /** All that was appended has been made durable, and so is seen. */
  settle(): void {
    for (const { partitions } of this.topics.values())
      for (const partition of partitions) partition.observe(partition.end);
  }
}
