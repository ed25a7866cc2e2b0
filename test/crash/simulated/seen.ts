// What a look at a log that was opened again has shown.
import type { Topic } from "@strandlog/log";
import type { Config, ProducerModel, TopicModel, TransactionEndModel } from "./models.js";
import type { Found } from "./oracle.js";

/** Of each producer the last transaction that has ended. */
export type Ended = ReadonlyMap<ProducerModel, TransactionEndModel | undefined>;

export interface SeenPartition {
  readonly start: number;
  readonly end: number;
  /** Up to where it is compacted. */
  readonly compactedEnd: number;
  readonly found: Found;
}

export interface SeenTopic {
  readonly topic: Topic;
  readonly config: Config;
  readonly partitions: readonly SeenPartition[];
  /** By group, then by partition. */
  readonly groups: ReadonlyMap<string, ReadonlyMap<number, number>>;
}

export type SeenTopics = ReadonlyMap<TopicModel, SeenTopic>;

export interface Seen {
  readonly topics: SeenTopics;
  readonly ended: Ended;
}
