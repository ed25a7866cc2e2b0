// The memory driver: the reference for what the contract means, and quick for tests. Nothing outlives the process, so
// every level is reached at once.
import {
  type CompactionState,
  compactedTo,
  neverCompacted,
  Obsolescence,
  Sweep,
  tombstoneEnd,
} from "../../compaction/index.js";
import { LogError } from "../../errors.js";
import { batchField, placeBatch, RecordBatch } from "../../record/index.js";
import { Watchers } from "../../watchers.js";
import type {
  AppendGroup,
  AppendOutcome,
  CompactionFigures,
  CompactionLimits,
  CompactionOutcome,
  LogStorage,
  MetadataEntry,
  MetadataStore,
  PartitionConfig,
  PartitionDescription,
  PartitionName,
  ReadResult,
  StorageCounters,
  StorageManifest,
} from "../contracts.js";

interface MemoryPartition {
  logStartOffset: number;
  end: number;
  batches: RecordBatch[];
  bytes: number;
  compaction: CompactionState;
  compacted?: CompactionFigures;
}

const keyBytesMax = 32 * 1024 * 1024;

export class MemoryStorage implements LogStorage {
  readonly manifest: StorageManifest = {
    name: "memory",
    atomicGroups: true,
    singleWriter: true,
    persistent: false,
    readOnly: false,
    groupBytesMax: 8 * 1024 * 1024,
  };
  readonly leaderEpoch = 1;
  readonly metadata: MemoryMetadata = new MemoryMetadata();
  readonly #partitions = new Map<string, MemoryPartition>();
  readonly #watchers = new Watchers<{ id: string; offset: number }>();
  #groups = 0;

