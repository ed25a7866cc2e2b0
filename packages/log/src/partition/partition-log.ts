// One partition: its segments, then its tail. It knows which offsets exist and which are visible, reads them from
// where they are, and gives the checkpointer what has to go to disk. It does not know the journal: the storage driver
// tells it what has been reached. Called by storage/file and the checkpointer.
import { assert } from "../assert.js";
import { LogError } from "../errors.js";
import type { FileSystem } from "../fs/index.js";
import { type FileCache, Segment } from "../segment/index.js";
import type {
  FileRange,
  PartitionConfig,
  PartitionDescription,
  PartitionName,
  ReadResult,
} from "../storage/contracts.js";
import { Watchers } from "../watchers.js";
import type { PartitionState } from "./partition-state.js";
import { Tail, type TailBatch } from "./tail.js";
import { firstAt, scanForTimestamp } from "./time-search.js";

/** What the partitions of a log have in common. */
export interface PartitionPlace {
  readonly fs: FileSystem;
  readonly cache: FileCache;
  readonly topicsDirectory: string;
}

// Of very many partitions most have nothing in their tail: until they have, they share this one.
const emptyTail = new Tail();

export class PartitionLog {
  readonly name: PartitionName;
  readonly number: number;
  config: PartitionConfig;
  deleted = false;
  /** While a group is checked: where it will end with what the group has for it so far; −1 otherwise. */
  claimedEnd = -1;
  /** Whether its directory holds files that are not of its segments. */
  leftovers: "none" | "possible" | "certain" = "possible";
  /** A checkpoint is writing to it: its files are to be left alone. */
  isBusy = false;
  readonly #place: PartitionPlace;
  #tail = emptyTail;
  #logStartOffset: number;
  #recoveryPoint: number;
  #highWatermark: number;
  /** The end of the last batch. */
  #batchEnd: number;
  #endOffsetMin: number;
  #segments: readonly Segment[];
  /** Never changed in place: partitions that have the same ones share them. */
  #leaderEpochs: PartitionState["leaderEpochs"];
  #tidying: Promise<void> | undefined;
  /** Most partitions of a log with very many are watched by nobody. */
  #watchers: Watchers<number> | undefined;

  constructor(place: PartitionPlace, state: PartitionState) {
    this.#place = place;
    this.name = state.name;
    this.number = state.number;
    this.config = state.config;
    this.#logStartOffset = state.logStartOffset;
    this.#recoveryPoint = this.#batchEnd = state.recoveryPoint;
    this.#endOffsetMin = state.endOffsetMin ?? 0;
    this.#highWatermark = state.recoveryPoint;
    this.#segments = state.segments.map((segment) => new Segment(place.cache, this, segment));
    // Records beyond the recovery point may never have got to the disk, and then their epoch has none: replay tells.
    const isKnown = ([, startOffset]: readonly [number, number]): boolean =>
      startOffset < state.recoveryPoint;
    const { leaderEpochs } = state;
    this.#leaderEpochs = leaderEpochs.every(isKnown) ? leaderEpochs : leaderEpochs.filter(isKnown);
  }

