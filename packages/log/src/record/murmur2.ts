// Which partition a key belongs to, as Kafka's own clients decide it: a key that any of them has written is
// found in the same partition by all.
// Source: org.apache.kafka.common.utils.Utils.murmur2, after Austin Appleby's MurmurHash2, seed 0x9747b28c.
import { LogError } from "../errors.js";

/** 0 to `partitions` - 1. */
export function partitionForKey(key: Uint8Array, partitions: number): number {
  if (!Number.isSafeInteger(partitions) || partitions < 1) {
    throw new LogError("INVALID_ARGUMENT", `partitions must be a positive integer, not ${partitions}`);
  }
  return toPositive(murmur2(key)) % partitions;
}

/** Drops the sign bit, as Kafka does; this is not the absolute value. */
export function toPositive(hash: number): number {
  return hash & 0x7fffffff;
}

/** A signed 32-bit hash. */
export function murmur2(bytes: Uint8Array): number {
  const length = bytes.length;
  let hash = 0x9747b28c ^ length;
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    let word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    word = Math.imul(word, multiplier);
    word ^= word >>> 24;
    hash = Math.imul(hash, multiplier) ^ Math.imul(word, multiplier);
  }
  if (at < length) {
    for (let last = length - 1; last >= at; last--) hash ^= bytes[last]! << (8 * (last - at));
    hash = Math.imul(hash, multiplier);
  }
  hash = Math.imul(hash ^ (hash >>> 13), multiplier);
  return hash ^ (hash >>> 15);
}

const multiplier = 0x5bd1e995;
