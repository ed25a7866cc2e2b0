// What of a segment's .log can be trusted, and what can be put back as it was. A batch is trusted if its checksum
// matches and it stands where it belongs: behind the one before it, or where the index says; after damage, anywhere
// beyond it.
import type { FileSystem } from "../fs/index.js";
import { headerOf, walkBatches } from "../inspect/batch-walk.js";
import { type ByteWindow, withWindow } from "../inspect/byte-window.js";
import { isMissing } from "../inspect/findings.js";
import { checkRecords } from "../inspect/verify-records.js";
import { batchField, crc32c, RecordBatch, writeInt64 } from "../record/index.js";
import { emptySegment, type SegmentState } from "../segment/index.js";
import { findEntryAt, type IndexedBatch, IndexWriter } from "../segment/segment-index.js";

export interface LeaderEpochs {
  /** The epoch of the batch that begins at an offset; undefined where that is no longer known. */
  at(offset: number): number | undefined;
}

/** Bytes that a batch gets back in its header. */
interface HeaderPatch {
  readonly position: number;
  readonly header: Buffer;
}

export interface SalvagedLog {
  readonly path: string;
  /** −1: there is no file. */
  readonly size: number;
  /** Set when patches, or batches in another order, give back exactly what was there. */
  readonly restored:
    | { readonly patches: readonly HeaderPatch[]; readonly order: readonly IndexedBatch[] }
    | undefined;
  /** Good batches that follow each other in the file; one run from 0 to the end if nothing is damaged. */
  readonly runs: readonly (readonly IndexedBatch[])[];
  readonly lost: readonly { readonly from: number; readonly to: number }[];
  /** The indexes that the log gives, as restored. */
  readonly offsetIndex: Buffer;
  readonly timeIndex: Buffer;
}

interface Piece {
  readonly position: number;
  readonly length: number;
  /** Undefined for bytes that are no good batch. */
  readonly span: IndexedBatch | undefined;
}

const headerBytes = 17;

export async function salvageLog(
  fs: FileSystem,
  path: string,
  state: SegmentState,
  epochs: LeaderEpochs,
  suffix: ".log" | ".log.tmp" = ".log",
): Promise<SalvagedLog> {
  const gone = { path, size: -1, restored: undefined, runs: [], offsetIndex: empty, timeIndex: empty };
  try {
    return await withWindow(fs, path + suffix, async (window) => {
      const index = await trustedIndex(fs, path, state);
      return new Salvage(path, state, epochs, window, index).run();
    });
  } catch (error) {
    if (!isMissing(error)) throw error;
    return {
      ...gone,
      lost: state.logBytes > 0 ? [{ from: state.baseOffset, to: state.nextOffset - 1 }] : [],
    };
  }
}

const empty = Buffer.alloc(0);

/** The offset index if it is the one that the checkpoint describes. */
async function trustedIndex(fs: FileSystem, path: string, state: SegmentState): Promise<Buffer | undefined> {
  const stored = (await fs.readFile(`${path}.index`).catch(() => undefined)) ?? empty;
  const counted = stored.subarray(0, state.offsetIndexBytes);
  const isRight = counted.length === state.offsetIndexBytes && crc32c(counted) === state.offsetIndexCrc;
  return isRight ? counted : undefined;
}

class Salvage {
  readonly #path: string;
  readonly #state: SegmentState;
  readonly #epochs: LeaderEpochs;
  readonly #window: ByteWindow;
  readonly #index: Buffer | undefined;

  constructor(
    path: string,
    state: SegmentState,
    epochs: LeaderEpochs,
    window: ByteWindow,
    index: Buffer | undefined,
  ) {
    this.#path = path;
    this.#state = state;
    this.#epochs = epochs;
    this.#window = window;
    this.#index = index;
  }

