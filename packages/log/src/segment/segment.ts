// One segment: a .log of record batches and its two index files, in Kafka's bytes. Its state (how much of the files
// counts) is a plain value that the checkpoint keeps: bytes beyond it are nobody's and are cut off before the next
// write. Index files are never trusted: their checksums are part of the state, and what differs is rebuilt.
import { LogError } from "../errors.js";
import { type FileSystem, writePaced } from "../fs/index.js";
import { batchHeaderBytes, batchLengthAt, crc32c, mostOf, RecordBatch } from "../record/index.js";
import type { FileCache } from "./file-cache.js";
import { ReadAids } from "./read-aids.js";
import { SegmentFiles, type SegmentHome, type Suffix } from "./segment-files.js";
import {
  emptyIndexState,
  findEntryAt,
  findOffset,
  findPosition,
  findTime,
  type IndexedBatch,
  IndexWriter,
  readSpan,
} from "./segment-index.js";
import { type IndexFile, type SegmentState, settledState, swapName } from "./segment-state.js";

/** Where a batch begins, and the offset that it then has to begin with; undefined where only the index knows. */
interface Place {
  readonly position: number;
  readonly offset: number | undefined;
}

/** A part of the .log file, and the means to close it. */
export interface SegmentRange {
  readonly fd: number;
  readonly path: string;
  readonly position: number;
  readonly length: number;
  readonly next: number;
  release(): Promise<void>;
}

const scanBytes = 64 * 1024;

export class Segment {
  readonly #cache: FileCache;
  readonly #home: SegmentHome;
  #state: SegmentState;
  /** Whether the files may hold bytes beyond the state. */
  #uncut: boolean;
  #isRetired = false;
  #knownAids: ReadAids | undefined;
  #knownFiles: SegmentFiles | undefined;

  /** `isNew`: its files do not exist, so there is nothing to cut. */
  constructor(cache: FileCache, home: SegmentHome, state: SegmentState, isNew = false) {
    this.#uncut = !isNew;
    this.#cache = cache;
    this.#home = home;
    this.#state = state;
  }

