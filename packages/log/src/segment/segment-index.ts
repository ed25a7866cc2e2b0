// Kafka's two index files and the one rule by which both the writer and a rebuild fill them, so that a rebuilt index
// equals the one it replaces (I8). Layout and rule: docs/format/segment.md.
import { batchField, batchLengthAt, readInt64, writeInt64 } from "../record/index.js";

export const offsetEntryBytes = 8;
export const timeEntryBytes = 12;
const indexIntervalBytes = 4096;

/** What the rule must remember between two batches. */
export interface IndexState {
  /** Bytes appended since the last entry. */
  bytesSinceEntry: number;
  /** The largest timestamp so far and the last offset of the batch that holds it; −1 before the first batch. */
  maxTimestamp: number;
  maxTimestampOffset: number;
  /** Timestamp of the last entry of the time index. */
  lastTimeEntry: number;
}

export const emptyIndexState: Readonly<IndexState> = {
  bytesSinceEntry: 0,
  maxTimestamp: -1,
  maxTimestampOffset: -1,
  lastTimeEntry: -1,
};

export interface IndexedBatch {
  position: number;
  bytes: number;
  baseOffset: number;
  lastOffset: number;
  maxTimestamp: number;
}

/** What the header of a batch says that begins at `at`, and at `position` of its file. */
export function readSpan(buffer: Buffer, at: number, position: number): IndexedBatch {
  const baseOffset = readInt64(buffer, at + batchField.baseOffset);
  return {
    position,
    bytes: batchLengthAt(buffer, at),
    baseOffset,
    lastOffset: baseOffset + buffer.readInt32BE(at + batchField.lastOffsetDelta),
    maxTimestamp: readInt64(buffer, at + batchField.maxTimestamp),
  };
}

/** Collects the entries that a run of batches adds. */
export class IndexWriter {
  readonly state: IndexState;
  readonly #baseOffset: number;
  /** The offset that comes next, unless a gap does. */
  #nextOffset: number;
  readonly #offsets: Buffer[] = [];
  readonly #times: Buffer[] = [];

  /** `nextOffset` is where the segment ends before the batches to come. */
  constructor(baseOffset: number, nextOffset: number, state: Readonly<IndexState>) {
    this.#baseOffset = baseOffset;
    this.#nextOffset = nextOffset;
    this.state = { ...state };
  }

  add(batch: IndexedBatch): void {
    const { state } = this;
    if (batch.maxTimestamp > state.maxTimestamp) {
      state.maxTimestamp = batch.maxTimestamp;
      state.maxTimestampOffset = batch.lastOffset;
    }
    // A batch's own checksum does not cover its base offset. Either the batch before it says what that has to be, or,
    // after a gap, this entry does.
    const isAfterGap = batch.baseOffset > this.#nextOffset;
    this.#nextOffset = batch.lastOffset + 1;
    if (isAfterGap || state.bytesSinceEntry > indexIntervalBytes) {
      const entry = Buffer.allocUnsafe(offsetEntryBytes);
      entry.writeInt32BE(batch.lastOffset - this.#baseOffset, 0);
      entry.writeInt32BE(batch.position, 4);
      this.#offsets.push(entry);
      this.addTime();
      state.bytesSinceEntry = 0;
    }
    state.bytesSinceEntry += batch.bytes;
  }

  /** The largest timestamp so far, unless the index has it: with each offset entry and when the segment rolls. */
  addTime(): void {
    const { state } = this;
    if (state.maxTimestamp <= state.lastTimeEntry) return;
    const entry = Buffer.allocUnsafe(timeEntryBytes);
    writeInt64(entry, 0, state.maxTimestamp);
    entry.writeInt32BE(state.maxTimestampOffset - this.#baseOffset, 8);
    this.#times.push(entry);
    state.lastTimeEntry = state.maxTimestamp;
  }

  get offsetBytes(): Buffer {
    return Buffer.concat(this.#offsets);
  }
  get timeBytes(): Buffer {
    return Buffer.concat(this.#times);
  }
}

/** The position from which to look for a relative offset: that of the last entry before it, else 0. */
export function findOffset(index: Buffer, relativeOffset: number): number {
  const found = lastEntry(index, offsetEntryBytes, (at) => index.readInt32BE(at) < relativeOffset);
  return found < 0 ? 0 : index.readInt32BE(found + 4);
}

/** The relative last offset of the batch at a position, if the index has that batch. */
export function findEntryAt(index: Buffer, position: number): number | undefined {
  const found = lastEntry(index, offsetEntryBytes, (at) => index.readInt32BE(at + 4) <= position);
  return found >= 0 && index.readInt32BE(found + 4) === position ? index.readInt32BE(found) : undefined;
}

/** The last position up to `limit` at which a batch is known to begin. */
export function findPosition(index: Buffer, limit: number): number {
  const found = lastEntry(index, offsetEntryBytes, (at) => index.readInt32BE(at + 4) <= limit);
  return found < 0 ? 0 : index.readInt32BE(found + 4);
}

/** The relative offset up to which all timestamps are below `timestamp`, else −1. */
export function findTime(index: Buffer, timestamp: number): number {
  const found = lastEntry(index, timeEntryBytes, (at) => readInt64(index, at) < timestamp);
  return found < 0 ? -1 : index.readInt32BE(found + 8);
}

/** Byte position of the last entry that lies before the sought one; entries that do come first. −1 if none does. */
function lastEntry(index: Buffer, entryBytes: number, isBefore: (at: number) => boolean): number {
  let low = 0;
  let high = index.length / entryBytes;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(middle * entryBytes)) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? -1 : (low - 1) * entryBytes;
}
