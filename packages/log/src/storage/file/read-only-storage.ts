// A reader beside the writer, in the same process or another: no lock, nothing written. It replays checkpoint and
// journal as recovery would, then keeps up by looking again. It shows what reads back, which for the newest block may
// be a moment before the writer has synced it.
import { type CheckpointState, checkpointName, decodeCheckpoint } from "../../checkpoint/index.js";
import type { Clock } from "../../clock.js";
import { LogError } from "../../errors.js";
import type { FileSystem } from "../../fs/index.js";
import { JournalScan } from "../../journal/index.js";
import type { LogSettings } from "../../options.js";
import type { PartitionLog } from "../../partition/index.js";
import { FileCache } from "../../segment/index.js";
import type {
  AppendOutcome,
  FileRange,
  LogStorage,
  PartitionDescription,
  ReadResult,
  StorageCounters,
  StorageManifest,
} from "../contracts.js";
import { decodeEntries } from "./entry.js";
import { FileMetadata } from "./file-metadata.js";
import { FileState } from "./file-state.js";

const lookAgainMs = 20;
const triesMax = 5;

export class ReadOnlyStorage implements LogStorage {
  readonly manifest: StorageManifest = {
    name: "file",
    atomicGroups: true,
    singleWriter: true,
    persistent: true,
    readOnly: true,
    groupBytesMax: 0,
  };
  readonly leaderEpoch = -1;
  readonly metadata: FileMetadata;
  readonly #fs: FileSystem;
  readonly #clock: Clock;
  readonly #directory: string;
  readonly #cache: FileCache;
  /** Of the checkpoint file, as it was last read. */
  #content: Buffer | undefined;
  #state!: FileState;
  #scan: JournalScan | undefined;
  #refreshing: Promise<void> | undefined;
  #closed = false;

  /** Use {@link ReadOnlyStorage.open}. */
  constructor(fs: FileSystem, clock: Clock, directory: string, settings: LogSettings) {
    this.#fs = fs;
    this.#clock = clock;
    this.#directory = directory;
    this.#cache = new FileCache(fs, clock, settings.openFilesMax, true);
    // The map changes when the state is built anew, so look it up each time.
    this.metadata = new FileMetadata(
      () => this.#state.metadata,
      readOnly,
      () => this.#refresh(),
      (changed, signal) => this.#lookUntil(changed, signal),
    );
  }

  static async open(
    fs: FileSystem,
    clock: Clock,
    directory: string,
    settings: LogSettings,
  ): Promise<ReadOnlyStorage> {
    const storage = new ReadOnlyStorage(fs, clock, directory, settings);
    try {
      await storage.#refresh();
    } catch (error) {
      await storage.close();
      throw error;
    }
    return storage;
  }

  get counters(): StorageCounters {
    const partitions = [...this.#state.partitions.values()];
    return {
      tailBytes: this.#state.tailBytes,
      tailBytesMax: 0,
      segmentBytes: partitions.reduce((sum, partition) => sum + partition.describe().segmentBytes, 0),
      journalBytes: 0,
      journalLiveBytes: 0,
      journalBlocks: 0,
      journalBlockBytes: 0,
      groups: 0,
      syncs: 0,
      checkpoints: 0,
      openFiles: this.#cache.openCount,
      groupBatches: [],
      commitMicros: [],
      trouble: undefined,
    };
  }

  createPartitions(): Promise<void> {
    return readOnly();
  }
  deletePartitions(): Promise<void> {
    return readOnly();
  }
  deleteRecords(): Promise<void> {
    return readOnly();
  }
  async retainableFrom(id: string, limits: { timestampMin?: number; bytesMax?: number }): Promise<number> {
    return this.#state.partition(id).retainableFrom(limits);
  }
  append(): AppendOutcome {
    const refused = readOnly();
    return { written: refused, durable: refused };
  }

  async read(id: string, from: number, bytesMax: number, memory?: Buffer): Promise<ReadResult> {
    try {
      const result = await this.#state.partition(id).read(from, bytesMax, memory);
      if (result.chunks.length > 0) return result;
    } catch (error) {
      // The writer may have deleted the file meanwhile; what is really damaged fails again.
      if (this.#closed) throw error;
    }
    await this.#refresh();
    return this.#state.partition(id).read(from, bytesMax, memory);
  }

  async fileRange(id: string, from: number, bytesMax: number): Promise<FileRange | undefined> {
    for (let attempt = 1; ; attempt++) {
      let range: FileRange | undefined;
      try {
        range = await this.#state.partition(id).fileRange(from, bytesMax);
      } catch (error) {
        // The writer may have deleted the file meanwhile; what is really damaged fails again.
        if (this.#closed || attempt === 2) throw error;
      }
      try {
        await this.#refresh();
        // It may even have made another file of that name, but not if the partition is still there.
        this.#state.partition(id);
      } catch (error) {
        await range?.release();
        throw error;
      }
      if (range !== undefined || attempt === 2) return range;
    }
  }

  describe(id: string, from?: number): Promise<PartitionDescription> {
    return this.#look(() => this.#state.describe(id, from));
  }

  offsetForTimestamp(
    id: string,
    timestamp: number,
  ): Promise<{ offset: number; timestamp: number } | undefined> {
    return this.#look(() => this.#state.partition(id).offsetForTimestamp(timestamp));
  }

  async watch(id: string, offset: number, signal?: AbortSignal): Promise<void> {
    while (!this.#closed) {
      signal?.throwIfAborted();
      await this.#refresh();
      const partition = this.#state.partitions.get(id);
      if (partition === undefined || partition.highWatermark > offset) return;
      await this.#pause(signal);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#refreshing?.catch(() => undefined);
    await this.#scan?.close();
    await this.#cache.close();
  }

  async #lookUntil(changed: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
    let isDone = false;
    const end = (): void => {
      isDone = true;
    };
    changed.then(end, end);
    for (await this.#refresh(); !isDone && !this.#closed; await this.#refresh()) await this.#pause(signal);
  }

  /** The event is another process's write, so there is nothing to wait for but time. */
  #pause(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        timer.cancel();
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const timer = this.#clock.startTimer(lookAgainMs, done, true);
      signal?.addEventListener("abort", done, { once: true });
    });
  }

  /** At what there is now. The writer may replace a file meanwhile; what is really damaged fails again. */
  async #look<T>(action: () => Promise<T>): Promise<T> {
    await this.#refresh();
    try {
      return await action();
    } catch {
      await this.#refresh();
      return action();
    }
  }

