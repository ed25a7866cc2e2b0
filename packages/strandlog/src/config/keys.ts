// Every key that `strandlog serve` takes: Kafka's name where Kafka has one, else one of ours, which begins with
// "strandlog.". What each sets is an option of the log, of the broker or of the command; its bounds are theirs.
import type { brokerDefaults } from "@strandlog/broker";
import type { LogSettings } from "@strandlog/log";

/** What a key sets. */
export type Target =
  | { readonly of: "log"; readonly option: Exclude<keyof LogSettings, "readOnly"> }
  /** What topics get that clients make, by the name that the topic's own config has. */
  | { readonly of: "topic"; readonly config: string }
  | { readonly of: "broker"; readonly option: keyof typeof brokerDefaults }
  /** Read by whoever needs it, as text. */
  | { readonly of: "serve" };

export interface Setting {
  /** What it is called; if several of its names are given in one place, the first of them counts, as with Kafka. */
  readonly names: readonly string[];
  readonly target: Target;
  /** What one of it is in the option's unit, by name; otherwise 1. */
  readonly factors?: Readonly<Record<string, number>>;
  /** What it is if nobody says, where neither the log nor the broker knows. */
  readonly fallback?: string;
  /** Not to be shown. */
  readonly isSecret?: true;
  /** May also be said for one listener: `listener.name.NAME.KEY`. */
  readonly perListener?: true;
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

const serve: Target = { of: "serve" };
const topic = (config: string): Target => ({ of: "topic", config });
const log = (option: (Target & { of: "log" })["option"]): Target => ({ of: "log", option });
const broker = (option: (Target & { of: "broker" })["option"]): Target => ({ of: "broker", option });

export const settings: readonly Setting[] = [
  { names: ["log.dirs", "log.dir"], target: serve, fallback: "./strandlog-data" },
  { names: ["node.id", "broker.id"], target: broker("nodeId") },

  { names: ["listeners"], target: serve, fallback: "PLAINTEXT://127.0.0.1:9092" },
  { names: ["advertised.listeners"], target: serve, fallback: "" },
  { names: ["listener.security.protocol.map"], target: serve, fallback: "" },
  { names: ["controller.listener.names"], target: serve, fallback: "" },
  { names: ["sasl.enabled.mechanisms"], target: serve, fallback: "", perListener: true },
  { names: ["ssl.keystore.type"], target: serve, fallback: "PEM", perListener: true },
  { names: ["ssl.keystore.location"], target: serve, fallback: "", perListener: true },
  { names: ["ssl.keystore.certificate.chain"], target: serve, fallback: "", perListener: true },
  { names: ["ssl.keystore.key"], target: serve, fallback: "", isSecret: true, perListener: true },
  { names: ["ssl.key.password"], target: serve, fallback: "", isSecret: true, perListener: true },
  { names: ["ssl.truststore.type"], target: serve, fallback: "PEM", perListener: true },
  { names: ["ssl.truststore.location"], target: serve, fallback: "", perListener: true },
  { names: ["ssl.truststore.certificates"], target: serve, fallback: "", perListener: true },
  { names: ["ssl.client.auth"], target: serve, fallback: "none", perListener: true },

  { names: ["auto.create.topics.enable"], target: broker("autoCreateTopics") },
  { names: ["num.partitions"], target: broker("numPartitions") },
  {
    names: ["strandlog.offsets.retention.ms", "offsets.retention.minutes"],
    target: broker("offsetsRetentionMs"),
    factors: { "offsets.retention.minutes": minuteMs },
  },
  {
    names: ["log.retention.ms", "log.retention.minutes", "log.retention.hours"],
    target: topic("retention.ms"),
    factors: { "log.retention.minutes": minuteMs, "log.retention.hours": hourMs },
  },
  { names: ["log.retention.bytes"], target: topic("retention.bytes") },
  { names: ["log.segment.bytes"], target: topic("segment.bytes") },
  {
    names: ["log.roll.ms", "log.roll.hours"],
    target: topic("segment.ms"),
    factors: { "log.roll.hours": hourMs },
  },
  { names: ["log.cleanup.policy"], target: topic("cleanup.policy") },
  { names: ["log.cleaner.delete.retention.ms"], target: topic("delete.retention.ms") },
  { names: ["message.max.bytes"], target: topic("max.message.bytes") },
  { names: ["compression.type"], target: topic("compression.type") },
  { names: ["log.message.timestamp.type"], target: topic("message.timestamp.type") },
  { names: ["strandlog.durability"], target: topic("strandlog.durability") },

  { names: ["log.retention.check.interval.ms"], target: log("retentionCheckMs") },
  { names: ["strandlog.group.stall.ms"], target: log("groupStallMs") },
  { names: ["strandlog.idle.ms"], target: log("idleMs") },
  { names: ["strandlog.journal.bytes.max"], target: log("journalBytesMax") },
  { names: ["strandlog.journal.file.bytes"], target: log("journalFileBytes") },
  { names: ["strandlog.journal.rotate.ms"], target: log("journalRotateMs") },
  { names: ["strandlog.lanes"], target: log("lanes") },
  { names: ["strandlog.linger.ms"], target: log("lingerMs") },
  { names: ["strandlog.open.files.max"], target: log("openFilesMax") },
  { names: ["strandlog.sync.every.ms"], target: log("syncEveryMs") },
  { names: ["strandlog.tail.bytes.max"], target: log("tailBytesMax") },
  { names: ["strandlog.waiting.bytes.max"], target: log("waitingBytesMax") },

  { names: ["strandlog.health"], target: serve, fallback: "" },
  { names: ["strandlog.log.level"], target: serve, fallback: "info" },
];

const byName = new Map(settings.flatMap((setting) => setting.names.map((name) => [name, setting] as const)));
const forListener = /^listener\.name\.([^.]+)\.(.+)$/;

export interface KnownKey {
  readonly setting: Setting;
  /** The listener that it is for, in small letters; all without one. */
  readonly listener: string | undefined;
}

export function knownKey(name: string): KnownKey | undefined {
  const [, listener, rest = name] = forListener.exec(name) ?? [];
  const setting = byName.get(rest);
  if (setting === undefined || (listener !== undefined && setting.perListener !== true)) return undefined;
  return { setting, listener: listener?.toLowerCase() };
}
