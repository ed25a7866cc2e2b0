// The file driver: wires journal, partitions and checkpointer into a LogStorage. It owns the order of things: a batch
// goes into the tail and the journal's queue in one step, becomes visible when its level is reached, and leaves the
// tail when the checkpointer has it in a segment. Opened by open-file-storage.ts.
import { Checkpointer, writeCheckpoint, writeKafkaOffsets } from "../../checkpoint/index.js";
import type { Clock } from "../../clock.js";
import type { LogError } from "../../errors.js";
import type { DirectoryLock, FileSystem } from "../../fs/index.js";
import type { Commit, Journal, JournalObserver } from "../../journal/index.js";
import type { LogSettings } from "../../options.js";
import type { PartitionLog, TailBatch } from "../../partition/index.js";
import { placeBatch } from "../../record/index.js";
import type { FileCache } from "../../segment/index.js";
import type {
  AppendGroup,
  AppendOutcome,
  CompactionLimits,
  CompactionOutcome,
  FileRange,
  LogStorage,
  MetadataPut,
  PartitionConfig,
  PartitionDescription,
  PartitionName,
  ReadResult,
  StorageCounters,
  StorageManifest,
} from "../contracts.js";
import { Admission } from "./admission.js";
import { checkpointChannel, groupChannel, troubleChannel } from "./channels.js";
import { CheckpointPolicy } from "./checkpoint-policy.js";
import { Compactor } from "./compactor.js";
import { Histogram, sizesOf } from "./counters.js";
import { bytesOf, type ControlEntry, encodeControl, Payload } from "./entry.js";
import { FileMetadata, metadataEntries } from "./file-metadata.js";
import { describeBatch, type FileState, refuseBeyond, refusePast } from "./file-state.js";

/** All that the driver is made of, as recovery leaves it. */
export interface FileParts {
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly directory: string;
  readonly settings: LogSettings;
  readonly cache: FileCache;
  readonly state: FileState;
  readonly lock: DirectoryLock;
}

// Beyond this a sync is amortised and a larger group only waits longer.
const groupBytesMax = 8 * 1024 * 1024;
const journaledShare = 0.75; // The face forms batches within the rest of tailBytesMax.

export class FileStorage implements LogStorage, JournalObserver {
  readonly manifest: StorageManifest;
  leaderEpoch = -1;
  readonly metadata: FileMetadata;
  readonly #parts: FileParts;
  readonly #state: FileState;
  readonly #groupBatches = new Histogram();
  readonly #commitMicros = new Histogram();
  readonly #tailBytesMax: number;
  #journal!: Journal;
  #checkpointer!: Checkpointer;
  /** Undefined until recovery has ended. */
  #admission: Admission | undefined;
  #compactor!: Compactor;
  #policy!: CheckpointPolicy;
  #nextPartitionNumber: number;
  #groups = 0;
  #trouble: string | undefined;
  /** Control entries and metadata on their way: a checkpoint waits until they have taken effect. */
  readonly #underway = new Set<Promise<unknown>>();
  /** Versions of the keys whose change is on its way. */
  readonly #versions = new Map<string, number>();
  #closed: Promise<void> | undefined;

  constructor(parts: FileParts) {
    this.#parts = parts;
    this.#state = parts.state;
    this.#nextPartitionNumber = parts.state.nextPartitionNumber;
    this.manifest = {
      name: "file",
      atomicGroups: true,
      singleWriter: true,
      persistent: true,
      readOnly: false,
      groupBytesMax: Math.min(groupBytesMax, Math.floor(parts.settings.journalFileBytes / 2)),
    };
    this.#tailBytesMax = Math.floor(parts.settings.tailBytesMax * journaledShare);
    this.metadata = new FileMetadata(
      () => parts.state.metadata,
      (puts) => this.#control([], puts),
    );
  }