  /** Put together when it is asked for: of ten thousand partitions few are. */
  get directory(): string {
    return `${this.#place.topicsDirectory}/${this.name.topic}-${this.name.partition}`;
  }
  get tail(): Tail {
    return this.#tail;
  }
  get logStartOffset(): number {
    return this.#logStartOffset;
  }
  get highWatermark(): number {
    return this.#highWatermark;
  }
  get logEndOffset(): number {
    return Math.max(this.#batchEnd, this.#endOffsetMin);
  }
  get batchEnd(): number {
    return this.#batchEnd;
  }
  get recoveryPoint(): number {
    return this.#recoveryPoint;
  }
  get segments(): readonly Segment[] {
    return this.#segments;
  }
  get leaderEpochs(): readonly (readonly [number, number])[] {
    return this.#leaderEpochs;
  }

  get state(): PartitionState {
    return {
      name: this.name,
      number: this.number,
      config: this.config,
      logStartOffset: this.#logStartOffset,
      recoveryPoint: this.#recoveryPoint,
      segments: this.#segments.map((segment) => segment.state),
      leaderEpochs: this.#leaderEpochs,
      ...(this.#endOffsetMin > this.#recoveryPoint ? { endOffsetMin: this.#endOffsetMin } : {}),
    };
  }

  describe(): Omit<PartitionDescription, "bytesFrom"> {
    return {
      logStartOffset: this.#logStartOffset,
      highWatermark: this.#highWatermark,
      logEndOffset: this.logEndOffset,
      tailBytes: this.tail.bytes,
      tailRecords: this.logEndOffset - Math.max(this.#recoveryPoint, this.#logStartOffset),
      segmentRecords: Math.max(0, this.#recoveryPoint - this.#logStartOffset),
      segmentBytes: this.#segments.reduce((sum, segment) => sum + segment.state.logBytes, 0),
      segmentCount: this.#segments.length,
      leaderEpochs: this.#leaderEpochs,
    };
  }

  /** Bytes of the visible batches from the one on that holds the offset. */
  async bytesFrom(offset: number): Promise<number> {
    let bytes = 0;
    for (const batch of this.tail.from(offset)) {
      if (batch.baseOffset < this.#highWatermark) bytes += batch.bytes.length;
    }
    for (const segment of this.#segments) {
      const { baseOffset, nextOffset, logBytes } = segment.state;
      if (nextOffset <= offset) continue;
      try {
        bytes += logBytes - (baseOffset >= offset ? 0 : await segment.positionOf(offset));
      } catch (error) {
        // Deleted meanwhile: then nothing of it counts.
        if (this.#segments.includes(segment) && !this.deleted) throw error;
      }
    }
    return bytes;
  }

  /** Takes a batch into the tail. It becomes visible with {@link advance}. */
  push(batch: TailBatch, epoch: number): void {
    assert(
      batch.baseOffset >= this.#batchEnd,
      () => `${this.directory}: a batch begins at or after the last one's end`,
    );
    if ((this.#leaderEpochs.at(-1)?.[0] ?? -1) < epoch)
      this.#leaderEpochs = [...this.#leaderEpochs, [epoch, batch.baseOffset]];
    if (this.#tail === emptyTail) this.#tail = new Tail();
    this.#tail.push(batch);
    this.#batchEnd = batch.nextOffset;
  }

  /** Shows readers the batches that have reached the level at which they are visible, up to the first that has not. */
  advance(): void {
    const end = this.#tail.endOf(this.#highWatermark, isVisible);
    if (end === this.#highWatermark) return;
    this.#highWatermark = end;
    this.#watchers?.notify((offset) => offset < this.#highWatermark);
  }

  async read(from: number, bytesMax: number): Promise<ReadResult> {
    for (;;) {
      const startOffset = Math.max(from, this.#logStartOffset);
      const segment = this.#segmentFor(startOffset);
      let chunks: Buffer[] = [];
      try {
        if (segment === undefined) chunks = this.#readTail(startOffset, bytesMax);
        else if (startOffset < this.#highWatermark)
          chunks = [await segment.read(Math.max(startOffset, segment.state.baseOffset), bytesMax)];
      } catch (error) {
        // The segment may have been deleted while it was being read: then there is a new start, or none.
        if (this.deleted) throw this.gone();
        if (segment !== undefined && this.#segments.includes(segment)) throw error;
        continue;
      }
      return {
        chunks,
        startOffset,
        logStartOffset: this.#logStartOffset,
        highWatermark: this.#highWatermark,
      };
    }
  }

  /** Where records from an offset on lie in a file that stays open; undefined if they are not in a segment. */
  async fileRange(from: number, bytesMax: number): Promise<FileRange | undefined> {
    for (;;) {
      const startOffset = Math.max(from, this.#logStartOffset);
      const segment = this.#segmentFor(startOffset);
      if (segment === undefined) return undefined;
      try {
        const range = await segment.range(Math.max(startOffset, segment.state.baseOffset), bytesMax);
        // What was deleted while it was being opened may have been another file by then.
        if (this.#has(segment)) return { ...range, startOffset, [Symbol.asyncDispose]: range.release };
        await range.release();
      } catch (error) {
        if (this.#has(segment)) throw error;
      }
      if (this.deleted) throw this.gone();
    }
  }

  async offsetForTimestamp(timestamp: number): Promise<{ offset: number; timestamp: number } | undefined> {
    for (const segment of this.#segments) {
      const found = await segment.offsetForTimestamp(timestamp).catch((error: unknown) => {
        // Deleted while it was being read: then it holds nothing that is sought.
        if (this.#segments.includes(segment) || this.deleted) throw error;
        return undefined;
      });
      if (found !== undefined && found.offset >= this.#logStartOffset) return found;
      if (found !== undefined) return scanForTimestamp(this, timestamp);
    }
    for (const batch of this.tail.from(this.#logStartOffset)) {
      if (batch.baseOffset >= this.#highWatermark) break;
      if (batch.maxTimestamp < timestamp) continue;
      const found = firstAt(batch.bytes, timestamp, this.#logStartOffset);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Raises the log start offset. Answers the bytes that left the tail. */
  startAt(offset: number): number {
    if (offset <= this.#logStartOffset) return 0;
    assert(offset <= this.logEndOffset, () => `${this.directory}: records beyond the end cannot be deleted`);
    this.#logStartOffset = offset;
    const tailBytes = this.tail.dropBefore(offset);
    this.#keepSegments(this.#segments);
    this.#recoveryPoint = Math.max(
      this.#recoveryPoint,
      Math.min(offset, this.tail.first?.baseOffset ?? offset),
    );
    return tailBytes;
  }

  /** The offset that retention would make the log's start: whole segments go, and once none is left, tail batches. */
  retainableFrom(limits: { timestampMin?: number; bytesMax?: number }): number {
    const { timestampMin = Number.NEGATIVE_INFINITY, bytesMax = Number.POSITIVE_INFINITY } = limits;
    let { tailBytes, segmentBytes } = this.describe();
    let offset = this.#logStartOffset;
    const goes = (maxTimestamp: number, bytes: number): boolean =>
      maxTimestamp < timestampMin || tailBytes + segmentBytes - bytes >= bytesMax;
    for (const { state } of this.#segments) {
      if (!goes(state.index.maxTimestamp, state.logBytes)) return offset;
      segmentBytes -= state.logBytes;
      offset = state.nextOffset;
    }
    for (const batch of this.tail.from(offset)) {
      if (batch.nextOffset > this.#highWatermark || !goes(batch.maxTimestamp, batch.bytes.length)) break;
      tailBytes -= batch.bytes.length;
      offset = batch.nextOffset;
    }
    return offset;
  }

  /** Settles when the high watermark is above `offset`, or the partition is deleted. */
  async watch(offset: number, signal?: AbortSignal): Promise<void> {
    if (this.#highWatermark > offset || this.deleted) return;
    this.#watchers ??= new Watchers();
    await this.#watchers.wait(offset, signal);
  }

  /** The checkpoint put all before `recoveryPoint` into these segments. Answers the bytes that left the tail. */
  checkpointed(recoveryPoint: number, segments: readonly Segment[]): number {
    this.#keepSegments(segments);
    this.#recoveryPoint = Math.max(this.#recoveryPoint, recoveryPoint);
    const kept = this.#segments[0]?.state.baseOffset ?? this.#recoveryPoint;
    const epochs = this.#leaderEpochs;
    this.#leaderEpochs = epochs.filter(
      (_, index) => (epochs[index + 1]?.[1] ?? Number.POSITIVE_INFINITY) > kept,
    );
    return this.tail.dropBefore(recoveryPoint);
  }

  /** A reader beside the writer takes over what the writer's checkpoint says. Answers the bytes that left the tail. */
  follow(state: PartitionState): number {
    const segments = state.segments.map((next) => {
      const known = this.#segments.find((segment) => segment.state.baseOffset === next.baseOffset);
      if (known === undefined) return new Segment(this.#place.cache, this, next);
      if (known.state.logBytes !== next.logBytes) known.adopt(next);
      return known;
    });
    const freed = this.checkpointed(state.recoveryPoint, segments);
    this.#batchEnd = Math.max(this.#batchEnd, state.recoveryPoint);
    this.#highWatermark = Math.max(this.#highWatermark, state.recoveryPoint);
    return freed;
  }

  get isTidying(): boolean {
    return this.#tidying !== undefined;
  }

  /**
   * Removes the files that are not of its segments: of records that were deleted, or left by a checkpoint that did not
   * end. Of a deleted partition that is everything.
   */
  tidy(): Promise<void> {
    // One after the other: what a checkpoint writes afterwards must not look like leftovers, and what was deleted
    // while one was under way is left to the next.
    const turn = (this.#tidying ?? Promise.resolve()).then(() => this.#tidy());
    const settled = turn
      .catch(() => undefined)
      .then(() => {
        if (this.#tidying === settled) this.#tidying = undefined;
      });
    this.#tidying = settled;
    return turn;
  }

  async #tidy(): Promise<void> {
    const { directory } = this;
    const known = new Set(this.deleted ? [] : this.#segments.flatMap((segment) => segment.paths));
    const names = (await this.#place.fs.list(directory)) ?? [];
    const segmentFiles = names.filter((name) => /^\d{20}\.(log|index|timeindex)$/.test(name));
    const paths = segmentFiles.map((name) => `${directory}/${name}`).filter((path) => !known.has(path));
    let isClean = true;
    const leave = (path: string, error: unknown): void => {
      // Not every system removes a file that is open for somebody else. It waits for a later turn, unless it lies
      // where the next segment has to be.
      const baseOffset = Number(path.slice(directory.length + 1).slice(0, 20));
      const isInTheWay = !this.deleted && baseOffset >= this.#recoveryPoint;
      if (isInTheWay || !this.#place.cache.isPinned(path)) throw error;
      isClean = false;
    };
    for (const path of paths) {
      await this.#place.cache.forget(path);
      await this.#place.fs.remove(path).catch((error: unknown) => leave(path, error));
    }
    if (this.deleted) {
      const removed = this.#place.fs.removeDirectory(directory);
      await removed.catch((error: unknown) => leave(directory, error));
    } else {
      await this.#segments.at(-1)?.cutExcess();
      if (paths.length > 0) await this.#place.fs.syncDirectory(directory);
    }
    this.leftovers = isClean ? "none" : "certain";
  }

  /** Nothing more will come: wakes all who wait. */
  end(): void {
    this.deleted = true;
    this.#watchers?.notify(() => true);
  }

  gone(): LogError {
    return new LogError("TOPIC_NOT_FOUND", `the topic "${this.name.topic}" was deleted`);
  }

  /** Those of the segments that hold something from the log start offset on. */
  #keepSegments(segments: readonly Segment[]): void {
    this.#segments = segments.filter((segment) => segment.state.nextOffset > this.#logStartOffset);
    if (this.#segments.length < segments.length) this.leftovers = "certain";
  }

  /** The segment that holds the offset, or the next one if it lies in a gap; undefined: look into the tail. */
  #segmentFor(offset: number): Segment | undefined {
    let low = 0;
    let high = this.#segments.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#segments[middle] as Segment).state.nextOffset <= offset) low = middle + 1;
      else high = middle;
    }
    return this.#segments[low];
  }

  #has(segment: Segment): boolean {
    return !this.deleted && this.#segments.includes(segment);
  }

  #readTail(from: number, bytesMax: number): Buffer[] {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for (const batch of this.tail.from(from)) {
      if (batch.baseOffset >= this.#highWatermark) break;
      bytes += batch.bytes.length;
      if (chunks.length > 0 && bytes > bytesMax) break;
      chunks.push(batch.bytes);
    }
    return chunks;
  }
}

function isVisible({ visibleAt, reached }: TailBatch): boolean {
  return visibleAt === "memory" || reached === "disk" || (visibleAt === "os" && reached === "os");
}