  get state(): SegmentState {
    return this.#state;
  }
  get #aids(): ReadAids {
    this.#knownAids ??= new ReadAids();
    return this.#knownAids;
  }
  /** Of very many segments few are used. */
  get #files(): SegmentFiles {
    this.#knownFiles ??= new SegmentFiles(this.#cache, this.#home, this.#state);
    return this.#knownFiles;
  }
  get logPath(): string {
    return this.#files.pathOf(".log");
  }
  /** Of all its files; where a compaction has written them, also what they will be called. */
  get paths(): readonly string[] {
    return this.#files.paths;
  }

  /** Takes over what has been written and synced. */
  adopt(state: SegmentState): void {
    if (state.swap !== this.#state.swap) this.#knownFiles = undefined;
    this.#state = state;
    if (this.#knownAids === undefined) return;
    this.#cache.indexes.drop(this.#knownAids.offsetIndex);
    this.#cache.indexes.drop(this.#knownAids.timeIndex);
  }

  /** Gives its files the names that they are to have. Not durable yet, and until then {@link Segment.settled} must wait. */
  async settle(fs: FileSystem): Promise<void> {
    const { rewrite = 0 } = this.#state;
    await this.#files.settle(fs, swapName(rewrite));
  }

  /** Its files have their names for good. */
  settled(): void {
    this.#state = settledState(this.#state);
  }

  /** Others have its records, and perhaps the names of its files: it must no longer write to these. */
  retire(): void {
    this.#isRetired = true;
  }

  /** The next write must cut: something was written beyond the state and did not end well. */
  markUncut(): void {
    this.#uncut = true;
  }

  /** Gives back what was written beyond the state, if anything was. */
  async cutExcess(): Promise<void> {
    if (this.#uncut) await this.cut();
  }

  /** Cuts off whatever the files hold beyond the state. */
  async cut(): Promise<void> {
    const { logBytes, offsetIndexBytes, timeIndexBytes } = this.#state;
    await this.#files.cut({ ".log": logBytes, ".index": offsetIndexBytes, ".timeindex": timeIndexBytes });
    this.#uncut = false;
  }

  /** Writes batches behind `state` and their index entries; returns the new state, which counts only once synced. */
  async write(state: SegmentState, batches: readonly Buffer[]): Promise<SegmentState> {
    const writer = new IndexWriter(state.baseOffset, state.nextOffset, state.index);
    let position = state.logBytes;
    let { nextOffset, firstTimestamp } = state;
    for (const batch of batches) {
      const span = readSpan(batch, 0, position);
      writer.add(span);
      if (firstTimestamp < 0) firstTimestamp = span.maxTimestamp;
      position += batch.length;
      nextOffset = span.lastOffset + 1;
    }
    if (this.#uncut) await this.cut();
    await this.#files.use(".log", "append", (file) => writePaced(file, batches, state.logBytes));
    const indexes = await this.#writeIndexes(state, writer);
    return { ...state, ...indexes, nextOffset, logBytes: position, firstTimestamp };
  }

  /** Adds the last entry of the time index; called when the next segment begins. */
  async seal(state: SegmentState): Promise<SegmentState> {
    const writer = new IndexWriter(state.baseOffset, state.nextOffset, state.index);
    writer.addTime();
    return { ...state, ...(await this.#writeIndexes(state, writer)) };
  }

  sync(): Promise<void> {
    return this.#files.use(".log", "append", (file) => file.sync());
  }

  /** Whole, checked batches from the one that holds `offset` on: at least one, then as many as fit; in `memory` if that suits. */
  async read(offset: number, bytesMax: number, memory?: Buffer): Promise<Buffer> {
    const { position, offset: expected } = await this.#find(offset);
    const state = this.#state;
    const left = state.logBytes - position;
    const length = Math.min(left, Math.max(bytesMax, scanBytes));
    const isSuited = memory !== undefined && length <= memory.length && length * 2 > memory.length;
    let chunk = await this.#readExactly(position, length, isSuited ? memory : undefined);
    const first = this.#lengthAt(chunk, 0, position);
    if (first > left) throw this.#damaged(position, "a batch reaches beyond the end");
    if (first > chunk.length) chunk = await this.#readExactly(position, first);
    const end = await this.#verify(chunk, { position, offset: expected }, Math.max(first, bytesMax), state);
    return mostOf(chunk, end);
  }

  /** Where whole batches lie, as {@link Segment.read} would read them but unchecked, in a file that stays open. */
  async range(offset: number, bytesMax: number): Promise<SegmentRange> {
    const { file, release } = await this.#files.pin(".log");
    try {
      const path = this.logPath;
      const { descriptor: fd } = file;
      if (fd === undefined)
        throw new LogError("UNSUPPORTED", "the file system has no descriptors to hand out");
      const { logBytes } = this.#state;
      const size = await file.size();
      if (size < logBytes) throw this.#damaged(size, `the file ends there, ${logBytes - size} bytes short`);
      const place = await this.#find(offset);
      const { position } = place;
      const { end, next } = await this.#endWithin(place, bytesMax);
      this.#remember(next, end);
      return { fd, path, position, length: end - position, next, release };
    } catch (error) {
      await release();
      throw error;
    }
  }

  /** The first record at or after `timestamp`, or undefined if all are older. */
  async offsetForTimestamp(timestamp: number): Promise<{ offset: number; timestamp: number } | undefined> {
    if (this.#state.index.maxTimestamp < timestamp) return undefined;
    const times = await this.#index(this.#aids.timeIndex);
    let offset = this.#state.baseOffset + findTime(times, timestamp) + 1;
    while (offset < this.#state.nextOffset) {
      const chunk = await this.read(offset, scanBytes);
      for (let at = 0; at < chunk.length; ) {
        const length = batchLengthAt(chunk, at);
        const batch = new RecordBatch(chunk.subarray(at, at + length));
        const found = batch.firstAt(timestamp, 0);
        if (found !== undefined) return found;
        offset = batch.nextOffset;
        at += length;
      }
    }
    return undefined;
  }

  /** Where the batch begins that holds the offset, or the next one. */
  async positionOf(offset: number): Promise<number> {
    return this.#aids.hint(offset) ?? (await this.#find(offset)).position;
  }

  /** All batch headers in order, without reading what lies between large ones. Nothing says that they are right. */
  async *#headers(from: number, end: number): AsyncGenerator<IndexedBatch, void, void> {
    let chunk: Buffer = Buffer.alloc(0);
    let chunkStart = from;
    for (let position = from; position < end; ) {
      if (position < chunkStart || position + batchHeaderBytes > chunkStart + chunk.length) {
        const length = Math.min(scanBytes, end - position);
        if (length < batchHeaderBytes) throw this.#damaged(position, "it ends in the middle of a header");
        chunk = await this.#readExactly(position, length);
        chunkStart = position;
      }
      const span = this.#spanAt(chunk, position - chunkStart, position);
      yield span;
      position += span.bytes;
    }
  }

  /** The headers from a place on, each of them where it belongs. */
  async *#spans(place: Place): AsyncGenerator<IndexedBatch, void, void> {
    const state = this.#state;
    let { offset } = place;
    for await (const span of this.#headers(place.position, state.logBytes)) {
      await this.#checkPlace(span, offset, state);
      offset = span.lastOffset + 1;
      yield span;
    }
  }

  /** A batch's own checksum does not cover its base offset: it must follow the batch before it, or be in the index. */
  async #checkPlace(span: IndexedBatch, expected: number | undefined, state: SegmentState): Promise<void> {
    const { position, bytes, baseOffset, lastOffset } = span;
    const isLast = position + bytes === state.logBytes;
    const isWithin = isLast ? lastOffset + 1 === state.nextOffset : lastOffset + 1 < state.nextOffset;
    if (isWithin && lastOffset >= baseOffset) {
      if (baseOffset === expected) return;
      const index = await this.#index(this.#aids.offsetIndex);
      const isKnown = findEntryAt(index, position) === lastOffset - state.baseOffset;
      if (isKnown && baseOffset > (expected ?? -1)) return;
    }
    const where = expected === undefined ? "where the index has others" : `where ${expected} should follow`;
    throw this.#damaged(position, `a batch with offsets ${baseOffset} to ${lastOffset} stands ${where}`);
  }

  async #find(offset: number): Promise<Place> {
    const hint = this.#aids.takeHint(offset);
    if (hint !== undefined) return { position: hint, offset };
    const { baseOffset } = this.#state;
    const position = findOffset(await this.#index(this.#aids.offsetIndex), offset - baseOffset);
    if (position < 0) throw this.#damaged(0, `its index leads to position ${position}`);
    for await (const span of this.#spans({ position, offset: position === 0 ? baseOffset : undefined })) {
      if (span.lastOffset >= offset) return { position: span.position, offset: span.baseOffset };
    }
    throw this.#damaged(this.#state.logBytes, `no batch holds offset ${offset}`);
  }

  /** The end of the batches that fit, one at least, without reading what lies between. */
  async #endWithin(place: Place, bytesMax: number): Promise<{ end: number; next: number }> {
    const { position } = place;
    const { logBytes, nextOffset } = this.#state;
    const limit = position + bytesMax;
    if (logBytes <= limit) return { end: logBytes, next: nextOffset };
    const known = findPosition(await this.#index(this.#aids.offsetIndex), limit);
    let end = Math.max(position, known);
    let next = -1;
    for await (const span of this.#spans(end === position ? place : { position: end, offset: undefined })) {
      const spanEnd = span.position + span.bytes;
      if (spanEnd > limit && span.position > position) {
        if (next < 0) next = span.baseOffset;
        break;
      }
      end = spanEnd;
      next = span.lastOffset + 1;
    }
    return { end, next };
  }

  /** Answers the end of the batches that are whole and good; throws at the first that is not. */
  async #verify(chunk: Buffer, place: Place, bytesMax: number, state: SegmentState): Promise<number> {
    const { position } = place;
    let expected = place.offset;
    let at = 0;
    while (at + batchHeaderBytes <= chunk.length && (at === 0 || at < bytesMax)) {
      const length = this.#lengthAt(chunk, at, position + at);
      if (at + length > chunk.length || (at > 0 && at + length > bytesMax)) break;
      try {
        new RecordBatch(chunk.subarray(at, at + length)).verify();
      } catch (error) {
        throw this.#damaged(position + at, (error as Error).message, error);
      }
      const span = this.#spanAt(chunk, at, position + at);
      if (span.baseOffset !== expected || position + at + length >= state.logBytes)
        await this.#checkPlace(span, expected, state);
      expected = span.lastOffset + 1;
      at += length;
    }
    this.#remember(expected ?? 0, position + at);
    return at;
  }

  /** Whoever reads on will ask for this offset. */
  #remember(offset: number, position: number): void {
    if (position >= this.#state.logBytes) return;
    this.#aids.leaveHint(offset, position);
  }

  #lengthAt(chunk: Buffer, at: number, position: number): number {
    const length = chunk.length - at < batchHeaderBytes ? -1 : batchLengthAt(chunk, at);
    if (length < 0) throw this.#damaged(position, "there is no record batch");
    return length;
  }

  #spanAt(chunk: Buffer, at: number, position: number): IndexedBatch {
    this.#lengthAt(chunk, at, position);
    try {
      return readSpan(chunk, at, position);
    } catch (error) {
      throw this.#damaged(position, (error as Error).message, error);
    }
  }

  async #readExactly(position: number, length: number, memory?: Buffer): Promise<Buffer> {
    const chunk = memory?.subarray(0, length) ?? Buffer.allocUnsafeSlow(length);
    const count = await this.#files.read(".log", chunk, position);
    if (count < length)
      throw this.#damaged(position + count, `the file ends there, ${length - count} bytes short`);
    return chunk;
  }

  async #writeAt(suffix: Suffix, pieces: readonly Buffer[], position: number): Promise<void> {
    await this.#files.use(suffix, "append", async (file) => {
      await file.write(pieces, position);
    });
  }

  async #writeIndexes(state: SegmentState, writer: IndexWriter): Promise<Partial<SegmentState>> {
    const { offsetBytes, timeBytes } = writer;
    // A new segment gets its index files even when they are empty: Kafka's tools look for them.
    const isNew = state.logBytes === 0;
    if (isNew || offsetBytes.length > 0) await this.#writeAt(".index", [offsetBytes], state.offsetIndexBytes);
    if (isNew || timeBytes.length > 0) await this.#writeAt(".timeindex", [timeBytes], state.timeIndexBytes);
    return {
      index: writer.state,
      offsetIndexBytes: state.offsetIndexBytes + offsetBytes.length,
      offsetIndexCrc: crc32c(offsetBytes, state.offsetIndexCrc),
      timeIndexBytes: state.timeIndexBytes + timeBytes.length,
      timeIndexCrc: crc32c(timeBytes, state.timeIndexCrc),
    };
  }

  #index(file: IndexFile): Promise<Buffer> {
    const bytes = this.#state[file.bytes];
    if (bytes === 0) return Promise.resolve(Buffer.alloc(0));
    return this.#cache.indexes.get(file, bytes, () => this.#loadIndex(file));
  }

  /** Reads an index file; one that is missing, short or wrong is made anew from the log, in memory and on disk. */
  async #loadIndex(file: IndexFile): Promise<Buffer> {
    // As it is now: a checkpoint may add to the segment meanwhile.
    const state = this.#state;
    const isRight = (found: Buffer): boolean =>
      found.length === state[file.bytes] && crc32c(found) === state[file.crc];
    const { suffix } = file;
    const stored = Buffer.allocUnsafeSlow(state[file.bytes]);
    const count = await this.#files.read(suffix, stored, 0).catch(() => -1);
    if (count === stored.length && isRight(stored)) return stored;
    const writer = new IndexWriter(state.baseOffset, state.baseOffset, emptyIndexState);
    for await (const span of this.#headers(0, state.logBytes)) writer.add(span);
    if (state.index.lastTimeEntry > writer.state.lastTimeEntry) writer.addTime();
    const rebuilt = writer[file.content];
    if (!isRight(rebuilt)) {
      throw this.#damaged(
        0,
        `an index rebuilt from it differs from the one that was made when it was written`,
      );
    }
    // Where it cannot be written the index in memory will do. The name may be another segment's by the time it is open.
    if (!this.#cache.isReadOnly && !this.#isRetired && state.swap === undefined)
      await this.#files
        .use(suffix, "append", async (opened) => {
          if (!this.#isRetired) await opened.write([rebuilt], 0);
        })
        .catch(() => undefined);
    return rebuilt;
  }

  #damaged(position: number, what: string, cause?: unknown): LogError {
    return this.#files.damaged(position, what, cause);
  }
}
