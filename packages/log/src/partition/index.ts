// A partition as a whole: what is in memory, what is in segments, what readers may see.
export { PartitionCompaction } from "./partition-compaction.js";
export { PartitionLog, type PartitionPlace } from "./partition-log.js";
export type { PartitionState } from "./partition-state.js";
export type { Offer } from "./rewrites.js";
export type { TailBatch } from "./tail.js";
