// Moves what the journal made durable into segments, as late as the budgets allow, so that the journal's files can be
// used again. Lanes by partition: each writes all of its partitions, then syncs them. What was deleted in the meantime
// is never written. A checkpoint that fails (a full disk) loses nothing: the journal keeps the data and it is tried
// again. Called by storage/file.
import type { Clock, Timer } from "../clock.js";
import { type FileSystem, pacedBytes } from "../fs/index.js";
import type { Journal } from "../journal/index.js";
import type { PartitionLog } from "../partition/index.js";
import type { FileCache } from "../segment/index.js";
import { PartitionCheckpoint } from "./partition-checkpoint.js";

/** What the checkpointer asks of the storage that it serves. */
export interface CheckpointSource {
  /** Syncs the journal and waits until all that it holds has taken effect in memory. */
  settle(): Promise<void>;
  /** Partitions whose tail is not empty. */
  dirty(): readonly PartitionLog[];
  /** A partition's batches are in segments: `bytes` left its tail. */
  released(partition: PartitionLog, bytes: number): void;
  /** Whether records must leave the journal though `freed` bytes of it hold only what has been deleted. */
  isTight(freed: number): boolean;
  /** Removes files that nobody needs, then writes the checkpoint file. */
  save(journalStart: number): Promise<void>;
  ended(outcome: { bytes: number; partitions: number; ms: number }): void;
  failed(error: unknown): void;
}

// Many small files are made in half the time when the next calls are there before a thread goes to sleep. Of long
// writes each takes two threads, and the journal needs some.
const atOnce = 4;
const retryMsMin = 200;
const retryMsMax = 5000;

/** What somebody wants: all in segments, room in the journal, or a checkpoint file that says what is so now. */
type Wanted = "all" | "room" | "save";

interface Waiting {
  resolve(): void;
  reject(error: unknown): void;
}

export class Checkpointer {
  readonly #fs: FileSystem;
  readonly #clock: Clock;
  readonly #cache: FileCache;
  readonly #topicsDirectory: string;
  readonly #lanes: number;
  readonly #journal: Journal;
  readonly #source: CheckpointSource;
  #running: Promise<void> | undefined;
  #current: Promise<void> | undefined;
  #again = false;
  #wanted = new Set<Wanted>();
  /** Who waits for the next checkpoint, not for the one that runs. */
  #waiting: Waiting[] = [];
  #closed = false;
  #retryMs = retryMsMin;
  #retryTimer: Timer | undefined;
  count = 0;

