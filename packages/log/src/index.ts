// The engine's door: what an application needs. Drivers find their contract in ./storage, inspectors in ./format.
export type { Clock, Timer } from "./clock.js";
export { type ErrorCode, errorCodes, LogError } from "./errors.js";
export type { AppendBatchOptions, AppendOptions } from "./face/append-options.js";
export type { CompactionResult } from "./face/compaction.js";
export type { Consumer } from "./face/consumer.js";
export type { ConsumerOptions, Place } from "./face/consumer-options.js";
export type { DeadLetterTopic } from "./face/dead-letter.js";
export { type DecodeOptions, decodeBatches } from "./face/decode-batches.js";
export type { Acknowledged, AcknowledgedListener, RecordInput } from "./face/forming.js";
export type { GroupLag, PartitionLag } from "./face/lag.js";
export type { Handler, RetryOptions } from "./face/lane.js";
export type { Log, LogStats } from "./face/log.js";
export type { Committed } from "./face/metadata-values.js";
export type { GetResult, Partition } from "./face/partition.js";
export { type ProcessOptions, unapplied } from "./face/processing.js";
export type { AbortedTransaction } from "./face/producers.js";
export type { FileRangeOptions, RawReadOptions, RawSlice } from "./face/raw.js";
export type { Isolation } from "./face/read-source.js";
export type { Position, ReadOptions } from "./face/reading.js";
export type { AppendResult, Receipt } from "./face/receipt.js";
export type { RetentionResult, StalledGroup } from "./face/retention.js";
export type { Topic, TopicDescription } from "./face/topic.js";
export type { CommitPlace, GroupDescription } from "./face/topic-groups.js";
export type {
  Progress,
  ProgressSource,
  Transaction,
  TransactionOptions,
  TransactionTarget,
} from "./face/transaction.js";
export type { DirectoryLock, File, FileSystem } from "./fs/index.js";
export { type LogOptions, openLog } from "./open.js";
export { type LogSettings, logSettings, type TopicConfig, topicConfig } from "./options.js";
export type { Bytes, Compression, Header, HeadersInput, LogRecord, RecordBatch } from "./record/index.js";
export { requireCompression } from "./record/index.js";
export type {
  CompactionFigures,
  CompactionOutcome,
  Durability,
  FileRange,
  PartitionDescription,
  StorageCounters,
} from "./storage/contracts.js";
export type { RecoveryProgress } from "./storage/file/open-file-storage.js";
