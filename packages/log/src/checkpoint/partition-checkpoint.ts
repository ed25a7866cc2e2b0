// Brings one partition's journaled batches into its segments: first the writing, later the syncing, so that many
// partitions can be written before the first of them is synced.
import { assert } from "../assert.js";
import type { FileSystem } from "../fs/index.js";
import type { PartitionLog } from "../partition/index.js";
import { emptySegment, type FileCache, Segment, type SegmentState } from "../segment/index.js";

const relativeOffsetMax = 2 ** 31 - 1;

export class PartitionCheckpoint {
  readonly partition: PartitionLog;
  readonly #fs: FileSystem;
  readonly #cache: FileCache;
  #segments: Segment[] = [];
  readonly #changed = new Map<Segment, SegmentState>();
  #recoveryPoint = 0;
  #namesChanged = false;
  #isNew = false;

  constructor(fs: FileSystem, cache: FileCache, partition: PartitionLog) {
    this.partition = partition;
    this.#fs = fs;
    this.#cache = cache;
  }

  get isNewDirectory(): boolean {
    return this.#namesChanged && this.partition.segments.length === 0;
  }

  /** Writes the batches whose blocks are no later than `sequence`. Answers the bytes written. */
  async write(sequence: number): Promise<number> {
    const { partition } = this;
    if (partition.deleted) return 0;
    partition.isBusy = true;
    if (partition.leftovers !== "none" || partition.isTidying) await partition.tidy();
    // It may have been deleted meanwhile, and all of it removed.
    if (partition.deleted) {
      partition.isBusy = false;
      return 0;
    }
    this.#segments = [...partition.segments];
    this.#recoveryPoint = partition.recoveryPoint;
    let run: Buffer[] = [];
    let bytes = 0;
    const writeRun = async (): Promise<void> => {
      const segment = this.#segments.at(-1) as Segment;
      if (run.length > 0) this.#changed.set(segment, await segment.write(this.#stateOf(segment), run));
      run = [];
    };
    let pending = 0;
    let firstPending = -1;
    for (const batch of partition.tail.from(this.#recoveryPoint)) {
      if (batch.sequence < 0 || batch.sequence > sequence) break;
      const active = this.#segments.at(-1);
      if (
        active === undefined ||
        this.#mustRoll(
          active,
          pending,
          firstPending,
          batch.nextOffset,
          batch.maxTimestamp,
          batch.bytes.length,
        )
      ) {
        if (active !== undefined) await writeRun();
        await this.#roll(batch.baseOffset);
        pending = 0;
        firstPending = -1;
      }
      if (firstPending < 0) firstPending = batch.maxTimestamp;
      run.push(batch.bytes);
      pending += batch.bytes.length;
      bytes += batch.bytes.length;
      this.#recoveryPoint = batch.nextOffset;
    }
    if (run.length > 0) await writeRun();
    if (bytes > 0) await this.#writeLeaderEpochs();
    return bytes;
  }

  async sync(): Promise<void> {
    for (const segment of this.#changed.keys()) await segment.sync();
    if (this.#namesChanged) await this.#fs.syncDirectory(this.partition.directory);
  }

  /** All is durable: the segments take over. Answers the bytes that left the tail. */
  finish(): number {
    if (!this.partition.isBusy) return 0;
    this.partition.isBusy = false;
    for (const [segment, state] of this.#changed) segment.adopt(state);
    return this.partition.checkpointed(this.#recoveryPoint, this.#segments);
  }

  /** Something failed: whatever was written will be cut off and written anew. */
  abandon(): void {
    if (!this.partition.isBusy) return;
    this.partition.isBusy = false;
    const hasWritten = this.#changed.size > 0 || this.#namesChanged;
    if (hasWritten) this.partition.leftovers = "certain";
    for (const segment of this.#changed.keys()) segment.markUncut();
    this.#segments.at(-1)?.markUncut();
  }

  #stateOf(segment: Segment): SegmentState {
    return this.#changed.get(segment) ?? segment.state;
  }

  #mustRoll(
    active: Segment,
    pending: number,
    firstPending: number,
    nextOffset: number,
    timestamp: number,
    bytes: number,
  ): boolean {
    const state = this.#stateOf(active);
    const { segmentBytes, segmentMs } = this.partition.config;
    assert(state.logBytes + pending > 0, "a segment that a batch follows in holds one already");
    if (state.logBytes + pending + bytes > segmentBytes) return true;
    if (nextOffset - 1 - state.baseOffset > relativeOffsetMax) return true;
    const first = state.firstTimestamp >= 0 ? state.firstTimestamp : firstPending;
    return first >= 0 && timestamp - first > segmentMs;
  }

  async #roll(baseOffset: number): Promise<void> {
    const { partition } = this;
    const last = this.#segments.at(-1);
    if (last === undefined) {
      await this.#fs.makeDirectory(partition.directory);
      this.#isNew = true;
      await this.#writeSmallFile("partition.metadata", `version: 0\ntopic_id: ${partition.name.topicId}`);
    } else this.#changed.set(last, await last.seal(this.#stateOf(last)));
    this.#segments.push(new Segment(this.#cache, partition, emptySegment(baseOffset), last === undefined));
    this.#namesChanged = true;
  }

  /** Anew when this checkpoint holds the first records of an epoch. */
  async #writeLeaderEpochs(): Promise<void> {
    const { leaderEpochs, segments } = this.partition;
    const newest = leaderEpochs.at(-1);
    assert(newest !== undefined, "a partition that has batches knows who appended them");
    if (!this.#isNew && newest[1] < (segments.at(-1)?.state.nextOffset ?? 0)) return;
    const written = leaderEpochs.filter(([, start]) => start < this.#recoveryPoint);
    const lines = written.map(([epoch, start]) => `${epoch} ${start}\n`);
    await this.#writeSmallFile("leader-epoch-checkpoint", `0\n${lines.length}\n${lines.join("")}`);
  }

  /** For Kafka's tools; Strandlog itself reads neither of them. */
  async #writeSmallFile(name: string, text: string): Promise<void> {
    const file = await this.#fs.open(`${this.partition.directory}/${name}`, "create");
    try {
      await file.write([Buffer.from(text)], 0);
    } finally {
      await file.close();
    }
  }
}
