// From journal to segments, and the file that records how far that has come.
export {
  type CheckpointState,
  checkpointCopyName,
  checkpointName,
  decodeCheckpoint,
  encodeCheckpoint,
  readCheckpoint,
  writeCheckpoint,
} from "./checkpoint-file.js";
export { checkpointShape } from "./checkpoint-shape.js";
export { Checkpointer } from "./checkpointer.js";
export { kafkaOffsetFiles, writeKafkaOffsets } from "./kafka-offsets.js";
