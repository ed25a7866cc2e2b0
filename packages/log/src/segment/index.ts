// Partition files in Kafka's bytes: the log, its indexes, and the descriptors that are open on them.
export { FileCache } from "./file-cache.js";
export { Segment } from "./segment.js";
export { emptySegment, type SegmentState, segmentName, swapName } from "./segment-state.js";
