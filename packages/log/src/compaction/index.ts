// What compaction decides, without I/O: which records are obsolete, how far a partition is compacted. Storage drivers
// do it their own way: storage/file with partition/partition-compaction.ts, storage/memory in place.
export { type CompactionState, compactedTo, neverCompacted, tombstoneEnd } from "./compaction-state.js";
export { Obsolescence } from "./obsolescence.js";
export { Sweep } from "./sweep.js";
