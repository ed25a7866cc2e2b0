// Bytes that left the log as whole batches, back into records, wherever they have been in between: a socket, a file,
// another machine. Nothing is trusted and nothing is copied.
import { LogError } from "../errors.js";
import { checkInteger } from "../options.js";
import { batchHeaderBytes, batchLengthAt, type LogRecord, RecordBatch } from "../record/index.js";

export interface DecodeOptions {
  /** Records before this offset are left out. Default 0. */
  readonly from?: number;
  /** What the records shall give as their partition: the bytes do not tell. Default 0. */
  readonly partition?: number;
}

/**
 * The records of a raw slice, decoded as the iteration reaches them; keys and values are views of the slice or, where
 * it is compressed, of what a batch unpacks to. Each batch's length, checksum and place after the one before it are
 * checked first. Control batches have no records.
 *
 * @param bytes - Whole batches, back to back, of one partition; or several pieces of which each holds whole batches.
 * @throws LogError CORRUPT_BATCH where the slice is damaged or incomplete, CODEC_MISSING, NUMBER_TOO_LARGE. Its
 *   `details.position` says where in the slice that batch begins; the records before it have been given by then.
 */
export function decodeBatches(
  bytes: Uint8Array | readonly Uint8Array[],
  options: DecodeOptions = {},
): Generator<LogRecord, void, void> {
  const { from = 0, partition = 0 } = options;
  checkInteger("from", from, 0);
  checkInteger("partition", partition, 0);
  const pieces: unknown = bytes instanceof Uint8Array ? [bytes] : bytes;
  if (!Array.isArray(pieces) || !pieces.every((piece) => piece instanceof Uint8Array)) {
    throw new LogError("INVALID_ARGUMENT", "a raw slice is a Uint8Array, or several of them");
  }
  return decode(pieces, from, partition);
}

function* decode(
  pieces: readonly Uint8Array[],
  from: number,
  partition: number,
): Generator<LogRecord, void, void> {
  let pieceStart = 0;
  let expected = 0;
  for (const piece of pieces) {
    const buffer = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    let at = 0;
    while (at < buffer.length) {
      try {
        const batch = checkedBatch(buffer, at, expected, partition);
        if (!batch.isControl && batch.nextOffset > from) yield* batch.records(from);
        expected = batch.nextOffset;
        at += batch.bytes.length;
      } catch (error) {
        throw located(error, pieceStart + at);
      }
    }
    pieceStart += buffer.length;
  }
}

function checkedBatch(buffer: Buffer, at: number, expected: number, partition: number): RecordBatch {
  const left = buffer.length - at;
  if (left < batchHeaderBytes) throw corrupt(`it ends after ${left} bytes of a batch`);
  const length = batchLengthAt(buffer, at);
  if (length < 0) throw corrupt("there is no record batch");
  if (length > left) throw corrupt(`it ends after ${left} of the ${length} bytes of a batch`);
  const batch = new RecordBatch(buffer.subarray(at, at + length), partition).verify();
  // The checksum does not cover the offset.
  if (batch.baseOffset < expected) throw corrupt(`offset ${batch.baseOffset} where ${expected} is next`);
  return batch;
}

function corrupt(message: string): LogError {
  return new LogError("CORRUPT_BATCH", message);
}

function located(error: unknown, position: number): unknown {
  if (!(error instanceof LogError)) return error;
  const message = `position ${position} of the slice: ${error.message}`;
  return new LogError(error.code, message, { cause: error, details: { ...error.details, position } });
}