  async run(): Promise<SalvagedLog> {
    const pieces = await this.#pieces();
    const { size } = this.#window;
    // The order first: a batch that stands in another's place must not be given the other's offset.
    const sorted = this.#sorted(pieces);
    const isMoved = sorted?.order.some((span, n) => span.position !== pieces[n]?.position) ?? false;
    const whole = isMoved ? sorted : await this.#patched(pieces);
    if (whole !== undefined) {
      const { patches, order, index } = whole;
      return {
        path: this.#path,
        size,
        restored: patches.length > 0 || isMoved ? { patches, order } : undefined,
        runs: [order],
        lost: [],
        offsetIndex: index.offsetBytes,
        timeIndex: index.timeBytes,
      };
    }
    return {
      path: this.#path,
      size,
      restored: undefined,
      ...this.#forward(pieces),
      offsetIndex: empty,
      timeIndex: empty,
    };
  }

  async #pieces(): Promise<Piece[]> {
    const pieces: Piece[] = [];
    const end = Math.min(this.#window.size, this.#state.logBytes);
    for await (const item of walkBatches(this.#window, 0, end)) {
      const { position } = item;
      if (item.kind === "garbage") pieces.push({ position, length: item.length, span: undefined });
      else {
        const isGood =
          item.problem === undefined && checkRecords(new RecordBatch(item.bytes)).problem === undefined;
        const header = isGood ? headerOf(item.bytes) : undefined;
        const span = header === undefined ? undefined : { ...header, position, bytes: item.bytes.length };
        pieces.push({ position, length: item.bytes.length, span });
      }
    }
    return pieces;
  }

  /** With headers mended where only they are damaged: the file as it was, or undefined. */
  async #patched(pieces: readonly Piece[]): Promise<Whole | undefined> {
    const patches: HeaderPatch[] = [];
    const order: IndexedBatch[] = [];
    let expected = this.#state.baseOffset;
    let moved = 0;
    for (const { position, length, span } of pieces) {
      if (length < headerBytes + 44) return undefined;
      const bytes = Buffer.from(await this.#window.at(position, length));
      const before = Buffer.from(bytes.subarray(0, headerBytes));
      this.#mend(bytes, position, expected);
      const header = headerOf(bytes);
      if (header === undefined || (span === undefined && !isSound(bytes))) return undefined;
      // One batch whose offset is damaged: its neighbours say what it was. Two may as well have changed places.
      if (span !== undefined && span.baseOffset !== header.baseOffset && ++moved > 1) return undefined;
      if (!before.equals(bytes.subarray(0, headerBytes)))
        patches.push({ position, header: bytes.subarray(0, headerBytes) });
      order.push({ ...header, position, bytes: length });
      expected = header.lastOffset + 1;
    }
    return this.#asItWas(order, patches);
  }

  /** Sets what the checksum does not cover to what it must have been. */
  #mend(bytes: Buffer, position: number, expected: number): void {
    const delta = bytes.readInt32BE(batchField.lastOffsetDelta);
    const relative = this.#index === undefined ? undefined : findEntryAt(this.#index, position);
    const known = relative === undefined ? undefined : this.#state.baseOffset + relative - delta;
    const own = headerOf(bytes)?.baseOffset ?? -1;
    // Without an index a gap can only be believed; whether it was there, the index that results will tell.
    const baseOffset = known ?? (this.#index === undefined && own > expected ? own : expected);
    if (baseOffset < 0) return;
    writeInt64(bytes, batchField.baseOffset, baseOffset);
    bytes.writeInt32BE(bytes.length - 12, batchField.batchLength);
    bytes[batchField.magic] = 2;
    const epoch = this.#epochs.at(baseOffset);
    if (epoch !== undefined) bytes.writeInt32BE(epoch, batchField.partitionLeaderEpoch);
  }

  /** Good batches only, in another order: the file as it was, or undefined. */
  #sorted(pieces: readonly Piece[]): Whole | undefined {
    const spans = pieces.map(({ span }) => span).filter((span) => span !== undefined);
    if (spans.length < pieces.length) return undefined;
    return this.#asItWas(
      spans.sort((left, right) => left.baseOffset - right.baseOffset),
      [],
    );
  }

  #asItWas(order: readonly IndexedBatch[], patches: readonly HeaderPatch[]): Whole | undefined {
    const { baseOffset, logBytes, nextOffset } = this.#state;
    const isInPlace = (span: IndexedBatch, n: number): boolean =>
      span.baseOffset > (order[n - 1]?.lastOffset ?? baseOffset - 1) && span.lastOffset < nextOffset;
    if (!order.every(isInPlace)) return undefined;
    const index = indexOf(baseOffset, order, this.#state.index.lastTimeEntry);
    const bytes = order.reduce((sum, span) => sum + span.bytes, 0);
    const next = (order.at(-1)?.lastOffset ?? baseOffset - 1) + 1;
    const isSame =
      bytes === logBytes &&
      next === nextOffset &&
      matches(index.offsetBytes, this.#state.offsetIndexBytes, this.#state.offsetIndexCrc) &&
      matches(index.timeBytes, this.#state.timeIndexBytes, this.#state.timeIndexCrc);
    return isSame ? { order, patches, index } : undefined;
  }

  /** From the beginning to the end: what is good and where it belongs. */
  #forward(pieces: readonly Piece[]): Pick<SalvagedLog, "runs" | "lost"> {
    const runs: IndexedBatch[][] = [];
    const lost: { from: number; to: number }[] = [];
    let expected = this.#state.baseOffset;
    let isAfterDamage = false;
    let run: IndexedBatch[] = [];
    for (const { span } of pieces) {
      if (span === undefined || !this.#belongs(span, expected, isAfterDamage)) {
        isAfterDamage = true;
        continue;
      }
      if (isAfterDamage) {
        if (span.baseOffset > expected) lost.push({ from: expected, to: span.baseOffset - 1 });
        run = [];
      }
      if (run.length === 0) runs.push(run);
      run.push(span);
      expected = span.lastOffset + 1;
      isAfterDamage = false;
    }
    if (expected < this.#state.nextOffset) lost.push({ from: expected, to: this.#state.nextOffset - 1 });
    return { runs, lost };
  }

  #belongs(span: IndexedBatch, expected: number, isAfterDamage: boolean): boolean {
    if (span.baseOffset < expected || span.lastOffset >= this.#state.nextOffset) return false;
    const relative = this.#index === undefined ? undefined : findEntryAt(this.#index, span.position);
    if (relative !== undefined) return relative === span.lastOffset - this.#state.baseOffset;
    return span.baseOffset === expected || isAfterDamage || this.#index === undefined;
  }
}

interface Whole {
  readonly order: readonly IndexedBatch[];
  readonly patches: readonly HeaderPatch[];
  readonly index: IndexWriter;
}

function isSound(bytes: Buffer): boolean {
  try {
    return checkRecords(new RecordBatch(bytes).verify()).problem === undefined;
  } catch {
    return false;
  }
}

function matches(content: Buffer, bytes: number, crc: number): boolean {
  return content.length === bytes && crc32c(content) === crc;
}

/** The indexes of batches that lie one behind the other; `lastTimeEntry` as it was tells whether the segment was closed. */
function indexOf(baseOffset: number, batches: readonly IndexedBatch[], lastTimeEntry: number): IndexWriter {
  const index = new IndexWriter(baseOffset, baseOffset, emptySegment(baseOffset).index);
  let position = 0;
  for (const batch of batches) {
    index.add({ ...batch, position });
    position += batch.bytes;
  }
  if (lastTimeEntry > index.state.lastTimeEntry) index.addTime();
  return index;
}

/** A run of batches as a segment of its own, with its indexes. */
export function segmentOf(
  run: readonly IndexedBatch[],
  baseOffset: number,
  isFollowed: boolean,
): { state: SegmentState; index: IndexWriter } {
  const index = indexOf(baseOffset, run, isFollowed ? Number.POSITIVE_INFINITY : -1);
  const { offsetBytes, timeBytes } = index;
  const state = {
    baseOffset,
    nextOffset: (run.at(-1)?.lastOffset ?? baseOffset - 1) + 1,
    logBytes: run.reduce((sum, { bytes }) => sum + bytes, 0),
    firstTimestamp: run[0]?.maxTimestamp ?? -1,
    index: index.state,
    offsetIndexBytes: offsetBytes.length,
    offsetIndexCrc: crc32c(offsetBytes),
    timeIndexBytes: timeBytes.length,
    timeIndexCrc: crc32c(timeBytes),
  };
  return { state, index };
}
