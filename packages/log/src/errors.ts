// Every failure that the log reports is a LogError with a code of this table. Codes are stable: programs switch
// on them, docs/errors.md explains each (a test holds the two together).

export const errorCodes = {
  BACKPRESSURE:
    "The log's memory budget is used up and the caller chose not to wait, or too many already wait.",
  CLOSED: "The log, topic or reader was closed.",
  CODEC_MISSING: "The topic's compression needs an npm package that is not installed.",
  CORRUPT_BATCH: "Bytes that should be a record batch are not one, or its checksum does not match.",
  CORRUPT_CHECKPOINT: "The checkpoint file is damaged or missing from a directory that holds a log.",
  CORRUPT_JOURNAL: "A journal block that had been synced no longer reads back.",
  CORRUPT_METADATA: "An entry of the metadata store is not what Strandlog writes there.",
  CORRUPT_SEGMENT: "A segment file is shorter than, or differs from, what was checkpointed.",
  DISK_FULL: "The disk is full. Nothing acknowledged is lost; appends wait until there is space.",
  FOREIGN_DIRECTORY: "The directory holds files that are not Strandlog's.",
  HANDLER_FAILED: "A handler of `consumer.process` went on failing, and no dead-letter topic was given.",
  INVALID_ARGUMENT: "An argument or option is unknown, of the wrong type or out of bounds.",
  INVALID_TOPIC: "The topic name is not legal.",
  IO: "The operating system refused an operation on a file.",
  JOURNAL_FAILED: "A write or sync of the journal failed. The log stays readable; reopen it to write again.",
  LOCKED: "Another live process has the directory open for writing.",
  NUMBER_TOO_LARGE: "A 64-bit number in a file is beyond 2^53.",
  OFFSET_OUT_OF_RANGE:
    "The offset lies beyond the end of the partition, or records before it cannot be deleted.",
  OUT_OF_ORDER_SEQUENCE: "A batch of an idempotent producer does not follow the one before it.",
  PARTITION_NOT_FOUND: "The topic has no such partition.",
  PRODUCER_FENCED: "An idempotent producer writes with an epoch that another one has taken over from.",
  READ_ONLY: "The log was opened read-only.",
  RECORD_TOO_LARGE: "The record exceeds the topic's maxMessageBytes.",
  TOPIC_EXISTS: "A topic of that name exists already, with other settings.",
  TOPIC_NOT_FOUND: "No topic of that name exists.",
  TRANSACTION_TOO_LARGE: "What a transaction appends does not fit into one write of the journal.",
  UNSUPPORTED: "The storage driver lacks a capability that this call needs.",
  UNSUPPORTED_VERSION: "The file was written by a newer version of Strandlog.",
  VERSION_CONFLICT: "The metadata key was changed by somebody else in the meantime.",
} as const;

export type ErrorCode = keyof typeof errorCodes;

const retriableCodes: ReadonlySet<ErrorCode> = new Set([
  "BACKPRESSURE",
  "DISK_FULL",
  "LOCKED",
  "VERSION_CONFLICT",
]);

/** The one error type of the log. `code` is stable, `details` names the file, offset or option concerned. */
export class LogError extends Error {
  override readonly name = "LogError";
  readonly code: ErrorCode;
  /** Whether the same call may succeed later without anything being changed. */
  readonly retriable: boolean;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; details?: Readonly<Record<string, unknown>> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retriable = retriableCodes.has(code);
    this.details = options.details ?? {};
  }
}

/** The system's error code (ENOSPC, EACCES, …) behind an error, if there is one. */
export function systemCode(error: unknown): string | undefined {
  if (error instanceof LogError && error.cause !== undefined) return systemCode(error.cause);
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : undefined;
}
