// One compaction of one partition: the keys of what came since the last one, then all closed segments, without what
// these make obsolete, written anew beside the old ones. The segment that is written to, the last, is left alone, and so
// the last batch always stays. What is ready is offered, and counts once the checkpoint file says so: docs/adr/0016.
import { type CompactionState, compactedTo, Obsolescence, Sweep, tombstoneEnd } from "../compaction/index.js";
import { LogError } from "../errors.js";
import type { FileSystem } from "../fs/index.js";
import { batchLengthAt, RecordBatch } from "../record/index.js";
import type { FileCache, Segment } from "../segment/index.js";
import type { CompactionLimits, CompactionOutcome } from "../storage/contracts.js";
import type { PartitionLog } from "./partition-log.js";
import type { Replacement } from "./rewrites.js";
import { RewrittenSegment } from "./rewritten-segment.js";

const chunkBytes = 256 * 1024;
const keyBytesMax = 32 * 1024 * 1024;
const relativeOffsetMax = 2 ** 31 - 1;
// What is ready takes its space until a checkpoint file says so: there must be room for one.
const spareBytes = 8 * 1024 * 1024;
// Old and new files are there at once: what is ready replaces the old after so many bytes.
const portionBytes = 256 * 1024 * 1024;

/** What a compaction asks of whoever lets it run. */
export interface CompactionHost {
  readonly fs: FileSystem;
  readonly cache: FileCache;
  /** Has the checkpoint file say what is offered; settles when it is adopted. */
  commit(): Promise<void>;
}

export class PartitionCompaction {
  readonly #host: CompactionHost;
  readonly #partition: PartitionLog;
  readonly #limits: CompactionLimits;
  #obsolescence!: Obsolescence;
  #records = 0;
  #bytes = 0;

  constructor(host: CompactionHost, partition: PartitionLog, limits: CompactionLimits) {
    this.#host = host;
    this.#partition = partition;
    this.#limits = limits;
  }

