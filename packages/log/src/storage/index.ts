// The door for authors of storage drivers: the contract, the suite that tests a driver against it, and what it takes
// to look into the batches that a driver is given. Applications need none of it.
export { type ErrorCode, errorCodes, LogError } from "../errors.js";
export {
  BatchBuilder,
  batchHeaderBytes,
  batchLengthAt,
  type Compression,
  type LogRecord,
  placeBatch,
  RecordBatch,
} from "../record/index.js";
export { type ConformanceOptions, type OpenedStorage, storageConformance } from "./conformance.js";
export type {
  AppendGroup,
  AppendOutcome,
  BatchAppend,
  CompactionFigures,
  CompactionLimits,
  CompactionOutcome,
  Durability,
  FileRange,
  LogStorage,
  MetadataEntry,
  MetadataPut,
  MetadataStore,
  PartitionConfig,
  PartitionDescription,
  PartitionName,
  ReadResult,
  StorageCounters,
  StorageManifest,
} from "./contracts.js";
