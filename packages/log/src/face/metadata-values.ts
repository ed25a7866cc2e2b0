// What the face keeps in the metadata store: a topic's settings, what groups have committed, where an id's record is.
// JSON, whose shape is checked when it is read: the store may be another program's too.
import { LogError } from "../errors.js";
import type { TopicConfig } from "../options.js";
import { fields, oneOf, orMissing, parseShaped, type Shape, text, whole } from "../shapes.js";

/** Of a topic, under "topic/<name>". */
export interface TopicEntry {
  readonly topicId: string;
  readonly config: TopicConfig;
}

/** Of a group and a partition, under "group/<topicId>/<group>/<partition>". */
export interface Committed {
  /** The next record that the group wants. */
  readonly offset: number;
  /** When it was committed, in milliseconds since 1970. */
  readonly at: number;
  /** What a client of Kafka's has noted beside it. */
  readonly metadata?: string;
  /** The leader epoch of the record before, if the client knew it. */
  readonly leaderEpoch?: number;
}

/** Of an id that a producer gave to a record, under "dedupe/<topicId>/<producer>/<id>". */
export interface Place {
  readonly partition: number;
  readonly offset: number;
  /** Tells which of two ids came first. */
  readonly turn: number;
}

const configShape = fields({
  partitions: whole(1, 100_000),
  durability: oneOf("memory", "os", "disk"),
  compression: oneOf("none", "gzip", "snappy", "lz4", "zstd"),
  cleanup: oneOf("delete", "consumed", "compact", "compact,delete"),
  timestampType: oneOf("create", "append"),
  retentionMs: whole(-1),
  retentionBytes: whole(-1),
  deleteRetentionMs: whole(),
  segmentBytes: whole(1),
  segmentMs: whole(1),
  maxMessageBytes: whole(1),
});
const sparseTopicShape = fields({ topicId: text, config: fields({}) });

/**
 * What a topic has of which its entry says nothing: most topics say little, and a log may have very many. Part of the
 * format: it stays as it is when the defaults of new topics change.
 */
const unsaid: TopicConfig = {
  partitions: 1,
  durability: "disk",
  compression: "none",
  cleanup: "delete",
  timestampType: "create",
  retentionMs: -1,
  retentionBytes: -1,
  deleteRetentionMs: 86_400_000,
  segmentBytes: 1024 ** 3,
  segmentMs: 604_800_000,
  maxMessageBytes: 1_048_588,
};
const committedShape = fields({
  offset: whole(),
  at: whole(Number.MIN_SAFE_INTEGER),
  metadata: orMissing(text),
  leaderEpoch: orMissing(whole()),
});
const placeShape = fields({ partition: whole(), offset: whole(), turn: whole() });

export function topicEntryText({ topicId, config }: TopicEntry): string {
  const said = Object.entries(config).filter(([name, value]) => value !== unsaid[name as keyof TopicConfig]);
  return JSON.stringify({ topicId, config: Object.fromEntries(said) });
}

export function readTopicEntry(key: string, value: string): TopicEntry {
  const { topicId, config: said } = readValue<TopicEntry>(key, value, sparseTopicShape);
  const config = { ...unsaid, ...said };
  const misfit = configShape(config);
  if (misfit !== undefined) throw corruptEntry(key, `config${misfit} is not what it should be`);
  return { topicId, config };
}

/** Written as it can be read again: INVALID_ARGUMENT for what could not. */
export function committedText(committed: Committed): string {
  const misfit = committedShape(committed);
  if (misfit === undefined) return JSON.stringify(committed);
  const message = `a place to be committed: ${misfit.replace(/^\./, "")} is not what it should be`;
  throw new LogError("INVALID_ARGUMENT", message);
}

export function readPlace(key: string, value: string): Place {
  return readValue(key, value, placeShape);
}

/** `prefix` is all of the key that comes before the group's name. */
export function readCommitted(
  prefix: string,
  key: string,
  value: string,
): { group: string; partition: number; committed: Committed } {
  const [name = "", partition = ""] = key.slice(prefix.length).split("/");
  if (!/^\d{1,6}$/.test(partition)) throw corruptEntry(key, "its key does not end with a partition");
  return {
    group: decoded(key, name),
    partition: Number(partition),
    committed: readValue(key, value, committedShape),
  };
}

/** The group that a key is about, which begins with "group/<topic id>/". */
export function groupOf(key: string): string {
  return decoded(key, key.split("/")[2] ?? "");
}

function decoded(key: string, name: string): string {
  try {
    return decodeURIComponent(name);
  } catch (cause) {
    throw corruptEntry(key, "its key is not encoded as it should be", cause);
  }
}

function readValue<T>(key: string, value: string, shape: Shape): T {
  return parseShaped(value, shape, (what, cause) => corruptEntry(key, what, cause));
}

export function corruptEntry(key: string, what: string, cause?: unknown): LogError {
  const message = `the metadata entry "${key}" cannot be read: ${what}`;
  return new LogError("CORRUPT_METADATA", message, { cause, details: { key } });
}