  #refresh(): Promise<void> {
    if (this.#closed) return Promise.reject(new LogError("CLOSED", "the log is closed"));
    this.#refreshing ??= this.#catchUp().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  /** The writer goes on meanwhile: what does not fit together is looked at again before it counts as damage. */
  async #catchUp(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        const known = this.#scan;
        await this.#readCheckpoint();
        const scan = this.#scan as JournalScan;
        const isNew = scan !== known;
        for await (const block of scan.blocks()) {
          for (const entry of decodeEntries(block.payload)) {
            if (entry.type === "batch") this.#state.replay(entry, block.sequence);
            else {
              this.#state.apply(entry);
              if (entry.type === "metadata") this.metadata.changed(entry.key);
            }
          }
          this.#state.untidy.clear(); // The writer's business.
        }
        if (!(await this.#fellBehind())) {
          if (isNew) await scan.checkEnd();
          return;
        }
      } catch (error) {
        if (attempt === triesMax) throw error;
      }
      this.#content = undefined;
      await this.#scan?.close();
      this.#scan = undefined;
    }
  }

  /** The block that is expected next is gone: the writer has checkpointed it and uses its file again. */
  async #fellBehind(): Promise<boolean> {
    const content = await this.#fs.readFile(`${this.#directory}/${checkpointName}`);
    if (content === undefined || (this.#content !== undefined && content.equals(this.#content))) return false;
    const { journalStart } = decodeCheckpoint(checkpointName, content);
    return journalStart > (this.#scan as JournalScan).next.sequence;
  }

  async #readCheckpoint(): Promise<void> {
    const path = `${this.#directory}/${checkpointName}`;
    const content = await this.#fs.readFile(path);
    if (content === undefined) {
      const message = `there is no log in ${this.#directory}: ${path} is missing`;
      throw new LogError("IO", message, { details: { path } });
    }
    if (this.#content !== undefined && content.equals(this.#content)) return;
    const checkpoint = decodeCheckpoint(path, content);
    // A segment that it brings may have the name of one that was deleted, and that may still be open.
    await this.#cache.close();
    this.#content = content;
    if (this.#scan === undefined || checkpoint.journalStart > this.#scan.next.sequence)
      await this.#rebuild(checkpoint);
    else this.#follow(checkpoint, this.#scan);
  }

  async #rebuild(checkpoint: CheckpointState): Promise<void> {
    await this.#scan?.close();
    const topics = `${this.#directory}/topics`;
    this.#state = new FileState({ fs: this.#fs, cache: this.#cache, topicsDirectory: topics }, checkpoint);
    this.#scan = new JournalScan(
      this.#fs,
      `${this.#directory}/journal`,
      checkpoint.writers,
      checkpoint.journalStart,
    );
  }

  #follow(checkpoint: CheckpointState, scan: JournalScan): void {
    scan.writers = checkpoint.writers;
    for (const state of checkpoint.partitions) {
      const partition: PartitionLog | undefined = this.#state.byNumber.get(state.number);
      if (partition !== undefined) this.#state.released(partition, partition.follow(state));
    }
  }
}

function readOnly(): Promise<never> {
  const refused = Promise.reject(
    new LogError("READ_ONLY", "the log was opened read-only: open it without readOnly to write"),
  );
  refused.catch(() => undefined);
  return refused;
}
