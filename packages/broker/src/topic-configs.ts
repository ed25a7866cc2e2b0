// A topic's settings by the names that Kafka has for them, as text. What has no effect on one machine, or is always so
// here, can be read and not be changed.
import { LogError, type TopicConfig, topicConfig } from "@strandlog/log";

/** As DescribeConfigs tells it. */
export interface ConfigEntry {
  readonly name: string;
  readonly value: string;
  readonly isReadOnly: boolean;
  /** Who has set it, as far as the value tells: the topic's owner, the broker's configuration, or nobody. */
  readonly setBy: "topic" | "broker" | "nobody";
  /** Kafka's number for its type. */
  readonly type: number;
  readonly documentation: string;
}

/** Kafka's numbers for who has set a value. */
export const configSources = { topic: 1, broker: 4, nobody: 5 } as const;

/** A value to be set, or null for the default. */
export type ConfigChanges = ReadonlyMap<string, string | null>;

interface Setting {
  readonly name: string;
  readonly type: number;
  readonly documentation: string;
  text(config: TopicConfig): string;
  /** Throws INVALID_ARGUMENT. */
  parse(text: string): Partial<TopicConfig>;
}

const types = { boolean: 1, string: 2, int: 3, long: 5, double: 6, list: 7 } as const;

type NumberName = {
  [Name in keyof TopicConfig]: TopicConfig[Name] extends number ? Name : never;
}[keyof TopicConfig];

function number(name: string, key: NumberName, type: number, documentation: string): Setting {
  return {
    name,
    type,
    documentation,
    text: (config) => String(config[key]),
    parse: (text) => {
      if (!/^-?\d{1,19}$/.test(text.trim())) throw invalid(`${name} must be a whole number, not "${text}"`);
      // Clients say "for ever" with the largest number that they have.
      return { [key]: Math.min(Number(text), Number.MAX_SAFE_INTEGER) };
    },
  };
}

/** A list of words, whatever their order. */
function listed(text: string): string {
  return text
    .split(",")
    .map((word) => word.trim())
    .sort()
    .join();
}

function choice<Key extends "durability" | "cleanup" | "compression" | "timestampType">(
  name: string,
  key: Key,
  words: Readonly<Record<string, TopicConfig[Key]>>,
  documentation: string,
): Setting {
  return {
    name,
    type: key === "cleanup" ? types.list : types.string,
    documentation,
    text: (config) => Object.entries(words).find(([, value]) => value === config[key])?.[0] ?? "",
    parse: (text) => {
      const value = words[key === "cleanup" ? listed(text) : text.trim()];
      if (value !== undefined) return { [key]: value };
      throw invalid(`${name} must be one of ${Object.keys(words).join(", ")}, not "${text}"`);
    },
  };
}

const settings: readonly Setting[] = [
  choice(
    "cleanup.policy",
    "cleanup",
    { delete: "delete", consumed: "consumed", compact: "compact", "compact,delete": "compact,delete" },
    "delete: records go by age and size; consumed: besides, when all groups have committed them; compact: when a later record has their key; compact,delete: both",
  ),
  choice(
    "compression.type",
    "compression",
    { producer: "none", gzip: "gzip", snappy: "snappy", lz4: "lz4", zstd: "zstd" },
    "the codec of what is appended in the broker's own process; producers' batches stay as they are",
  ),
  number(
    "delete.retention.ms",
    "deleteRetentionMs",
    types.long,
    "how long a record without a value stays when it is compacted",
  ),
  number("max.message.bytes", "maxMessageBytes", types.int, "largest batch"),
  choice(
    "message.timestamp.type",
    "timestampType",
    { CreateTime: "create", LogAppendTime: "append" },
    "the time of a record: the producer's, or that of the append",
  ),
  number(
    "retention.bytes",
    "retentionBytes",
    types.long,
    "what a partition holds beyond this goes; -1 keeps all",
  ),
  number("retention.ms", "retentionMs", types.long, "records older than this go; -1 keeps them"),
  number("segment.bytes", "segmentBytes", types.int, "size of a segment file"),
  number("segment.ms", "segmentMs", types.long, "age of a segment file"),
  choice(
    "strandlog.durability",
    "durability",
    { disk: "disk", os: "os", memory: "memory" },
    "what an acknowledged record survives: a power cut, a killed process, nothing",
  ),
];

/** What is always so. */
const fixed: readonly Omit<ConfigEntry, "isReadOnly" | "setBy">[] = [
  { name: "flush.messages", value: "1", type: types.long, documentation: "see strandlog.durability" },
  {
    name: "min.cleanable.dirty.ratio",
    value: "0.5",
    type: types.double,
    documentation: "a topic is compacted when half of it has come since the last time",
  },
  { name: "min.compaction.lag.ms", value: "0", type: types.long, documentation: "the active segment waits" },
  { name: "min.insync.replicas", value: "1", type: types.int, documentation: "there is one broker" },
  {
    name: "preallocate",
    value: "false",
    type: types.boolean,
    documentation: "the journal is, segments are not",
  },
  {
    name: "unclean.leader.election.enable",
    value: "false",
    type: types.boolean,
    documentation: "there is one broker",
  },
];

const ownDefaults = topicConfig({});

/** `defaults`: what topics get from this broker. */
export function configEntries(config: TopicConfig, defaults: TopicConfig): ConfigEntry[] {
  const changeable = settings.map(({ name, type, documentation, text }): ConfigEntry => {
    const value = text(config);
    const setBy = value !== text(defaults) ? "topic" : value !== text(ownDefaults) ? "broker" : "nobody";
    return { name, value, isReadOnly: false, setBy, type, documentation };
  });
  return [
    ...changeable,
    ...fixed.map((each): ConfigEntry => ({ ...each, isReadOnly: true, setBy: "nobody" })),
  ];
}

/**
 * What null stands for comes from the defaults.
 *
 * @throws LogError INVALID_ARGUMENT for what is unknown, cannot be changed or is no legal value.
 */
export function parseChanges(
  changes: ConfigChanges,
  defaults: TopicConfig = ownDefaults,
): Partial<TopicConfig> {
  let parsed: Partial<TopicConfig> = {};
  for (const [name, text] of changes) {
    const setting = settings.find((each) => each.name === name);
    if (setting === undefined) checkFixed(name, text);
    else parsed = { ...parsed, ...setting.parse(text ?? setting.text(defaults)) };
  }
  return parsed;
}

/** All that can be changed, as nobody has set it. */
export function allDefaults(): Map<string, string | null> {
  return new Map(settings.map(({ name }) => [name, null]));
}

function checkFixed(name: string, text: string | null): void {
  const value = fixed.find((each) => each.name === name)?.value;
  if (value === undefined) throw invalid(`unknown topic config "${name}"`);
  if (text !== null && text !== value) throw invalid(`${name} is always ${value} here`);
}

function invalid(message: string): LogError {
  return new LogError("INVALID_ARGUMENT", message);
}
