// From the log's errors to Kafka's codes.
import { type ErrorCode as LogCode, LogError } from "@strandlog/log";
import { ErrorCode, type ErrorName } from "@strandlog/protocol";

/** What clients do about each of these is what users of the log should do: send again, or give up. */
const codes: Partial<Record<LogCode, ErrorName>> = {
  BACKPRESSURE: "REQUEST_TIMED_OUT",
  CLOSED: "NOT_LEADER_OR_FOLLOWER",
  CODEC_MISSING: "UNSUPPORTED_COMPRESSION_TYPE",
  CORRUPT_BATCH: "CORRUPT_MESSAGE",
  DISK_FULL: "KAFKA_STORAGE_ERROR",
  INVALID_ARGUMENT: "INVALID_REQUEST",
  INVALID_TOPIC: "INVALID_TOPIC_EXCEPTION",
  IO: "KAFKA_STORAGE_ERROR",
  JOURNAL_FAILED: "KAFKA_STORAGE_ERROR",
  NUMBER_TOO_LARGE: "INVALID_RECORD",
  OFFSET_OUT_OF_RANGE: "OFFSET_OUT_OF_RANGE",
  OUT_OF_ORDER_SEQUENCE: "OUT_OF_ORDER_SEQUENCE_NUMBER",
  PARTITION_NOT_FOUND: "UNKNOWN_TOPIC_OR_PARTITION",
  PRODUCER_FENCED: "INVALID_PRODUCER_EPOCH",
  READ_ONLY: "KAFKA_STORAGE_ERROR",
  RECORD_TOO_LARGE: "MESSAGE_TOO_LARGE",
  TRANSACTION_TOO_LARGE: "INVALID_REQUEST",
  TOPIC_EXISTS: "TOPIC_ALREADY_EXISTS",
  TOPIC_NOT_FOUND: "UNKNOWN_TOPIC_OR_PARTITION",
};

export interface Refusal {
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

/** Throws again what is not the log's: a bug of ours, which is to be seen. */
export function refusalOf(error: unknown): Refusal {
  if (!(error instanceof LogError)) throw error;
  const name = codes[error.code] ?? "UNKNOWN_SERVER_ERROR";
  return { errorCode: ErrorCode[name], errorMessage: error.message };
}

/** What is wrong with a record, though its batch is whole: it has no key in a compacted topic. */
export function recordRefusalOf(error: unknown): Refusal {
  const refusal = refusalOf(error);
  const isInvalid = refusal.errorCode === ErrorCode.INVALID_REQUEST;
  return isInvalid ? { ...refusal, errorCode: ErrorCode.INVALID_RECORD } : refusal;
}

/** What is wrong with a topic's settings has a code of its own. */
export function configRefusalOf(error: unknown): Refusal {
  const refusal = refusalOf(error);
  const isInvalid = refusal.errorCode === ErrorCode.INVALID_REQUEST;
  return isInvalid ? { ...refusal, errorCode: ErrorCode.INVALID_CONFIG } : refusal;
}

/** For requests to a coordinator: clients know other codes there for "try again". */
export function coordinatorRefusalOf(error: unknown): number {
  const { errorCode } = refusalOf(error);
  if (errorCode === ErrorCode.NOT_LEADER_OR_FOLLOWER) return ErrorCode.NOT_COORDINATOR;
  const isForNow = errorCode === ErrorCode.KAFKA_STORAGE_ERROR || errorCode === ErrorCode.REQUEST_TIMED_OUT;
  return isForNow ? ErrorCode.COORDINATOR_NOT_AVAILABLE : errorCode;
}
