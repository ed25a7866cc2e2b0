// What a history is made of: settings so small that the limits are reached, and what the disk may do.
import type { Durability, LogOptions } from "@strandlog/log";
import type { Fault, Random } from "@strandlog/log/testing";
import type { Config } from "./models.js";

const kibibyte = 1024;
const keysPerTopic = 6;

const noise: Buffer = Buffer.from(
  Array.from({ length: 64 * kibibyte }, (_, at) => (at * 7919 + (at >> 8) * 31) & 255),
);

export function randomTopic(random: Random): Config {
  return {
    partitions: random.pick([1, 1, 2, 4]),
    durability: random.pick<Durability>(["disk", "disk", "disk", "os", "memory"]),
    compression: random.pick<"gzip" | "none">(["none", "none", "none", "none", "none", "none", "gzip"]),
    segmentBytes: random.pick([1, 8, 64, 1024]) * kibibyte,
    retentionBytes: random.pick([-1, -1, -1, -1, -1, 4 * kibibyte, 40 * kibibyte]),
    cleanup: random.pick<Config["cleanup"]>(["delete", "delete", "consumed", "compact", "compact,delete"]),
    deleteRetentionMs: random.pick([0, 20, 1000, 86_400_000]),
  };
}

export function randomSettings(random: Random): Partial<LogOptions> {
  const journalFileBytes = random.pick([64, 64, 128, 256]) * kibibyte;
  return {
    journalFileBytes,
    journalBytesMax: Math.min(1024 * kibibyte, Math.floor(journalFileBytes * random.pick([2, 2, 2.3, 3, 4]))),
    tailBytesMax: random.pick([256, 512, 1024]) * kibibyte,
    syncEveryMs: random.pick([0, 0, 0, 0, 3, 20]),
    lingerMs: random.pick([0, 0, 0, 0, 0, 2]),
    journalRotateMs: random.pick([0, 0, 0, 5]),
    idleMs: random.pick([20, 300_000, 300_000]),
    retentionCheckMs: random.pick([10, 1000, 30_000]),
    lanes: random.pick([1, 2, 3]),
    openFilesMax: random.pick([8, 16, 64]),
  };
}

/** Null now and then: a tombstone. */
export function randomValue(random: Random): Buffer | null {
  if (random.chance(0.02)) return null;
  const size = random.pick([0, 20, 100, 1000, 5 * kibibyte, 20 * kibibyte, 30 * kibibyte]);
  const start = random.below(noise.length);
  return noise.subarray(start, start + random.between(0, size));
}

/** Of a record of a compacted topic: the same again and again. */
export function randomKey(random: Random): string {
  return `key-${random.below(keysPerTopic)}`;
}

export function randomFault(random: Random): Fault {
  const skip = random.below(30);
  const times = random.chance(0.7) ? 1 : random.pick([2, 1000]);
  const kind = random.below(5);
  if (kind === 0) return { code: "EIO", verbs: ["write"], path: /\.journal/, skip, times };
  if (kind === 1) return { code: "EIO", verbs: ["sync"], path: /\.journal/, skip, times };
  if (kind === 2) return { code: "EIO", verbs: ["write", "sync"], path: /topics/, skip: skip >> 1, times: 1 };
  if (kind === 3)
    return { code: "EMFILE", verbs: ["open", "create"], path: /topics/, skip: skip >> 1, times: 1 };
  return {
    code: "EIO",
    verbs: ["write", "sync", "rename", "syncDirectory"],
    path: /checkpoint|log$|topics/,
    skip: skip >> 2,
    times: 1,
  };
}
