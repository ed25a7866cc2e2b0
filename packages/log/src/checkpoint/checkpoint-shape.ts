// What a checkpoint file holds, field by field. Recovery sizes buffers and cuts files by these numbers, so those that
// cannot go together are refused here.
import type { PartitionState } from "../partition/index.js";
import type { SegmentState } from "../segment/index.js";
import { fields, listOf, oneOf, orMissing, type Shape, text, tuple, whole } from "../shapes.js";

const count = whole();
const crc = whole(0, 2 ** 32 - 1);
const timestamp = whole(Number.MIN_SAFE_INTEGER);

const indexShape = fields({
  bytesSinceEntry: count,
  maxTimestamp: timestamp,
  maxTimestampOffset: whole(-1),
  lastTimeEntry: timestamp,
});

const segmentShape = fields({
  baseOffset: count,
  nextOffset: count,
  logBytes: count,
  firstTimestamp: timestamp,
  index: indexShape,
  offsetIndexBytes: count,
  offsetIndexCrc: crc,
  timeIndexBytes: count,
  timeIndexCrc: crc,
  rewrite: orMissing(whole(1)),
  swap: orMissing(oneOf(true)),
});

const compactionShape = fields({ count: whole(1), end: count, marks: listOf(tuple(count, timestamp)) });

const partitionShape = fields({
  name: fields({ id: text, topic: text, topicId: text, partition: count }),
  number: count,
  config: fields({ segmentBytes: count, segmentMs: count }),
  logStartOffset: count,
  recoveryPoint: count,
  segments: listOf(together(segmentShape, segmentMisfit)),
  leaderEpochs: listOf(tuple(count, count)),
  compaction: orMissing(compactionShape),
});

export const checkpointShape: Shape = fields({
  logId: text,
  writers: listOf(fields({ epoch: count, writerId: text, start: count })),
  journalStart: count,
  nextPartitionNumber: count,
  metadata: listOf(fields({ key: text, value: text, version: count })),
  partitions: listOf(together(partitionShape, partitionMisfit)),
});

/** First each field for itself, then what they say about each other. */
function together<T>(shape: Shape, misfitOf: (value: T) => string | undefined): Shape {
  return (value) => shape(value) ?? misfitOf(value as T);
}

// There is at most one entry for 4 KiB of batches, besides the last time entry: an index is smaller than its log.
function segmentMisfit(state: SegmentState): string | undefined {
  const { baseOffset, nextOffset, logBytes, offsetIndexBytes, timeIndexBytes, rewrite, swap } = state;
  if (nextOffset < baseOffset) return ".nextOffset";
  if (swap !== undefined && rewrite === undefined) return ".swap";
  if (offsetIndexBytes > logBytes || offsetIndexBytes % 8 !== 0) return ".offsetIndexBytes";
  return timeIndexBytes > logBytes || timeIndexBytes % 12 !== 0 ? ".timeIndexBytes" : undefined;
}

function partitionMisfit({ recoveryPoint, segments, endOffsetMin }: PartitionState): string | undefined {
  if (endOffsetMin !== undefined && count(endOffsetMin) !== undefined) return ".endOffsetMin";
  let end = 0;
  for (const [index, { baseOffset, nextOffset }] of segments.entries()) {
    if (baseOffset < end) return `.segments[${index}].baseOffset`;
    end = nextOffset;
  }
  return end > recoveryPoint ? ".recoveryPoint" : undefined;
}
