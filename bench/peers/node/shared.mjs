// What the subjects share: why one is skipped, the values, the keys, group commit, and how latencies are counted.
import { readFileSync } from "node:fs";

/** Why there is no figure, in a sentence. */
export class Skipped extends Error {}

/** Records of a queue that stay when what is done is deleted. */
export const kept = 100;

const variety = 64;
const offsetsPerPartition = 2 ** 32;

/** Batches of values that differ, so that nothing is gained by what is the same everywhere. */
export function batchesOf(recordBytes, batchRecords) {
  const values = Array.from({ length: variety }, (_, n) =>
    Buffer.alloc(recordBytes, `${n} is not ${n + 1}, nor is it ${n * n}. `),
  );
  return Array.from({ length: variety }, (_, n) =>
    Array.from({ length: batchRecords }, (_, i) => values[(n + i) % variety]),
  );
}

/** A key for stores that have one order of keys: partition and offset in one number, which is short and sorts well. */
export function keyOf(partition, offset) {
  return partition * offsetsPerPartition + offset;
}

export function offsetOf(key) {
  return key % offsetsPerPartition;
}

/**
 * Group commit, for libraries that have none: what several producers have waiting is handed to `commit` together,
 * once a turn of the event loop and once the group before is done, and each is answered when it is.
 */
export function groupCommit(commit) {
  let waiting = [];
  let isScheduled = false;

  const schedule = () => {
    isScheduled = true;
    setImmediate(() => void run());
  };
  const run = async () => {
    const group = waiting;
    waiting = [];
    try {
      await commit(group.map(({ work }) => work));
      for (const { resolve } of group) resolve();
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
    // Whoever was just answered gets the time to append again, so that all producers share one commit, not two halves.
    isScheduled = false;
    if (waiting.length > 0) schedule();
  };

  return (work) =>
    new Promise((resolve, reject) => {
      waiting.push({ work, resolve, reject });
      if (!isScheduled) schedule();
    });
}

/** Counts every latency, in buckets that are 1% wide. */
export class Latencies {
  static #perDoubling = 64;
  #buckets = new Uint32Array(40 * Latencies.#perDoubling);
  #count = 0;

  add(micros) {
    const bucket = Math.floor(Math.log2(Math.max(micros, 1)) * Latencies.#perDoubling);
    this.#buckets[Math.min(bucket, this.#buckets.length - 1)]++;
    this.#count++;
  }

  percentiles() {
    return { p50: this.#at(0.5), p99: this.#at(0.99), p999: this.#at(0.999) };
  }

  #at(share) {
    let left = this.#count * share;
    const bucket = this.#buckets.findIndex((count) => {
      left -= count;
      return left <= 0;
    });
    return Math.round(2 ** ((bucket + 0.5) / Latencies.#perDoubling));
  }
}

export function versionOf(name) {
  const url = new URL(`node_modules/${name}/package.json`, import.meta.url);
  return JSON.parse(readFileSync(url, "utf8")).version;
}