  async run(): Promise<CompactionOutcome> {
    const { until, now, deleteRetentionMs, isAborted, settled } = this.#limits;
    const { segments, rewrites, logStartOffset } = this.#partition;
    const { state } = rewrites;
    const limit = Math.min(until, segments.at(-1)?.state.baseOffset ?? 0);
    const start = Math.max(state.end, logStartOffset);
    const ripe = tombstoneEnd(state, now, deleteRetentionMs);
    this.#obsolescence = new Obsolescence(start, Math.max(0, limit - start), keyBytesMax, ripe, isAborted);
    const closed = segments.slice(0, -1);
    if (start < limit) await this.#collect(closed, start, limit);
    const { end } = this.#obsolescence;
    if (end > state.end || ripe > 0) {
      await settled?.();
      await this.#rewriteAll(closed.filter((segment) => segment.state.baseOffset < end));
    }
    return { end: rewrites.state.end, records: this.#records, bytes: this.#bytes };
  }

  async #collect(segments: readonly Segment[], start: number, limit: number): Promise<void> {
    for (const segment of segments) {
      const { baseOffset, nextOffset } = segment.state;
      if (nextOffset <= start || baseOffset >= limit) continue;
      for await (const batch of this.#batches(segment, Math.max(start, baseOffset)))
        if (!this.#obsolescence.add(batch, limit)) return;
    }
    this.#obsolescence.skipTo(limit);
  }

  async #rewriteAll(segments: readonly Segment[]): Promise<void> {
    const { now, deleteRetentionMs } = this.#limits;
    const { rewrites, config } = this.#partition;
    const before = rewrites.state;
    const number = rewrites.begin();
    const state = { ...before, count: number };
    try {
      let sweep = new Sweep(this.#obsolescence);
      let ready: Replacement[] = [];
      let readyBytes = 0;
      for (const group of groupsOf(segments, config.segmentBytes)) {
        if (group.length === 1) {
          const ahead = sweep.fork();
          const isAsItWas = !(await this.#hasObsolete(group[0] as Segment, ahead));
          if (isAsItWas) sweep = ahead;
          if (isAsItWas) continue;
        }
        await this.#checkRoom(group);
        const by = await rewrites.write(() => this.#rewrite(group, number, sweep));
        ready.push({ old: group, by });
        readyBytes += bytesOf(by);
        if (readyBytes < portionBytes) continue;
        await this.#offer(ready, state);
        ready = [];
        readyBytes = 0;
      }
      await this.#offer(ready, compactedTo(state, this.#obsolescence.end, now, deleteRetentionMs));
    } finally {
      rewrites.end();
    }
  }

  async #offer(replacements: readonly Replacement[], state: CompactionState): Promise<void> {
    this.#check();
    // Their names are durable before anything relies on them.
    if (replacements.length > 0) await this.#host.fs.syncDirectory(this.#partition.directory);
    this.#partition.rewrites.offered = { replacements, state };
    await this.#host.commit();
  }

  /** A compaction must not be what fills the disk. */
  async #checkRoom(group: readonly Segment[]): Promise<void> {
    const { directory } = this.#partition;
    const bytes = bytesOf(group) + spareBytes;
    const free = (await this.#host.fs.freeBytes(directory)) ?? Number.POSITIVE_INFINITY;
    if (free >= bytes) return;
    const message = `${free} bytes are free where up to ${bytes} are needed to compact ${directory}: free some space`;
    throw new LogError("DISK_FULL", message, { details: { path: directory, free, bytes } });
  }

  /** The sweep has come to the segment's end if there is nothing. */
  async #hasObsolete(segment: Segment, sweep: Sweep): Promise<boolean> {
    for await (const batch of this.#batches(segment, segment.state.baseOffset))
      if (sweep.filter(batch) !== batch.bytes) return true;
    return false;
  }

  /** The segments' batches in new ones: as few as there is room in, none if nothing is left. */
  async #rewrite(group: readonly Segment[], number: number, sweep: Sweep): Promise<Segment[]> {
    const { cache } = this.#host;
    const { segmentBytes } = this.#partition.config;
    const by: Segment[] = [];
    let open: RewrittenSegment | undefined;
    let records = 0;
    for (const segment of group) {
      for await (const batch of this.#batches(segment, segment.state.baseOffset)) {
        const left = sweep.filter(batch);
        if (!batch.isControl)
          records += batch.recordCount - (left === undefined ? 0 : new RecordBatch(left).recordCount);
        if (left === undefined) continue;
        if (open?.hasRoomFor(left) === false) {
          by.push(await open.finish());
          open = undefined;
        }
        // As Kafka does: the name of the first stays.
        const baseOffset = by.length === 0 ? (group[0] as Segment).state.baseOffset : batch.baseOffset;
        open ??= new RewrittenSegment(cache, this.#partition, baseOffset, number, segmentBytes);
        await open.add(left);
      }
    }
    if (open !== undefined) by.push(await open.finish());
    this.#records += records;
    this.#bytes += bytesOf(group) - bytesOf(by);
    return by;
  }

  /** Checked, in order. Fewer than there are if the segment is deleted meanwhile. */
  async *#batches(segment: Segment, from: number): AsyncGenerator<RecordBatch, void, void> {
    for (let offset = from; offset < segment.state.nextOffset; ) {
      this.#check();
      const chunk = await this.#read(segment, offset);
      if (chunk === undefined) return;
      for (let at = 0; at < chunk.length; ) {
        const length = batchLengthAt(chunk, at);
        const batch = new RecordBatch(chunk.subarray(at, at + length));
        yield batch;
        offset = batch.nextOffset;
        at += length;
      }
    }
  }

  async #read(segment: Segment, offset: number): Promise<Buffer | undefined> {
    try {
      return await segment.read(offset, chunkBytes);
    } catch (error) {
      this.#check();
      if (this.#partition.segments.includes(segment)) throw error;
      return undefined;
    }
  }

  #check(): void {
    this.#limits.signal?.throwIfAborted();
    if (this.#partition.deleted) throw this.#partition.gone();
  }
}

/** Neighbours that fit into one segment, as they are. */
function groupsOf(segments: readonly Segment[], segmentBytes: number): Segment[][] {
  const groups: Segment[][] = [];
  let bytes = 0;
  for (const segment of segments) {
    const { nextOffset, logBytes } = segment.state;
    const group = groups.at(-1);
    const isNear = nextOffset - 1 - (group?.[0]?.state.baseOffset ?? 0) <= relativeOffsetMax;
    if (group !== undefined && isNear && bytes + logBytes <= segmentBytes) {
      group.push(segment);
      bytes += logBytes;
    } else {
      groups.push([segment]);
      bytes = logBytes;
    }
  }
  return groups;
}

function bytesOf(segments: readonly Segment[]): number {
  return segments.reduce((sum, { state }) => sum + state.logBytes, 0);
}
