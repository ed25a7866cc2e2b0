// A partition as its readers need it, and which of what it holds counts for them: all that is visible, or only what is
// committed.
import { LogError } from "../errors.js";
import type { RecordBatch } from "../record/index.js";
import type { LogStorage, ReadResult } from "../storage/contracts.js";
import type { ProducerLedger } from "./producer-snapshot.js";
import { type AbortedTransaction, abortedLookup } from "./producers.js";

/** Whether records of transactions of Kafka's producers count before these have been committed. */
export type Isolation = "read_uncommitted" | "read_committed";

export interface ReadSource {
  readonly storage: LogStorage;
  readonly topic: string;
  readonly id: string;
  readonly partition: number;
  /** Sees to it that what is acknowledged is visible. */
  settle(): Promise<void>;
  /** Throws if the log was closed or the topic deleted. */
  check(): void;
  /** What is known of producers that number their batches; undefined if there are none. */
  ledger(): ProducerLedger | undefined;
  deleteRecords(before: number): Promise<void>;
}

/** What is stored, and what of it is decided. */
export interface DecidedRead extends ReadResult {
  /** Before it every transaction has been committed or aborted; the high watermark if none is open. */
  readonly lastStableOffset: number;
  /** The aborted transactions that have records from where reading began to there. */
  readonly aborted: readonly AbortedTransaction[];
}

/** What is stored, and what of it counts for a reader. */
export interface IsolatedRead extends ReadResult {
  /** What begins there or later does not count yet. */
  readonly end: number;
  /** Of "read_committed": whether a batch before the end counts. Markers and what was aborted do not. */
  readonly isCommitted?: (batch: RecordBatch) => boolean;
}

/** @throws LogError INVALID_ARGUMENT, UNSUPPORTED, CORRUPT_BATCH where records that would tell could not be read */
export function readsCommitted(source: ReadSource, isolation: Isolation = "read_uncommitted"): boolean {
  if (isolation === "read_uncommitted") return false;
  if (isolation !== "read_committed") {
    const message = `"${String(isolation)}" is not an isolation: read_uncommitted or read_committed`;
    throw new LogError("INVALID_ARGUMENT", message, { details: { name: "isolation" } });
  }
  if (source.storage.manifest.readOnly) {
    const message =
      "what is committed is known to the process that writes the log: read_committed is not for others";
    throw new LogError("UNSUPPORTED", message, { details: { capability: "isolation" } });
  }
  source.ledger()?.check();
  return true;
}

/** The end of what readers see, when everything is visible that has been acknowledged. */
export async function endOffset(source: ReadSource, isolation: Isolation | undefined): Promise<number> {
  const isCommittedOnly = readsCommitted(source, isolation);
  const { highWatermark } = await source.storage.describe(source.id);
  return isCommittedOnly ? Math.min(highWatermark, firstUnstableOffset(source)) : highWatermark;
}

/**
 * Settles when there may be something to read at the offset or after it: with "read_committed" something that is known
 * to be committed or aborted. Rejects when the topic is deleted.
 */
export async function watch(
  source: ReadSource,
  offset: number,
  isolation: Isolation | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const isCommittedOnly = readsCommitted(source, isolation);
  await source.storage.watch(source.id, offset, signal);
  source.check();
  const producers = source.ledger()?.producers;
  while (isCommittedOnly && producers !== undefined && producers.firstUnstableOffset <= offset) {
    await producers.whenEnded(signal);
    source.check();
  }
}

export async function read(
  source: ReadSource,
  from: number,
  bytesMax: number,
  isCommittedOnly: boolean,
): Promise<IsolatedRead> {
  if (!isCommittedOnly) {
    const result = await source.storage.read(source.id, from, bytesMax);
    return { ...result, end: result.highWatermark };
  }
  const result = await readDecided(source, from, bytesMax);
  const isAborted = abortedLookup(result.aborted);
  return {
    ...result,
    end: result.lastStableOffset,
    isCommitted: ({ isControl, isTransactional, producerId, baseOffset }) =>
      !isControl && !(isTransactional && isAborted(producerId, baseOffset)),
  };
}

/**
 * Reads, and says what was decided both before and after that. A transaction may be aborted meanwhile, and forgotten since
 * its records are deleted, though the read still gets them.
 */
export async function readDecided(source: ReadSource, from: number, bytesMax: number): Promise<DecidedRead> {
  const unstableBefore = firstUnstableOffset(source);
  const abortedBefore = source.ledger()?.producers.allAborted;
  const result = await source.storage.read(source.id, from, bytesMax);
  const lastStableOffset = Math.min(result.highWatermark, unstableBefore, firstUnstableOffset(source));
  const producers = source.ledger()?.producers;
  const aborted = producers?.aborted(result.startOffset, lastStableOffset, abortedBefore) ?? [];
  return { ...result, lastStableOffset, aborted };
}

function firstUnstableOffset(source: ReadSource): number {
  return source.ledger()?.producers.firstUnstableOffset ?? Number.POSITIVE_INFINITY;
}