  /** Takes the journal that recovery has prepared, and begins to serve. */
  start(journal: Journal): void {
    const { fs, clock, cache, directory, settings } = this.#parts;
    this.#journal = journal;
    this.leaderEpoch = journal.epoch;
    cache.gate.writer = journal;
    this.#checkpointer = new Checkpointer(fs, clock, cache, `${directory}/topics`, settings.lanes, journal, {
      settle: () => this.#settle(),
      dirty: () => [...this.#state.dirty],
      released: (partition, bytes) => this.#released(partition, bytes),
      isTight: (freed) => this.#policy.isTight(freed),
      save: (journalStart) => this.#save(journalStart),
      ended: (outcome) => {
        this.#trouble = undefined;
        this.#admission?.unstick();
        if (checkpointChannel.hasSubscribers) checkpointChannel.publish({ directory, ...outcome });
      },
      failed: (error) => {
        this.#report("checkpoint", error);
        this.#admission?.stick();
      },
    });
    this.#admission = new Admission(this.#state, journal, this.#tailBytesMax, () =>
      this.#checkpointer.request("room"),
    );
    this.#compactor = new Compactor(fs, cache, this.#state, this.#checkpointer, (error) =>
      troubleChannel.publish({ directory, where: "compaction", error }),
    );
    this.#policy = new CheckpointPolicy(
      clock,
      settings,
      this.#state,
      journal,
      this.#checkpointer,
      this.#tailBytesMax,
      (error) => this.#report("journal", error),
    );
  }

  get counters(): StorageCounters {
    return {
      ...sizesOf(this.#state, this.#journal, this.#parts.cache),
      tailBytesMax: this.#tailBytesMax,
      groups: this.#groups,
      checkpoints: this.#checkpointer.count,
      groupBatches: this.#groupBatches.counts,
      commitMicros: this.#commitMicros.counts,
      trouble: this.#trouble ?? this.#compactor.trouble,
    };
  }

  async createPartitions(
    partitions: readonly PartitionName[],
    config: PartitionConfig,
    metadata: readonly MetadataPut[] = [],
  ): Promise<void> {
    const numbered = partitions.map((name) => ({
      ...name,
      number: this.#state.partitions.get(name.id)?.number ?? this.#nextPartitionNumber++,
    }));
    await this.#control([{ type: "createPartitions", config, partitions: numbered }], metadata);
  }

  async deletePartitions(ids: readonly string[], metadata: readonly MetadataPut[] = []): Promise<void> {
    const numbers = ids
      .map((id) => this.#state.partitions.get(id)?.number)
      .filter((number) => number !== undefined);
    await this.#control(numbers.length === 0 ? [] : [{ type: "deletePartitions", numbers }], metadata);
    // A partition of the same name may follow at once: the directory has to be gone by then.
    await this.#checkpointer.whenIdle();
    await this.#state.tidy();
  }

  async deleteRecords(id: string, before: number): Promise<void> {
    const partition = this.#state.partition(id);
    if (before <= partition.logStartOffset) return;
    refuseBeyond(partition, before);
    await this.#control([{ type: "deleteRecords", number: partition.number, before }], []);
    await this.#state.tidy();
  }

  async retainableFrom(id: string, limits: { timestampMin?: number; bytesMax?: number }): Promise<number> {
    return this.#state.partition(id).retainableFrom(limits);
  }

  async compact(id: string, limits: CompactionLimits): Promise<CompactionOutcome> {
    return this.#compactor.compact(this.#state.partition(id), limits);
  }

  append(group: AppendGroup): AppendOutcome {
    try {
      return this.#append(group);
    } catch (error) {
      const refused: Promise<void> = Promise.reject(error);
      return outcomeOf(refused, refused);
    }
  }

  #append(group: AppendGroup): AppendOutcome {
    const bytes = bytesOf(group);
    this.#journal.checkFits(bytes);
    this.#policy.appended();
    const partitions = this.#partitionsOf(group);
    const room = this.#admission?.enter(group.batches.length === 0 ? 0 : bytes);
    if (room === undefined) return this.#submit(group, partitions);
    // One of them may be gone by then.
    const admitted = room.then(() => this.#submit(group, this.#partitionsOf(group)));
    const written = admitted.then((outcome) => outcome.written);
    const durable = admitted.then((outcome) => outcome.durable);
    return { ...outcomeOf(written, durable), stuck: (this.#admission as Admission).stuck };
  }

  async read(id: string, from: number, bytesMax: number, memory?: Buffer): Promise<ReadResult> {
    return this.#state.partition(id).read(from, bytesMax, memory);
  }

  async fileRange(id: string, from: number, bytesMax: number): Promise<FileRange | undefined> {
    return this.#state.partition(id).fileRange(from, bytesMax);
  }

  describe(id: string, from?: number): Promise<PartitionDescription> {
    return this.#state.describe(id, from);
  }

  async offsetForTimestamp(
    id: string,
    timestamp: number,
  ): Promise<{ offset: number; timestamp: number } | undefined> {
    return this.#state.partition(id).offsetForTimestamp(timestamp);
  }

  async watch(id: string, offset: number, signal?: AbortSignal): Promise<void> {
    await this.#state.partitions.get(id)?.watch(offset, signal);
  }

  /** Checkpoints everything: the directory is then what Kafka itself would have left, and the journal is empty. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  // What the journal reports.

  committed(payloads: number, bytes: number, writeMs: number, syncMs: number): void {
    this.#commitMicros.add((writeMs + syncMs) * 1000);
    if (groupChannel.hasSubscribers)
      groupChannel.publish({ directory: this.#parts.directory, payloads, bytes, writeMs, syncMs });
  }

  failed(error: LogError): void {
    this.#report("journal", error);
    this.#admission?.lookAgain();
  }

  cannotGrow(error: unknown): void {
    this.#report("journal growth", error);
  }

  #partitionsOf({ batches }: AppendGroup): PartitionLog[] {
    return batches.map(({ partitionId }) => this.#state.partition(partitionId));
  }

  #submit(group: AppendGroup, partitions: readonly PartitionLog[]): AppendOutcome {
    const payload = new Payload();
    const batches: TailBatch[] = [];
    // Whatever can be refused is refused before anything has changed.
    refusePast(partitions, group.batches);
    const entries = this.#metadataEntries(group.metadata ?? []);
    for (const [index, { bytes, baseOffset, visibleAt }] of group.batches.entries()) {
      const partition = partitions[index] as PartitionLog;
      placeBatch(bytes, baseOffset, this.leaderEpoch);
      const batch = describeBatch(bytes, visibleAt);
      payload.addBatch(partition.number, partition.logEndOffset, bytes);
      this.#state.push(partition, batch, this.leaderEpoch);
      batches.push(batch);
      if (visibleAt === "memory") partition.advance();
    }
    for (const entry of entries) payload.addControl(entry);
    const sync = group.durability === "disk" || entries.length > 0;
    const commit = this.#journal.append(payload.pieces, sync, group.force, payload.known);
    this.#groups++;
    this.#groupBatches.add(batches.length);
    const written = commit.written.then(() => this.#reached(commit, batches, partitions, "os"));
    const durable = !sync
      ? written
      : commit.durable.then(() => {
          this.#reached(commit, batches, partitions, "disk");
          for (const entry of entries) this.#apply(entry);
        });
    if (entries.length > 0) void this.#track(durable);
    return outcomeOf(written, durable);
  }

  #reached(
    commit: Commit,
    batches: readonly TailBatch[],
    partitions: readonly PartitionLog[],
    level: "os" | "disk",
  ): void {
    for (const batch of batches) {
      batch.sequence = commit.sequence;
      batch.reached = level;
    }
    for (const partition of partitions) partition.advance();
    if (level === "os") this.#policy.look();
  }

  /** Journals entries in one block and applies them when they are durable. */
  async #control(entries: readonly ControlEntry[], metadata: readonly MetadataPut[]): Promise<void> {
    const all = [...entries, ...this.#metadataEntries(metadata)];
    if (all.length === 0) return;
    const commit = this.#journal.append(all.map(encodeControl), true, true);
    const apply = (): void => {
      for (const entry of all) this.#apply(entry);
    };
    await this.#track(commit.durable.then(apply));
  }

  #metadataEntries(puts: readonly MetadataPut[]): (ControlEntry & { type: "metadata" })[] {
    const entries = metadataEntries(this.#versions, this.#state.metadata, puts);
    for (const { key, value, version } of entries) this.#versions.set(key, value === null ? 0 : version);
    return entries;
  }

  #apply(entry: ControlEntry): void {
    this.#state.apply(entry);
    if (entry.type === "metadata") {
      const version = entry.value === null ? 0 : entry.version;
      if (this.#versions.get(entry.key) === version) this.#versions.delete(entry.key);
      this.metadata.changed(entry.key);
    }
    if (entry.type === "deleteRecords" || entry.type === "deletePartitions") this.#admission?.lookAgain();
  }

  #track<T>(action: Promise<T>): Promise<T> {
    this.#underway.add(action);
    const done = (): void => {
      this.#underway.delete(action);
    };
    action.then(done, done);
    return action;
  }

  async #settle(): Promise<void> {
    await this.#journal.sync();
    await Promise.allSettled(this.#underway);
  }

  async #save(journalStart: number): Promise<void> {
    // Taken before tidying: a partition that is deleted meanwhile is forgotten only once its files are gone.
    const checkpoint = this.#state.checkpoint(journalStart);
    const offers = this.#state.offers();
    await this.#state.tidy();
    await writeCheckpoint(this.#parts.fs, this.#parts.directory, checkpoint);
    this.#state.adopt(offers);
  }

  #released(partition: PartitionLog, bytes: number): void {
    this.#state.released(partition, bytes);
    if (bytes > 0) this.#admission?.lookAgain();
  }

  #report(where: string, error: unknown): void {
    this.#trouble = `${where}: ${(error as Error).message}`;
    troubleChannel.publish({ directory: this.#parts.directory, where, error });
  }

  /** For Kafka's tools only: without them nothing is lost. */
  async #writeKafkaOffsets(): Promise<void> {
    const { fs, directory } = this.#parts;
    try {
      await writeKafkaOffsets(fs, `${directory}/topics`, this.#state.partitions.values());
    } catch (error) {
      this.#report("Kafka's offset files", error);
    }
  }

  async #close(): Promise<void> {
    this.#policy.stop();
    try {
      await this.#compactor.close();
      if (this.#journal.failure === undefined) {
        await this.#checkpointer.runNow();
        if (this.#state.dirty.size === 0) {
          // What a compaction has written gets its names before the checkpoint file that stays.
          await this.#state.tidy();
          await this.#save(this.#journal.writtenSequence + 1);
          await this.#writeKafkaOffsets();
        }
      }
    } finally {
      await this.#checkpointer.close();
      for (const partition of this.#state.partitions.values()) partition.end();
      await this.#journal.close();
      await this.#parts.cache.close();
      await this.#parts.lock.release();
    }
  }
}

/** Callers look at one of the two at least. */
function outcomeOf(written: Promise<void>, durable: Promise<void>): AppendOutcome {
  written.catch(() => undefined);
  durable.catch(() => undefined);
  return { written, durable };
}