  get counters(): StorageCounters {
    let bytes = 0;
    for (const partition of this.#partitions.values()) bytes += partition.bytes;
    return {
      tailBytes: bytes,
      tailBytesMax: 0,
      segmentBytes: 0,
      journalBytes: 0,
      journalLiveBytes: 0,
      journalBlocks: 0,
      journalBlockBytes: 0,
      groups: this.#groups,
      syncs: 0,
      checkpoints: 0,
      openFiles: 0,
      groupBatches: [],
      commitMicros: [],
      trouble: undefined,
    };
  }

  async createPartitions(
    partitions: readonly PartitionName[],
    _config: PartitionConfig,
    metadata: Puts = [],
  ): Promise<void> {
    this.metadata.check(metadata);
    this.metadata.apply(metadata);
    for (const { id } of partitions) {
      if (this.#partitions.has(id)) continue;
      const compaction = neverCompacted;
      this.#partitions.set(id, { logStartOffset: 0, end: 0, batches: [], bytes: 0, compaction });
    }
  }

  async deletePartitions(ids: readonly string[], metadata: Puts = []): Promise<void> {
    this.metadata.check(metadata);
    this.metadata.apply(metadata);
    for (const id of ids) this.#partitions.delete(id);
    this.#wake();
  }

  append(group: AppendGroup): AppendOutcome {
    const done = this.#append(group);
    return { written: done, durable: done };
  }

  async read(id: string, from: number, bytesMax: number): Promise<ReadResult> {
    const { logStartOffset, end, batches } = this.#partition(id);
    const startOffset = Math.max(from, logStartOffset);
    const first = batches.findIndex((batch) => batch.nextOffset > startOffset);
    const chunks: Buffer[] = [];
    let bytes = 0;
    for (const batch of first < 0 ? [] : batches.slice(first)) {
      bytes += batch.bytes.length;
      if (chunks.length > 0 && bytes > bytesMax) break;
      chunks.push(batch.bytes);
    }
    return { chunks, startOffset, logStartOffset, highWatermark: end };
  }

  async describe(id: string, from = 0): Promise<PartitionDescription> {
    const { logStartOffset, end, bytes, batches, compacted } = this.#partition(id);
    const wanted = batches.filter(({ nextOffset }) => nextOffset > from);
    return {
      logStartOffset,
      highWatermark: end,
      logEndOffset: end,
      tailBytes: bytes,
      tailRecords: end - logStartOffset,
      segmentBytes: 0,
      segmentRecords: 0,
      segmentCount: 0,
      bytesFrom: wanted.reduce((sum, batch) => sum + batch.bytes.length, 0),
      leaderEpochs: end > 0 ? [[this.leaderEpoch, 0]] : [],
      ...(compacted === undefined ? {} : { compaction: compacted }),
    };
  }

  async offsetForTimestamp(
    id: string,
    timestamp: number,
  ): Promise<{ offset: number; timestamp: number } | undefined> {
    const { batches, logStartOffset } = this.#partition(id);
    for (const batch of batches) {
      const found = batch.firstAt(timestamp, logStartOffset);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  async deleteRecords(id: string, before: number): Promise<void> {
    const partition = this.#partition(id);
    if (before <= partition.logStartOffset) return;
    if (before > partition.end) {
      const message = `cannot delete records before ${before} of ${id}: the partition ends at ${partition.end}`;
      throw new LogError("OFFSET_OUT_OF_RANGE", message, { details: { before, end: partition.end } });
    }
    partition.logStartOffset = before;
    partition.batches = partition.batches.filter((batch) => batch.nextOffset > before);
    partition.bytes = bytesOf(partition.batches);
  }

  /** The unit is the batch. */
  async retainableFrom(id: string, limits: { timestampMin?: number; bytesMax?: number }): Promise<number> {
    const { timestampMin = Number.NEGATIVE_INFINITY, bytesMax = Number.POSITIVE_INFINITY } = limits;
    let { bytes, logStartOffset } = this.#partition(id);
    for (const batch of this.#partition(id).batches) {
      if (batch.maxTimestamp >= timestampMin && bytes - batch.bytes.length < bytesMax) break;
      bytes -= batch.bytes.length;
      logStartOffset = batch.nextOffset;
    }
    return logStartOffset;
  }

  /** All but the last batch. */
  async compact(id: string, limits: CompactionLimits): Promise<CompactionOutcome> {
    limits.signal?.throwIfAborted();
    const { until, now, deleteRetentionMs, isAborted } = limits;
    const { batches, compaction: before, logStartOffset } = this.#partition(id);
    const limit = Math.min(until, batches.at(-1)?.baseOffset ?? 0);
    const nothing = { end: before.end, records: 0, bytes: 0 };
    const dirty = batches.filter(({ baseOffset }) => baseOffset >= before.end && baseOffset < limit);
    const some = batches.filter(({ baseOffset }) => baseOffset < limit);
    if (limits.dirtyRatioMin > 0 && bytesOf(dirty) < bytesOf(some) * limits.dirtyRatioMin) return nothing;
    const start = Math.max(before.end, logStartOffset);
    const ripe = tombstoneEnd(before, now, deleteRetentionMs);
    const obsolescence = new Obsolescence(start, Math.max(0, limit - start), keyBytesMax, ripe, isAborted);
    if (
      start < limit &&
      batches.every((batch) => batch.nextOffset <= start || obsolescence.add(batch, limit))
    )
      obsolescence.skipTo(limit);
    if (obsolescence.end <= before.end && ripe === 0) return nothing;
    await limits.settled?.();
    // As it is now: batches may have come, and records gone, meanwhile.
    const partition = this.#partition(id);
    const sweep = new Sweep(obsolescence);
    const left = partition.batches.flatMap((batch) => {
      const bytes = sweep.filter(batch);
      return bytes === undefined ? [] : [bytes === batch.bytes ? batch : new RecordBatch(bytes)];
    });
    const outcome = {
      end: obsolescence.end,
      records: recordsOf(partition.batches) - recordsOf(left),
      bytes: bytesOf(partition.batches) - bytesOf(left),
    };
    partition.batches = left;
    partition.bytes = bytesOf(left);
    partition.compaction = compactedTo(
      { ...before, count: before.count + 1 },
      outcome.end,
      now,
      deleteRetentionMs,
    );
    const { records = 0, bytes = 0 } = partition.compacted ?? {};
    partition.compacted = {
      end: outcome.end,
      records: records + outcome.records,
      bytes: bytes + outcome.bytes,
      at: now,
    };
    return outcome;
  }

  async watch(id: string, offset: number, signal?: AbortSignal): Promise<void> {
    if ((this.#partitions.get(id)?.end ?? Number.POSITIVE_INFINITY) <= offset) {
      await this.#watchers.wait({ id, offset }, signal);
    }
  }

  async close(): Promise<void> {
    this.#partitions.clear();
    this.#wake();
  }

  async #append({ batches, metadata = [] }: AppendGroup): Promise<void> {
    // Whatever can be refused is refused before anything has changed.
    this.metadata.check(metadata);
    const ends = new Map<MemoryPartition, number>();
    for (const { partitionId, bytes, baseOffset } of batches) {
      const partition = this.#partition(partitionId);
      const end = ends.get(partition) ?? partition.end;
      if (baseOffset < end) {
        const message = `cannot append at ${baseOffset} to ${partitionId}, which ends at ${end}`;
        throw new LogError("OFFSET_OUT_OF_RANGE", message, { details: { baseOffset, end } });
      }
      ends.set(partition, baseOffset + bytes.readInt32BE(batchField.lastOffsetDelta) + 1);
    }
    for (const { partitionId, bytes, baseOffset } of batches) {
      const partition = this.#partition(partitionId);
      placeBatch(bytes, baseOffset, this.leaderEpoch);
      const batch = new RecordBatch(bytes);
      partition.batches.push(batch);
      partition.bytes += bytes.length;
      partition.end = batch.nextOffset;
    }
    this.metadata.apply(metadata);
    this.#groups++;
    this.#wake();
  }

  #partition(id: string): MemoryPartition {
    const partition = this.#partitions.get(id);
    if (partition === undefined)
      throw new LogError("PARTITION_NOT_FOUND", `there is no partition ${id}`, {
        details: { partitionId: id },
      });
    return partition;
  }

  #wake(): void {
    this.#watchers.notify(
      ({ id, offset }) => (this.#partitions.get(id)?.end ?? Number.POSITIVE_INFINITY) > offset,
    );
  }
}

function bytesOf(batches: readonly RecordBatch[]): number {
  return batches.reduce((sum, { bytes }) => sum + bytes.length, 0);
}

function recordsOf(batches: readonly RecordBatch[]): number {
  return batches.reduce((sum, { isControl, recordCount }) => sum + (isControl ? 0 : recordCount), 0);
}

type Puts = NonNullable<AppendGroup["metadata"]>;

class MemoryMetadata implements MetadataStore {
  readonly #entries = new Map<string, MetadataEntry>();
  readonly #watchers = new Watchers<string>();

  async get(key: string): Promise<MetadataEntry | undefined> {
    return this.#entries.get(key);
  }

  async put(key: string, value: string, version?: number): Promise<number> {
    this.check([{ key, value, ...(version === undefined ? {} : { version }) }]);
    this.apply([{ key, value }]);
    return this.#entries.get(key)?.version ?? 0;
  }

  async delete(key: string, version?: number): Promise<void> {
    this.check([{ key, value: undefined, ...(version === undefined ? {} : { version }) }]);
    this.apply([{ key, value: undefined }]);
  }

  async list(prefix: string): Promise<readonly MetadataEntry[]> {
    const found = [...this.#entries.values()].filter((entry) => entry.key.startsWith(prefix));
    return found.sort((left, right) => (left.key < right.key ? -1 : 1));
  }

  watch(prefix: string, signal?: AbortSignal): Promise<void> {
    return this.#watchers.wait(prefix, signal);
  }

  check(puts: Puts): void {
    for (const { key, version } of puts) {
      const existing = this.#entries.get(key)?.version ?? 0;
      if (version === undefined || version === existing) continue;
      const message = `the metadata key "${key}" has version ${existing}, not ${version}: read it again`;
      throw new LogError("VERSION_CONFLICT", message, { details: { key, version: existing } });
    }
  }

  apply(puts: Puts): void {
    for (const { key, value } of puts) {
      const version = (this.#entries.get(key)?.version ?? 0) + 1;
      if (value === undefined) this.#entries.delete(key);
      else this.#entries.set(key, { key, value, version });
      this.#watchers.notify((prefix) => key.startsWith(prefix));
    }
  }
}
