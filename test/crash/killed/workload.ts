// What the writer does and the oracle expects: topics, the words they speak, the options of a round.
import type { LogOptions, TopicConfig } from "@strandlog/log";
import { makeRandom } from "../content.js";

/** Small segments, so that they roll; each durability and some codecs. */
export const topics: Readonly<Record<string, Partial<TopicConfig>>> = {
  orders: { partitions: 4, durability: "disk", segmentBytes: 64 * 1024 },
  events: { partitions: 3, durability: "os", segmentBytes: 256 * 1024, compression: "gzip" },
  audit: { partitions: 1, durability: "disk", segmentBytes: 1024 * 1024, compression: "lz4" },
  scratch: { partitions: 1, durability: "memory", segmentBytes: 32 * 1024 },
};

/** The topic whose records are never deleted. */
export const keptTopic = "audit";
/** The topic that is made, filled and deleted over and over. */
export const briefTopic = "brief";
export const briefConfig: Partial<TopicConfig> = { partitions: 2, segmentBytes: 4 * 1024 };

/** What the parent tells the writer, one line of JSON on its standard input; the line "close" ends a round cleanly. */
export interface Orders {
  readonly directory: string;
  readonly round: number;
  readonly seed: number;
}

/**
 * What the writer tells, one line each on descriptor 3: a word, then its arguments. "delete", "create" and "drop" say
 * what is about to be done, their past forms that the log has acknowledged it.
 *
 *     opening | open | end TOPIC PARTITION OFFSET | loading | closing | closed
 *     ack TOPIC PARTITION OFFSET | unsafe TOPIC PARTITION OFFSET   (acknowledged at "memory", which promises nothing)
 *     delete TOPIC PARTITION OFFSET | deleted TOPIC PARTITION OFFSET
 *     create GENERATION | created GENERATION | drop GENERATION | dropped GENERATION   (of the brief topic)
 *     fault TEXT   (the log broke a promise before the writer's eyes)
 */
export type Word =
  | "opening"
  | "open"
  | "end"
  | "loading"
  | "closing"
  | "closed"
  | "ack"
  | "unsafe"
  | "delete"
  | "deleted"
  | "create"
  | "created"
  | "drop"
  | "dropped"
  | "fault";

/** Little memory and a tiny journal: checkpoints, rolls and back-pressure all the time. Differs from round to round. */
export function logOptions(seed: number, round: number): LogOptions {
  const random = makeRandom(seed * 7919 + round);
  const pick = <T>(...values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
  const journalFileBytes = pick(64, 128, 512) * 1024;
  return {
    journalFileBytes,
    journalBytesMax: journalFileBytes * pick(2, 4, 8),
    tailBytesMax: pick(256, 1024, 4096) * 1024,
    lanes: pick(1, 2, 4),
    openFilesMax: pick(8, 32, 256),
    syncEveryMs: pick(0, 0, 0, 4),
    lingerMs: pick(0, 0, 0, 1),
    journalRotateMs: pick(0, 0, 20),
    idleMs: pick(15, 300_000),
  };
}
