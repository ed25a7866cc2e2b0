// Every option of the log and of its topics: default, unit, bounds. Unknown keys are refused.
import { LogError } from "./errors.js";
import type { Compression } from "./record/index.js";
import type { Durability } from "./storage/contracts.js";

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;
const gibibyte = 1024 * mebibyte;
const dayMs = 24 * 60 * 60 * 1000;

/** Settings of a topic. Stored with it; all but `partitions` may be changed, and that one may grow. */
export interface TopicConfig {
  /** 1 to 100,000. Default 1. */
  readonly partitions: number;
  /** What an acknowledged append survives. Default "disk". */
  readonly durability: Durability;
  /** Codec of the batches. Default "none". Others but gzip need a package of their own. */
  readonly compression: Compression;
  /**
   * "delete" (default): records go by age and size only. "consumed": besides, as soon as every named group of the topic
   * has committed them; nothing goes before the first group has. "compact": what goes is each record that a later one
   * with the same key makes obsolete, and nothing by age and size. "compact,delete": both.
   */
  readonly cleanup: "delete" | "consumed" | "compact" | "compact,delete";
  /**
   * Which time records have. "create" (default): the one that they were given, or that of their append. "append": always
   * that of the append, one for each batch.
   */
  readonly timestampType: "create" | "append";
  /** Records older than this go, in milliseconds; −1 keeps them. Default −1. */
  readonly retentionMs: number;
  /** What a partition holds beyond this goes, the oldest first; −1 keeps all. Default −1. */
  readonly retentionBytes: number;
  /** How long a record without a value, which says that its key is gone, stays once compacted, in milliseconds. Default 1 day. */
  readonly deleteRetentionMs: number;
  /** A segment's size. Default 1 GiB. */
  readonly segmentBytes: number;
  /** A segment's age, in milliseconds. Default 7 days. */
  readonly segmentMs: number;
  /** Largest batch, and so largest record. Default 1,048,588, as Kafka has it. */
  readonly maxMessageBytes: number;
}

/** Settings of an open log. They are not stored. */
export interface LogSettings {
  /** Open without a lock and without the right to write, beside a writer or without one. Default false. */
  readonly readOnly: boolean;
  /** Records forming, journaled and not yet in a segment, in bytes of memory. Default 128 MiB. */
  readonly tailBytesMax: number;
  /** Appends may wait for room up to this many bytes; beyond it they fail. Default 16 MiB. */
  readonly waitingBytesMax: number;
  /** What the journal may take on disk. Default 256 MiB. */
  readonly journalBytesMax: number;
  /** Size of one journal file. Default 64 MiB, at most half of journalBytesMax. */
  readonly journalFileBytes: number;
  /** Go to the next journal file, and write what the last one holds to segments, this often. 0: by size only (default). */
  readonly journalRotateMs: number;
  /** Sync at most this often, in milliseconds. 0 (default): as soon as an append waits for it. */
  readonly syncEveryMs: number;
  /** Let a group form this long before it is written, however large it becomes, in milliseconds. 0 (default): the next follows the last at once. */
  readonly lingerMs: number;
  /** Checkpoints write this many partitions at a time. Default 2. */
  readonly lanes: number;
  /** Segment files kept open. Default 256. */
  readonly openFilesMax: number;
  /** How often retention and compaction look for what may go, in milliseconds. Default 30 s. */
  readonly retentionCheckMs: number;
  /** A group that holds records back and has not committed for so long is reported as stalled. Default 10 minutes. */
  readonly groupStallMs: number;
  /** Give journal space back after this long without an append, in milliseconds. Default 5 minutes. */
  readonly idleMs: number;
}

interface Bound {
  readonly default: number;
  readonly min: number;
  readonly max: number;
}

const topicBounds = {
  partitions: { default: 1, min: 1, max: 100_000 },
  retentionMs: { default: -1, min: -1, max: Number.MAX_SAFE_INTEGER },
  retentionBytes: { default: -1, min: -1, max: Number.MAX_SAFE_INTEGER },
  deleteRetentionMs: { default: dayMs, min: 0, max: Number.MAX_SAFE_INTEGER },
  segmentBytes: { default: gibibyte, min: kibibyte, max: 2 ** 31 - 1 },
  segmentMs: { default: 7 * dayMs, min: 1, max: Number.MAX_SAFE_INTEGER },
  maxMessageBytes: { default: 1_048_588, min: 256, max: 64 * mebibyte },
} as const satisfies Record<string, Bound>;

const logBounds = {
  tailBytesMax: { default: 128 * mebibyte, min: 256 * kibibyte, max: 64 * gibibyte },
  waitingBytesMax: { default: 16 * mebibyte, min: 0, max: 64 * gibibyte },
  journalBytesMax: { default: 256 * mebibyte, min: 128 * kibibyte, max: 1024 * gibibyte },
  journalFileBytes: { default: 64 * mebibyte, min: 64 * kibibyte, max: gibibyte },
  journalRotateMs: { default: 0, min: 0, max: dayMs },
  syncEveryMs: { default: 0, min: 0, max: dayMs },
  lingerMs: { default: 0, min: 0, max: 10_000 },
  lanes: { default: 2, min: 1, max: 64 },
  openFilesMax: { default: 256, min: 8, max: 1_000_000 },
  retentionCheckMs: { default: 30_000, min: 10, max: dayMs },
  groupStallMs: { default: 600_000, min: 10, max: Number.MAX_SAFE_INTEGER },
  idleMs: { default: 300_000, min: 10, max: dayMs },
} as const satisfies Record<string, Bound>;

