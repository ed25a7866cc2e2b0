// How much a reader at an offset has before it.
import type { Segment } from "../segment/index.js";
import type { Tail } from "./tail.js";

interface Measured {
  readonly deleted: boolean;
  readonly highWatermark: number;
  readonly segments: readonly Segment[];
  readonly tail: Tail;
}

/** Bytes of the visible batches from the one on that holds the offset. */
export async function bytesFrom(partition: Measured, offset: number): Promise<number> {
  let bytes = 0;
  for (const batch of partition.tail.from(offset)) {
    if (batch.baseOffset < partition.highWatermark) bytes += batch.bytes.length;
  }
  for (const segment of partition.segments) {
    const { baseOffset, nextOffset, logBytes } = segment.state;
    if (nextOffset <= offset) continue;
    try {
      bytes += logBytes - (baseOffset >= offset ? 0 : await segment.positionOf(offset));
    } catch (error) {
      // Deleted or compacted meanwhile: then nothing of it counts.
      if (partition.segments.includes(segment) && !partition.deleted) throw error;
    }
  }
  return bytes;
}
