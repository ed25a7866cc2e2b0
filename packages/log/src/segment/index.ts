// Partition files in Kafka's bytes: the log, its indexes, and the descriptors that are open on them.
export { FileCache } from "./file-cache.js";
export { emptySegment, Segment, type SegmentState, segmentName } from "./segment.js";