const choices = {
  durability: ["memory", "os", "disk"],
  compression: ["none", "gzip", "snappy", "lz4", "zstd"],
  cleanup: ["delete", "consumed", "compact", "compact,delete"],
  timestampType: ["create", "append"],
} as const;

/**
 * A whole configuration of what is given and, for the rest, of `base`: what a topic has, or the defaults. Checked as it is
 * when a topic is made or altered: INVALID_ARGUMENT for what is unknown or out of bounds.
 */
export function topicConfig(given: Partial<TopicConfig>, base?: TopicConfig): TopicConfig {
  const known = new Set([...Object.keys(topicBounds), ...Object.keys(choices)]);
  refuseUnknown("topic option", given, known);
  for (const [name, allowed] of Object.entries(choices)) {
    const value = given[name as keyof typeof choices];
    if (value !== undefined && !(allowed as readonly string[]).includes(value)) {
      throw invalid(`${name} must be one of ${allowed.join(", ")}, not ${JSON.stringify(value)}`, name);
    }
  }
  return {
    durability: given.durability ?? base?.durability ?? "disk",
    compression: given.compression ?? base?.compression ?? "none",
    cleanup: given.cleanup ?? base?.cleanup ?? "delete",
    timestampType: given.timestampType ?? base?.timestampType ?? "create",
    ...numbers(topicBounds, given, base),
  };
}

/** Whether the topic keeps, of each key, only the latest record. */
export function isCompacted({ cleanup }: Pick<TopicConfig, "cleanup">): boolean {
  return cleanup === "compact" || cleanup === "compact,delete";
}

export function logSettings(given: Partial<LogSettings>): LogSettings {
  refuseUnknown("option", given, new Set(["readOnly", ...Object.keys(logBounds)]));
  if (given.readOnly !== undefined && typeof given.readOnly !== "boolean") {
    throw invalid("readOnly must be true or false", "readOnly");
  }
  const settings = { readOnly: given.readOnly ?? false, ...numbers(logBounds, given, undefined) };
  const half = Math.floor(settings.journalBytesMax / 2);
  if (settings.journalFileBytes > half && given.journalFileBytes !== undefined) {
    throw invalid(`journalFileBytes must be at most half of journalBytesMax, ${half}`, "journalFileBytes");
  }
  return { ...settings, journalFileBytes: Math.min(settings.journalFileBytes, half) };
}

/** Kafka's rule for names; those that begin with two underscores are ours. */
export function checkTopicName(name: unknown): asserts name is string {
  const isLegal =
    typeof name === "string" && /^[a-zA-Z0-9._-]{1,249}$/.test(name) && name !== "." && name !== "..";
  if (!isLegal) {
    const message = `${JSON.stringify(name)} is not a topic name: use 1 to 249 of the characters a-z A-Z 0-9 . _ -`;
    throw new LogError("INVALID_TOPIC", message, { details: { topic: name } });
  }
  if (name.startsWith("__")) {
    throw new LogError("INVALID_TOPIC", `"${name}": names that begin with two underscores are reserved`);
  }
}

/** An integer within bounds, or INVALID_ARGUMENT. */
export function checkInteger(
  name: string,
  value: unknown,
  min: number,
  max: number = Number.MAX_SAFE_INTEGER,
): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min || value > max) {
    throw invalid(
      `${name} must be a whole number from ${min} to ${max}, not ${typeof value === "string" ? JSON.stringify(value) : String(value)}`,
      name,
    );
  }
  return value;
}

function numbers<B extends Record<string, Bound>>(
  bounds: B,
  given: Partial<Record<keyof B, number>>,
  base: Readonly<Record<keyof B, number>> | undefined,
): Record<keyof B, number> {
  const result = {} as Record<keyof B, number>;
  for (const name of Object.keys(bounds) as (keyof B & string)[]) {
    const bound = bounds[name] as Bound;
    result[name] = checkInteger(name, given[name] ?? base?.[name] ?? bound.default, bound.min, bound.max);
  }
  return result;
}

/** INVALID_ARGUMENT for what is no object of options that are known. */
export function refuseUnknown(what: string, given: object, known: ReadonlySet<string>): void {
  if (typeof given !== "object" || given === null) throw invalid(`options must be an object`, "options");
  for (const name of Object.keys(given)) {
    if (!known.has(name))
      throw invalid(`unknown ${what} "${name}"; known are ${[...known].sort().join(", ")}`, name);
  }
}

function invalid(message: string, name: string): LogError {
  return new LogError("INVALID_ARGUMENT", message, { details: { name } });
}
