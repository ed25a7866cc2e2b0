// What retention by age and size would leave of a partition.
import type { Segment } from "../segment/index.js";
import type { Tail } from "./tail.js";

export interface RetentionLimits {
  readonly timestampMin?: number;
  readonly bytesMax?: number;
}

interface Retained {
  readonly logStartOffset: number;
  readonly highWatermark: number;
  readonly segments: readonly Segment[];
  readonly tail: Tail;
  describe(): { readonly tailBytes: number; readonly segmentBytes: number };
}

/** The offset that it would make the log's start: whole segments go, and once none is left, tail batches. */
export function retainableFrom(partition: Retained, limits: RetentionLimits): number {
  const { timestampMin = Number.NEGATIVE_INFINITY, bytesMax = Number.POSITIVE_INFINITY } = limits;
  let { tailBytes, segmentBytes } = partition.describe();
  let offset = partition.logStartOffset;
  const goes = (maxTimestamp: number, bytes: number): boolean =>
    maxTimestamp < timestampMin || tailBytes + segmentBytes - bytes >= bytesMax;
  for (const { state } of partition.segments) {
    if (!goes(state.index.maxTimestamp, state.logBytes)) return offset;
    segmentBytes -= state.logBytes;
    offset = state.nextOffset;
  }
  for (const batch of partition.tail.from(offset)) {
    if (batch.nextOffset > partition.highWatermark || !goes(batch.maxTimestamp, batch.bytes.length)) break;
    tailBytes -= batch.bytes.length;
    offset = batch.nextOffset;
  }
  return offset;
}