  constructor(
    fs: FileSystem,
    clock: Clock,
    cache: FileCache,
    topicsDirectory: string,
    lanes: number,
    journal: Journal,
    source: CheckpointSource,
  ) {
    this.#fs = fs;
    this.#clock = clock;
    this.#cache = cache;
    this.#topicsDirectory = topicsDirectory;
    this.#lanes = lanes;
    this.#journal = journal;
    this.#source = source;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** Settles when no checkpoint is under way. */
  async whenIdle(): Promise<void> {
    await this.#current?.catch(() => undefined);
  }

  /**
   * Starts a checkpoint, or another one after the one that runs. Failures are reported to the source and retried. For
   * room alone nothing is written to segments where forgetting what has been deleted makes enough of it.
   */
  request(what: Wanted = "all"): void {
    this.#wanted.add(what);
    this.#start();
  }

  /**
   * As {@link request}; settles when a checkpoint that begins after this call has ended, rejects if it fails. Whoever asks
   * gives up before this is closed.
   */
  run(what: Wanted): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.request(what);
    });
  }

  #start(): void {
    this.#again = true;
    if (this.#closed || this.#running !== undefined || this.#retryTimer !== undefined) return;
    this.#running = this.#loop().finally(() => {
      this.#running = undefined;
      if (this.#again && this.#retryTimer === undefined) this.#start();
    });
  }

  /** One whole checkpoint, whose failure is the caller's to handle. */
  async runNow(): Promise<void> {
    this.#retryTimer?.cancel();
    this.#retryTimer = undefined;
    this.#closed = true;
    await this.#running;
    await this.#checkpoint();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#retryTimer?.cancel();
    await this.#running;
  }

  async #loop(): Promise<void> {
    while (this.#again && !this.#closed) {
      this.#again = false;
      try {
        this.#current = this.#checkpoint();
        await this.#current;
        this.#retryMs = retryMsMin;
      } catch (error) {
        if (this.#journal.failure !== undefined) return;
        this.#source.failed(error);
        this.#again = true;
        // Appends may be waiting for it: the process must not end meanwhile.
        const retry = (): void => {
          this.#retryTimer = undefined;
          this.request("room");
        };
        this.#retryTimer = this.#clock.startTimer(this.#retryMs, retry, true);
        this.#retryMs = Math.min(this.#retryMs * 2, retryMsMax);
        return;
      }
    }
  }

  async #checkpoint(): Promise<void> {
    const wanted = this.#wanted;
    const waiting = this.#waiting;
    this.#wanted = new Set();
    this.#waiting = [];
    try {
      await this.#write(wanted);
      for (const { resolve } of waiting) resolve();
    } catch (error) {
      for (const what of wanted) this.#wanted.add(what);
      for (const { reject } of waiting) reject(error);
      throw error;
    }
  }

  async #write(wanted: ReadonlySet<Wanted>): Promise<void> {
    const started = this.#clock.elapsedMs();
    await this.#source.settle();
    const sequence = this.#journal.syncedSequence;
    if (!wanted.has("all") && (await this.#hasSufficed(sequence, wanted))) return;
    const partitions = this.#source.dirty();
    const lanes = Array.from({ length: this.#lanes }, (_, lane) =>
      this.#runLane(
        partitions.filter((partition) => partition.number % this.#lanes === lane),
        sequence,
      ),
    );
    const results = await Promise.allSettled(lanes);
    // No file goes that the checkpoint file just written still leads to, even if it holds nothing new.
    const start = this.#journal.ring.scanStart(this.#oldestNeeded(sequence));
    await this.#source.save(start);
    await this.#journal.ring.trim(start);
    const failure = results.find((result) => result.status === "rejected");
    if (failure !== undefined) throw failure.reason;
    this.count++;
    let bytes = 0;
    for (const lane of lanes) bytes += await lane;
    this.#source.ended({ bytes, partitions: partitions.length, ms: this.#clock.elapsedMs() - started });
  }

  /** Journal files that hold only what has been deleted go first, and a checkpoint file is written without segments. */
  async #hasSufficed(sequence: number, wanted: ReadonlySet<Wanted>): Promise<boolean> {
    const { ring } = this.#journal;
    const start = ring.scanStart(this.#oldestNeeded(sequence));
    const freed = ring.bytesBefore(start);
    const isEnough = freed > 0 || (wanted.has("save") && !wanted.has("room"));
    if (!isEnough || this.#closed || this.#source.isTight(freed)) return false;
    await this.#source.save(start);
    await ring.trim(start);
    return true;
  }

  async #runLane(partitions: readonly PartitionLog[], sequence: number): Promise<number> {
    const work = partitions.map((partition) => new PartitionCheckpoint(this.#fs, this.#cache, partition));
    let bytes = 0;
    try {
      const write = async (item: PartitionCheckpoint): Promise<void> => {
        bytes += await item.write(sequence);
      };
      // Decided once: appends and deletions go on meanwhile.
      const long = new Set(work.filter(({ partition }) => partition.tail.bytes > pacedBytes));
      await several([...long], 1, write);
      const short = work.filter((item) => !long.has(item));
      await several(short, atOnce, write);
      // A sync keeps a thread for long, and the journal needs some; at the end it does not.
      await several(work, this.#closed ? atOnce : 1, (item) => item.sync());
      if (work.some((item) => item.isNewDirectory)) await this.#fs.syncDirectory(this.#topicsDirectory);
    } catch (error) {
      for (const item of work) {
        item.abandon();
        this.#source.released(item.partition, 0);
      }
      throw error;
    }
    for (const item of work) this.#source.released(item.partition, item.finish());
    return bytes;
  }

  /** The first block that still holds something that is nowhere else. */
  #oldestNeeded(sequence: number): number {
    let oldest = sequence + 1;
    for (const partition of this.#source.dirty()) {
      const { first } = partition.tail;
      if (first !== undefined && first.sequence >= 0) oldest = Math.min(oldest, first.sequence);
    }
    return oldest;
  }
}

/** Calls `action` for each item, for a few at once; once one has failed, for no further one. */
async function several<T>(
  items: readonly T[],
  count: number,
  action: (item: T) => Promise<void>,
): Promise<void> {
  const left = items.values();
  let hasFailed = false;
  const results = await Promise.allSettled(
    Array.from({ length: count }, async () => {
      for (const item of left) {
        if (hasFailed) return;
        try {
          await action(item);
        } catch (error) {
          hasFailed = true;
          throw error;
        }
      }
    }),
  );
  for (const result of results) if (result.status === "rejected") throw result.reason;
}
