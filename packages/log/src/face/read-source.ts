// A partition as its readers need it, and which of what it holds counts for them: all that is visible, or only what is
// committed.
import { LogError } from "../errors.js";
import { batchLengthAt, RecordBatch } from "../record/index.js";
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
  /** Beside the writer: sees to it that the ledger tells of what is visible now, and answers up to where it does. */
  catchUp?(): Promise<number>;
  deleteRecords(before: number): Promise<void>;
}

/** What is stored, and what of it is decided. */
export interface DecidedRead extends ReadResult {
  /** Before it every transaction has been committed or aborted; the high watermark if none is open. */
  readonly lastStableOffset: number;
  /** The aborted transactions that have records in what was read, up to there. */
  readonly aborted: readonly AbortedTransaction[];
}

/** What is stored, and what of it counts for a reader. */
export interface IsolatedRead extends ReadResult {
  /** What begins there or later does not count yet. */
  readonly end: number;
  /** Of "read_committed": whether a batch before the end counts. Markers and what was aborted do not. */
  readonly isCommitted?: (batch: RecordBatch) => boolean;
}

/** @throws LogError INVALID_ARGUMENT */
export function readsCommitted(isolation: Isolation = "read_uncommitted"): boolean {
  if (isolation === "read_uncommitted") return false;
  if (isolation !== "read_committed") {
    const message = `"${String(isolation)}" is not an isolation: read_uncommitted or read_committed`;
    throw new LogError("INVALID_ARGUMENT", message, { details: { name: "isolation" } });
  }
  return true;
}

/** The end of what readers see, when everything is visible that has been acknowledged. */
export async function endOffset(source: ReadSource, isolation: Isolation | undefined): Promise<number> {
  const isCommittedOnly = readsCommitted(isolation);
  const unstable = isCommittedOnly ? await firstUndecided(source) : Number.POSITIVE_INFINITY;
  const { highWatermark } = await source.storage.describe(source.id);
  // A transaction may have begun meanwhile.
  return Math.min(highWatermark, unstable, isCommittedOnly ? firstUnstableOffset(source) : highWatermark);
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
  const isCommittedOnly = readsCommitted(isolation);
  await source.storage.watch(source.id, offset, signal);
  source.check();
  if (!isCommittedOnly) return;
  if (source.catchUp !== undefined) return watchBeside(source, source.catchUp, offset, signal);
  const ledger = source.ledger();
  ledger?.check();
  // Nothing may come between the look and the wait.
  while (ledger !== undefined && ledger.producers.firstUnstableOffset <= offset) {
    await ledger.producers.whenEnded(signal);
    source.check();
  }
}

/** The end of a transaction is something to be read, too. */
async function watchBeside(
  source: ReadSource,
  catchUp: () => Promise<number>,
  offset: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (;;) {
    const end = await catchUp();
    if (Math.min(end, firstUnstableOffset(source)) > offset) return;
    await source.storage.watch(source.id, end, signal);
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
export async function readDecided(
  source: ReadSource,
  from: number,
  bytesMax: number,
  memory?: Buffer,
): Promise<DecidedRead> {
  const unstableBefore = await firstUndecided(source);
  const abortedBefore = source.ledger()?.producers.allAborted;
  const result = await source.storage.read(source.id, from, bytesMax, memory);
  const lastStableOffset = Math.min(result.highWatermark, unstableBefore, firstUnstableOffset(source));
  const producers = source.ledger()?.producers;
  const until = Math.min(endOf(result), lastStableOffset);
  const aborted = producers?.aborted(result.startOffset, until, abortedBefore) ?? [];
  return { ...result, lastStableOffset, aborted };
}

function endOf({ chunks, startOffset }: ReadResult): number {
  const chunk = chunks.at(-1);
  if (chunk === undefined) return startOffset;
  let last = 0;
  for (let at = 0; at < chunk.length; at += batchLengthAt(chunk, at)) last = at;
  return new RecordBatch(chunk.subarray(last)).nextOffset;
}

/**
 * Nothing is certain from there on.
 *
 * @throws LogError CORRUPT_BATCH, CORRUPT_METADATA where records that would tell could not be read
 */
async function firstUndecided(source: ReadSource): Promise<number> {
  const end = source.catchUp === undefined ? Number.POSITIVE_INFINITY : await source.catchUp();
  source.ledger()?.check();
  return Math.min(end, firstUnstableOffset(source));
}

export function firstUnstableOffset(source: ReadSource): number {
  return source.ledger()?.producers.firstUnstableOffset ?? Number.POSITIVE_INFINITY;
}
