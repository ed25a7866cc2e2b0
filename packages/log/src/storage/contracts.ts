// What the face needs of a storage engine, and all that it uses: two narrow interfaces. The file driver, the memory
// driver and drivers to distributed engines implement them; conformance.ts tests them all alike.

/** What an append survives once acknowledged: nothing, a killed process, a power cut. */
export type Durability = "memory" | "os" | "disk";

/** What a driver can do. A face that needs what is missing says so with UNSUPPORTED. */
export interface StorageManifest {
  readonly name: string;
  /** Whether the batches and the metadata of one append come all or not at all. */
  readonly atomicGroups: boolean;
  /** Whether this process is the only writer, so that offsets are known before an append is acknowledged. */
  readonly singleWriter: boolean;
  /** Whether anything outlives the process. */
  readonly persistent: boolean;
  readonly readOnly: boolean;
  /** What the batches of one append may add up to. */
  readonly groupBytesMax: number;
}

/** A partition for life: a topic that is deleted and made again has another topicId. */
export interface PartitionName {
  /** Unique for ever: topicId and partition together. */
  readonly id: string;
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
}

export interface PartitionConfig {
  /** A segment that would grow beyond this is followed by another. */
  readonly segmentBytes: number;
  /** A segment is followed by another when its first record is this much older than the next, in milliseconds. */
  readonly segmentMs: number;
}

export interface BatchAppend {
  readonly partitionId: string;
  /** A RecordBatch v2 whose checksum is right, which drivers rely on; handed over. The driver sets its leader epoch. */
  readonly bytes: Buffer;
  /** The partition's end, or beyond it to leave a gap. */
  readonly baseOffset: number;
  /** Readers see the batch when it has reached this level. */
  readonly visibleAt: Durability;
}

export interface MetadataPut {
  readonly key: string;
  /** Undefined deletes the key. */
  readonly value: string | undefined;
  /** The version that is replaced: 0 if there must be none, undefined if any will do. */
  readonly version?: number;
}

export interface AppendGroup {
  readonly batches: readonly BatchAppend[];
  readonly metadata?: readonly MetadataPut[];
  /** The level at which `durable` settles. */
  readonly durability: Durability;
  /** Durable now, whatever has been configured about syncing seldom. */
  readonly force?: boolean;
}

export interface AppendOutcome {
  /** Settles when a killed process would not lose the group; the driver then takes the next one. */
  readonly written: Promise<void>;
  /** Settles when the group has reached its durability. */
  readonly durable: Promise<void>;
  /**
   * Of a group that has to wait for room: settles when there is none to be had until something changes, as on a full
   * disk. Whoever wants to read what the group holds then makes do with what came before it.
   */
  readonly stuck?: Promise<void>;
}

export interface ReadResult {
  /** Whole batches, checked, back to back in each chunk; empty at the end of what is visible. */
  readonly chunks: readonly Buffer[];
  /** Where reading began: `from`, or the log start offset if that is later. */
  readonly startOffset: number;
  readonly logStartOffset: number;
  readonly highWatermark: number;
}

/**
 * Where whole batches lie in a file, for whoever hands a descriptor to the system instead of reading. They are not
 * checked: whoever gets the bytes has to. The file stays open and the bytes stay as they are until the range is
 * released, also when the records or the topic are deleted meanwhile, or the log is closed.
 */
