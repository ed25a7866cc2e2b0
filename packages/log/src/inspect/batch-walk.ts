// Goes through the batches of a .log file whatever state it is in: what does not read as a batch is passed over up to
// the next bytes that do, checksum included, and reported as a stretch of its own. Nothing is thrown but I/O errors.
import { batchField, batchHeaderBytes, batchLengthAt, RecordBatch } from "../record/index.js";
import type { ByteWindow } from "./byte-window.js";

export type WalkItem =
  | {
      readonly kind: "batch";
      readonly position: number;
      readonly bytes: Buffer;
      /** Undefined for a batch whose checksum and header are good. */
      readonly problem: string | undefined;
    }
  | { readonly kind: "garbage"; readonly position: number; readonly length: number; readonly what: string };

/** What a batch's header says, if its numbers make sense. */
export interface BatchHeader {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly recordCount: number;
  readonly maxTimestamp: number;
}

// No batch that we or Kafka would accept is longer; a length beyond it is a damaged one.
const batchBytesMax = 256 * 1024 * 1024;
const searchBytes = 256 * 1024;

export async function* walkBatches(
  window: ByteWindow,
  start: number,
  end: number,
): AsyncGenerator<WalkItem, void, void> {
  for (let position = start; position < end; ) {
    const length = await plausibleLength(window, position, end);
    if (length > 0) {
      const bytes = await window.at(position, length);
      const problem = problemOf(bytes);
      // When the checksum is wrong and nothing good follows, the length may be what is wrong: look for the next batch.
      const isBounded = problem === undefined || (await isBoundary(window, position + length, end));
      if (isBounded) {
        yield { kind: "batch", position, bytes, problem };
        position += length;
        continue;
      }
    }
    const next = await findBatch(window, position + 1, end);
    yield {
      kind: "garbage",
      position,
      length: next - position,
      what: await describe(window, position, next),
    };
    position = next;
  }
}

/** The header's numbers, or undefined when even they make no sense. */
export function headerOf(bytes: Buffer): BatchHeader | undefined {
  try {
    const { baseOffset, lastOffset, recordCount, maxTimestamp } = new RecordBatch(bytes);
    return baseOffset < 0 || lastOffset < baseOffset
      ? undefined
      : { baseOffset, lastOffset, recordCount, maxTimestamp };
  } catch {
    return undefined;
  }
}

function problemOf(bytes: Buffer): string | undefined {
  try {
    const batch = new RecordBatch(bytes).verify();
    return batch.maxTimestamp >= Number.MIN_SAFE_INTEGER ? undefined : "its timestamp makes no sense";
  } catch (error) {
    return (error as Error).message;
  }
}

/** The length of what may be a batch, −1 if there cannot be one. */
async function plausibleLength(window: ByteWindow, position: number, end: number): Promise<number> {
  if (position + batchHeaderBytes > end) return -1;
  const header = await window.at(position, batchHeaderBytes);
  if (header.length < batchHeaderBytes) return -1;
  const length = batchLengthAt(header, 0);
  return length > 0 && length <= Math.min(batchBytesMax, end - position) ? length : -1;
}

async function isBoundary(window: ByteWindow, position: number, end: number): Promise<boolean> {
  return position === end || (await plausibleLength(window, position, end)) > 0;
}

/** The position of the next batch with a good checksum, or the end. */
async function findBatch(window: ByteWindow, from: number, end: number): Promise<number> {
  for (let start = from; start + batchHeaderBytes <= end; start += searchBytes) {
    const chunk = await window.at(start, Math.min(searchBytes + batchHeaderBytes, end - start));
    const candidates = Math.min(searchBytes, chunk.length - batchHeaderBytes + 1);
    for (let at = 0; at < candidates; at++) {
      if (chunk[at + batchField.magic] !== 2) continue;
      const length = batchLengthAt(chunk, at);
      if (length < 0 || length > batchBytesMax || start + at + length > end) continue;
      if (problemOf(await window.at(start + at, length)) === undefined) return start + at;
    }
  }
  return end;
}

async function describe(window: ByteWindow, position: number, next: number): Promise<string> {
  const bytes = await window.at(position, Math.min(next - position, searchBytes));
  const isZero = bytes.every((byte) => byte === 0);
  return `${next - position} bytes that are ${isZero ? "zeros" : "no record batch"}`;
}
