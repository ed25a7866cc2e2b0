// A partition as a plain value: what a checkpoint writes down and recovery begins with.
import type { CompactionState } from "../compaction/index.js";
import type { SegmentState } from "../segment/index.js";
import type { PartitionConfig, PartitionName } from "../storage/contracts.js";

/** What the checkpoint file keeps of a partition. */
export interface PartitionState {
  readonly name: PartitionName;
  /** Stands for the partition in the journal; never given twice. */
  readonly number: number;
  config: PartitionConfig;
  logStartOffset: number;
  /** All before it is in segments, synced. */
  recoveryPoint: number;
  segments: readonly SegmentState[];
  /** For each writer that appended: its epoch and its first offset. */
  leaderEpochs: readonly (readonly [epoch: number, startOffset: number])[];
  /** The next append gets no offset below it: what was there was lost, and a repair keeps it from being given again. */
  endOffsetMin?: number;
  /** Absent of a partition that was never compacted. */
  compaction?: CompactionState;
}
