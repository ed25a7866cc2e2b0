// Figures of the hot path: counts in typed arrays, one increment each; and how large things are at the moment.
import type { Journal } from "../../journal/index.js";
import type { FileCache } from "../../segment/index.js";
import type { StorageCounters } from "../contracts.js";
import type { FileState } from "./file-state.js";

/** Counts values by the power of two below which they fall: bucket n holds values under 2^n. */
export class Histogram {
  readonly #counts: Float64Array = new Float64Array(32);

  add(value: number): void {
    const bucket = value < 1 ? 0 : Math.min(31, 32 - Math.clz32(value));
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
  }

  get counts(): number[] {
    const last = this.#counts.findLastIndex((count) => count > 0);
    return [...this.#counts.subarray(0, last + 1)];
  }
}

export function sizesOf(
  { tailBytes, partitions }: FileState,
  { counters, ring }: Journal,
  cache: FileCache,
): Pick<
  StorageCounters,
  | "tailBytes"
  | "segmentBytes"
  | "journalBytes"
  | "journalLiveBytes"
  | "journalBlocks"
  | "journalBlockBytes"
  | "syncs"
  | "openFiles"
> {
  let segmentBytes = 0;
  for (const partition of partitions.values()) segmentBytes += partition.describe().segmentBytes;
  return {
    tailBytes,
    segmentBytes,
    journalBytes: ring.fileBytes,
    journalLiveBytes: ring.liveBytes,
    journalBlocks: counters.blocks,
    journalBlockBytes: counters.blockBytes,
    syncs: counters.syncs,
    openFiles: cache.openCount + ring.fileCount,
  };
}