export interface FileRange {
  /** Open for reading. Use it with positions, and not after the release: the number may then be another file's. */
  readonly fd: number;
  /** What the file is called; it may lose its name while it is open. */
  readonly path: string;
  /** Where the first batch begins. */
  readonly position: number;
  /** In bytes, from there to the end of the last batch. */
  readonly length: number;
  /** The first offset that counts, the one asked for or the log's start. The first batch may begin before it. */
  readonly startOffset: number;
  /** Where to go on. */
  readonly next: number;
  /** Closes the file. A second time does nothing. */
  release(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** How a partition shall be compacted: of each key, its latest record is kept. */
export interface CompactionLimits {
  /** Nothing at or beyond this offset is compared with anything, nothing there goes. */
  readonly until: number;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** A record without a value goes when it has been compacted for so many milliseconds. */
  readonly deleteRetentionMs: number;
  /**
   * Nothing is done where less than this share, 0 to 1, of the bytes that may be compacted has come since the last time.
   * 0: in any case, and what the driver holds elsewhere is first brought to where it can be compacted.
   */
  readonly dirtyRatioMin: number;
  /**
   * Whether a record belongs to an aborted transaction: it then goes, and hides no other one. All before `until` must have
   * been decided. Without it, nothing is compacted from the first batch of a transaction on.
   */
  isAborted?(producerId: number, offset: number): boolean;
  /** Called before anything goes: what is known of producers from the batches must not be lost with them. */
  settled?(): Promise<void>;
  /** Gives up; what has been done stays done. */
  readonly signal?: AbortSignal;
}

export interface CompactionOutcome {
  /** Before this offset there is one record of each key. */
  readonly end: number;
  /** What went this time. */
  readonly records: number;
  readonly bytes: number;
}

/** What compaction has done to a partition since the storage was opened. */
export interface CompactionFigures extends CompactionOutcome {
  /** When it was last done, in milliseconds since 1970; −1: not yet. */
  readonly at: number;
}

export interface PartitionDescription {
  /** The first offset that may be read. */
  readonly logStartOffset: number;
  /** The end of what readers see. */
  readonly highWatermark: number;
  /** The offset of the next append. */
  readonly logEndOffset: number;
  /** What is not yet in a segment: bytes, and records by their offsets (gaps count). */
  readonly tailBytes: number;
  readonly tailRecords: number;
  readonly segmentBytes: number;
  readonly segmentRecords: number;
  readonly segmentCount: number;
  /** Bytes of the batches from the one on that holds the offset asked about; of all without one. */
  readonly bytesFrom: number;
  /** Leader epochs that records here carry, each with the offset of its first, in order. */
  readonly leaderEpochs: readonly (readonly [epoch: number, startOffset: number])[];
  /** Only of a partition that has been compacted. */
  readonly compaction?: CompactionFigures;
}

/** Figures of the driver as a whole. Drivers leave out what they do not have. */
export interface StorageCounters {
  readonly tailBytes: number;
  readonly tailBytesMax: number;
  readonly segmentBytes: number;
  readonly journalBytes: number;
  readonly journalLiveBytes: number;
  readonly journalBlocks: number;
  readonly journalBlockBytes: number;
  readonly groups: number;
  readonly syncs: number;
  readonly checkpoints: number;
  readonly openFiles: number;
  /** Batches per group and milliseconds per group commit, each as counts below powers of two. */
  readonly groupBatches: readonly number[];
  readonly commitMicros: readonly number[];
  /** Why appends wait or fail, if they do. */
  readonly trouble: string | undefined;
}

export interface LogStorage {
  readonly manifest: StorageManifest;
  readonly metadata: MetadataStore;
  readonly counters: StorageCounters;
  /** The leader epoch of what is appended now, higher with each opening for writing; −1 where nothing can be. */
  readonly leaderEpoch: number;
  /**
   * Durable when it settles, the metadata with it: in one step where groups are atomic, otherwise after the
   * partitions. A partition that exists gets the configuration.
   */
  createPartitions(
    partitions: readonly PartitionName[],
    config: PartitionConfig,
    metadata?: readonly MetadataPut[],
  ): Promise<void>;
  /** With all their data, and the metadata likewise. No error for what does not exist. */
  deletePartitions(ids: readonly string[], metadata?: readonly MetadataPut[]): Promise<void>;
  /**
   * OFFSET_OUT_OF_RANGE if a batch begins before its partition's end, PARTITION_NOT_FOUND with the `partitionId` in its
   * details, also if that one is deleted while the group waits for room; then nothing is appended.
   */
  append(group: AppendGroup): AppendOutcome;
  /**
   * About `bytesMax` bytes, at least one batch. An offset in a gap reads from the next batch. What has to be read from a
   * file may be read into `memory`, which is the caller's; a driver need not use it.
   */
  read(id: string, from: number, bytesMax: number, memory?: Buffer): Promise<ReadResult>;
  /**
   * Only of drivers that keep batches in files: no longer than `bytesMax`, but one batch at least. Undefined where
   * there is nothing, or what there is has not got into a file yet.
   */
  fileRange?(id: string, from: number, bytesMax: number): Promise<FileRange | undefined>;
  /** `from`: the offset that `bytesFrom` is about. */
  describe(id: string, from?: number): Promise<PartitionDescription>;
  /** The first record whose timestamp is at or after the given one. */
  offsetForTimestamp(
    id: string,
    timestamp: number,
  ): Promise<{ offset: number; timestamp: number } | undefined>;
  /** Makes `before` the log start offset, durably. It never goes back. */
  deleteRecords(id: string, before: number): Promise<void>;
  /**
   * The log start offset that would leave what is within the limits, in units of the driver's choice: not older than
   * `timestampMin`, and not beyond `bytesMax`.
   */
  retainableFrom(id: string, limits: { timestampMin?: number; bytesMax?: number }): Promise<number>;
  /**
   * Only of drivers that can: takes out records that a later one with the same key makes obsolete. Offsets stay as they are:
   * what goes leaves gaps. The newest records, as many as the driver chooses, are left alone, the last always is. One at a
   * time; a crash leaves what was there before or what is there afterwards.
   */
  compact?(id: string, limits: CompactionLimits): Promise<CompactionOutcome>;
  /** Settles when the high watermark is above `offset`, or the partition is gone. */
  watch(id: string, offset: number, signal?: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export interface MetadataEntry {
  readonly key: string;
  readonly value: string;
  /** 1 when first put, one higher with each change. */
  readonly version: number;
}

export interface MetadataStore {
  get(key: string): Promise<MetadataEntry | undefined>;
  /** Durable when it settles; VERSION_CONFLICT if the version differs. Answers the new version. */
  put(key: string, value: string, version?: number): Promise<number>;
  delete(key: string, version?: number): Promise<void>;
  /** In order of the keys. */
  list(prefix: string): Promise<readonly MetadataEntry[]>;
  /** Settles at the next change below the prefix. */
  watch(prefix: string, signal?: AbortSignal): Promise<void>;
}
