// One partition: its segments, then its tail. It knows which offsets exist and which are visible, reads them from
// where they are, and gives the checkpointer what has to go to disk. It does not know the journal: the storage driver
// tells it what has been reached. Called by storage/file and the checkpointer.
import { assert } from "../assert.js";
import { type CompactionState, neverCompacted } from "../compaction/index.js";
import { LogError } from "../errors.js";
import type { FileSystem } from "../fs/index.js";
import { endOfBatches } from "../record/index.js";
import { type FileCache, Segment } from "../segment/index.js";
import type {
  FileRange,
  PartitionConfig,
  PartitionDescription,
  PartitionName,
  ReadResult,
} from "../storage/contracts.js";
import { Watchers } from "../watchers.js";
import { bytesFrom } from "./bytes-from.js";
import type { PartitionState } from "./partition-state.js";
import { type RetentionLimits, retainableFrom } from "./retainable.js";
import { type Offer, Rewrites } from "./rewrites.js";
import { isVisible, Tail, type TailBatch } from "./tail.js";
import { clearFiles, settleNames, type Untidy } from "./tidying.js";
import { findByTime } from "./time-search.js";

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
  /** Of a partition that has been compacted, or is about to be. */
  #rewrites: Rewrites | undefined;

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
    if (state.compaction !== undefined) this.#rewrites = new Rewrites(state.compaction);
    if (state.segments.some(({ swap }) => swap !== undefined)) this.leftovers = "certain";
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
  get rewrites(): Rewrites {
    this.#rewrites ??= new Rewrites(neverCompacted);
    return this.#rewrites;
  }
  /** What a compaction has ready: the checkpoint file that is written next says so, and then it is to be adopted. */
  get offered(): Offer | undefined {
    return this.#rewrites?.offered;
  }

  get state(): PartitionState {
    const offer = this.offered;
    const segments =
      offer === undefined ? this.#segments : this.#kept(Rewrites.applied(offer, this.#segments));
    const compaction: CompactionState | undefined = offer?.state ?? this.#rewrites?.state;
    return {
      name: this.name,
      number: this.number,
      config: this.config,
      logStartOffset: this.#logStartOffset,
      recoveryPoint: this.#recoveryPoint,
      segments: segments.map((segment) => segment.state),
      leaderEpochs: this.#leaderEpochs,
      ...(this.#endOffsetMin > this.#recoveryPoint ? { endOffsetMin: this.#endOffsetMin } : {}),
      ...(compaction === undefined || compaction.count === 0 ? {} : { compaction }),
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
      ...(this.#rewrites?.description ?? {}),
    };
  }

  /** Bytes of the visible batches from the one on that holds the offset. */
  bytesFrom(offset: number): Promise<number> {
    return bytesFrom(this, offset);
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

  async read(from: number, bytesMax: number, memory?: Buffer): Promise<ReadResult> {
    for (;;) {
      const startOffset = Math.max(from, this.#logStartOffset);
      const segment = this.#segmentFor(startOffset);
      let chunks: Buffer[] = [];
      try {
        if (segment === undefined) chunks = this.#readTail(startOffset, bytesMax);
        else if (startOffset < this.#highWatermark) {
          const offset = Math.max(startOffset, segment.state.baseOffset);
          const chunk = await segment.read(offset, bytesMax, memory);
          const next = endOfBatches(chunk);
          // Where the segments end the tail goes on: nobody is to come twice for what is there.
          const isEnd = this.#segmentFor(next) === undefined;
          chunks = isEnd ? this.#readTail(next, bytesMax, [chunk]) : [chunk];
        }
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

  offsetForTimestamp(timestamp: number): Promise<{ offset: number; timestamp: number } | undefined> {
    return findByTime(this, timestamp);
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

  retainableFrom(limits: RetentionLimits): number {
    return retainableFrom(this, limits);
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
      const known = this.#segments.find(
        ({ state: { baseOffset, rewrite } }) => baseOffset === next.baseOffset && rewrite === next.rewrite,
      );
      if (known === undefined) return new Segment(this.#place.cache, this, next);
      if (known.state.logBytes !== next.logBytes || known.state.swap !== next.swap) known.adopt(next);
      return known;
    });
    const freed = this.checkpointed(state.recoveryPoint, segments);
    if (state.compaction !== undefined) this.rewrites.state = state.compaction;
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
    // What a compaction is writing would make the directory come back.
    if (this.deleted) await this.#rewrites?.idle;
    const { directory } = this;
    const untidy: Untidy = { ...this.#place, directory, mayStay: (path) => this.#mayStay(path) };
    const named = await settleNames(untidy, this.deleted ? [] : this.#segments);
    const known = new Set(this.deleted ? [] : this.#segments.flatMap((segment) => segment.paths));
    for (const { by } of this.offered?.replacements ?? [])
      for (const segment of by) for (const path of segment.paths) known.add(path);
    const isMaking = (path: string): boolean => !this.deleted && this.#rewrites?.isMaking(path) === true;
    const cleared = await clearFiles(untidy, (path) => known.has(path) || isMaking(path));
    let { isClean } = cleared;
    if (this.deleted) {
      await untidy.fs.removeDirectory(directory).catch((error: unknown) => {
        if (!this.#mayStay(directory)) throw error;
        isClean = false;
      });
    } else {
      await this.#segments.at(-1)?.cutExcess();
      if (cleared.count + named.count > 0) await untidy.fs.syncDirectory(directory);
      // Only now: a checkpoint file that no longer knows the other names must not find them again.
      named.confirm();
    }
    this.leftovers = isClean && named.isClean ? "none" : "certain";
  }

  /** Not every system removes a file that is open for somebody else: it waits, unless the next segment has its name. */
  #mayStay(path: string): boolean {
    const baseOffset = Number(path.slice(this.directory.length + 1).slice(0, 20));
    const isInTheWay = !this.deleted && baseOffset >= this.#recoveryPoint;
    return !isInTheWay && this.#place.cache.isPinned(path);
  }

  /** The checkpoint file says what was offered: it takes the place of what it replaces. */
  adopt(offer: Offer): void {
    const { rewrites } = this;
    rewrites.offered = undefined;
    rewrites.state = offer.state;
    for (const { old } of offer.replacements) for (const segment of old) segment.retire();
    this.#keepSegments(Rewrites.applied(offer, this.#segments));
    if (offer.replacements.length > 0) this.leftovers = "certain";
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
  #kept(segments: readonly Segment[]): Segment[] {
    return segments.filter((segment) => segment.state.nextOffset > this.#logStartOffset);
  }

  #keepSegments(segments: readonly Segment[]): void {
    this.#segments = this.#kept(segments);
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

  /** Behind what there is already, which counts. */
  #readTail(from: number, bytesMax: number, chunks: Buffer[] = []): Buffer[] {
    let bytes = chunks[0]?.length ?? 0;
    for (const batch of this.tail.from(from)) {
      if (batch.baseOffset >= this.#highWatermark) break;
      bytes += batch.bytes.length;
      if (chunks.length > 0 && bytes > bytesMax) break;
      chunks.push(batch.bytes);
    }
    return chunks;
  }
}
