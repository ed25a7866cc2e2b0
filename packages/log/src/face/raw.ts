// Reading without decoding, for whoever passes records on: whole record batches as bytes, or the place in a file where
// they lie; decode-batches.ts turns them into records where they arrive.
import { LogError } from "../errors.js";
import { checkInteger } from "../options.js";
import { batchLengthAt, mostOf, RecordBatch } from "../record/index.js";
import type { FileRange } from "../storage/contracts.js";
import type { AbortedTransaction } from "./producers.js";
import {
  type DecidedRead,
  firstUnstableOffset,
  type Isolation,
  type ReadSource,
  readDecided,
  readsCommitted,
} from "./read-source.js";
import { type Position, resolvePosition } from "./reading.js";

export interface RawReadOptions {
  /** Where to begin: the `next` of the last answer, or any position. */
  readonly from: Position;
  /** The answer is no longer than this unless its first batch is. 1 byte to 64 MiB; default 1 MiB. */
  readonly bytesMax?: number;
  /**
   * Default "read_uncommitted": all that is visible. "read_committed": only up to the last stable offset, and the answer
   * tells which producers' records in it were aborted.
   */
  readonly isolation?: Isolation;
  /**
   * Memory of the caller's to read into, so that it can be used again: fresh memory takes longer to get than to fill. It is
   * used where at least half of it is filled from a segment file, and is not to be changed as long as the answer is in use.
   */
  readonly memory?: Buffer;
  readonly signal?: AbortSignal;
}

export interface FileRangeOptions {
  /** Where to begin: the `next` of the last answer, or any position. */
  readonly from: Position;
  /** The range is no longer than this unless its first batch is. 1 byte to 2 GiB; default 1 MiB. */
  readonly bytesMax?: number;
}

/**
 * Record batches as they are stored. The bytes are the log's own memory, unless they lie in {@link RawReadOptions.memory}:
 * whoever changes them changes the log.
 */
export interface RawSlice {
  /** Whole batches, back to back in each piece; none at the end of what there is. */
  readonly chunks: readonly Buffer[];
  /** Of all chunks together, in bytes. */
  readonly length: number;
  /** The first offset that counts, `from` or the log's start if that is later. The first batch may begin before it. */
  readonly startOffset: number;
  /** Where to go on. */
  readonly next: number;
  /** The first offset that may be read, and the end of what readers see, at the moment. */
  readonly logStartOffset: number;
  readonly highWatermark: number;
  /**
   * Before it every transaction has been committed or aborted; the high watermark if none is open, or if nobody knows:
   * a log opened `readOnly` looks only for "read_committed".
   */
  readonly lastStableOffset: number;
  /** With "read_committed": whose records, from which offset to their marker, are not to be used. */
  readonly aborted: readonly AbortedTransaction[];
}

const bytesMaxDefault = 1024 * 1024;
const rawBytesMax = 64 * 1024 * 1024;
const rangeBytesMax = 2 ** 31 - 1;

export async function readRaw(source: ReadSource, options: RawReadOptions): Promise<RawSlice> {
  const known = ["from", "bytesMax", "isolation", "memory", "signal"] as const;
  const { from, bytesMax = bytesMaxDefault, isolation, memory, signal } = checked(options, known);
  checkInteger("bytesMax", bytesMax, 1, rawBytesMax);
  const isCommittedOnly = readsCommitted(isolation);
  signal?.throwIfAborted();
  await source.settle();
  const offset = await resolvePosition(source, from, isolation);
  signal?.throwIfAborted();
  const read = await (isCommittedOnly ? readDecided : readAll)(source, offset, bytesMax, memory);
  signal?.throwIfAborted();
  const { chunks, startOffset, logStartOffset, highWatermark, lastStableOffset } = read;
  const end = isCommittedOnly ? lastStableOffset : highWatermark;
  const taken = withinBudget(chunks, bytesMax, startOffset, end);
  const aborted = isCommittedOnly ? read.aborted.filter(({ firstOffset }) => firstOffset < taken.next) : [];
  return { ...taken, startOffset, logStartOffset, highWatermark, lastStableOffset, aborted };
}

export async function fileRange(
  source: ReadSource,
  options: FileRangeOptions,
): Promise<FileRange | undefined> {
  const { from, bytesMax = bytesMaxDefault } = checked(options, ["from", "bytesMax"]);
  checkInteger("bytesMax", bytesMax, 1, rangeBytesMax);
  const offset = await resolvePosition(source, from);
  const { storage, id } = source;
  if (storage.fileRange === undefined) {
    const { name } = storage.manifest;
    throw new LogError(
      "UNSUPPORTED",
      `the storage driver "${name}" keeps no files that could be handed out`,
      {
        details: { driver: name, capability: "fileRange" },
      },
    );
  }
  return storage.fileRange(id, offset, bytesMax);
}

async function readAll(
  source: ReadSource,
  from: number,
  bytesMax: number,
  memory: Buffer | undefined,
): Promise<DecidedRead> {
  const result = await source.storage.read(source.id, from, bytesMax, memory);
  const unstable = source.catchUp === undefined ? firstUnstableOffset(source) : Number.POSITIVE_INFINITY;
  return { ...result, lastStableOffset: Math.min(result.highWatermark, unstable), aborted: [] };
}

/** Drivers answer about as much as they are asked for. What begins at `endOffset` or later is left out. */
function withinBudget(
  chunks: readonly Buffer[],
  bytesMax: number,
  startOffset: number,
  endOffset: number,
): Pick<RawSlice, "chunks" | "length" | "next"> {
  const taken: Buffer[] = [];
  let length = 0;
  let next = startOffset;
  for (const chunk of chunks) {
    let end = 0;
    while (end < chunk.length) {
      const bytes = batchLengthAt(chunk, end);
      if (length > 0 && length + bytes > bytesMax) break;
      const batch = new RecordBatch(chunk.subarray(end, end + bytes));
      if (batch.baseOffset >= endOffset) break;
      next = batch.nextOffset;
      length += bytes;
      end += bytes;
    }
    if (end > 0) taken.push(mostOf(chunk, end));
    if (end < chunk.length) break;
  }
  return { chunks: taken, length, next };
}

function checked<T extends object>(options: T, known: readonly (keyof T & string)[]): T {
  if (typeof options !== "object" || options === null) {
    throw new LogError("INVALID_ARGUMENT", "options must be an object that says from where to read");
  }
  const unknown = Object.keys(options).find((name) => !(known as readonly string[]).includes(name));
  if (unknown === undefined) return options;
  const message = `unknown option "${unknown}"; known are ${known.join(", ")}`;
  throw new LogError("INVALID_ARGUMENT", message, { details: { name: unknown } });
}
