// Compacts partitions, one at a time, when it is told to. What a compaction has ready counts with the next checkpoint file,
// which it asks for; if that cannot be written, what is ready stays ready, and nothing else begins there before it counts.
import type { Checkpointer } from "../../checkpoint/index.js";
import { LogError } from "../../errors.js";
import type { FileSystem } from "../../fs/index.js";
import { PartitionCompaction, type PartitionLog } from "../../partition/index.js";
import type { FileCache } from "../../segment/index.js";
import type { CompactionLimits, CompactionOutcome } from "../contracts.js";
import type { FileState } from "./file-state.js";

export class Compactor {
  readonly #fs: FileSystem;
  readonly #cache: FileCache;
  readonly #state: FileState;
  readonly #checkpointer: Checkpointer;
  readonly #failed: (error: unknown) => void;
  #isClosed = false;
  #current: AbortController | undefined;
  #last: Promise<unknown> = Promise.resolve();
  /** Why the last one failed, if it did. */
  trouble: string | undefined;

  constructor(
    fs: FileSystem,
    cache: FileCache,
    state: FileState,
    checkpointer: Checkpointer,
    failed: (error: unknown) => void,
  ) {
    this.#fs = fs;
    this.#cache = cache;
    this.#state = state;
    this.#checkpointer = checkpointer;
    this.#failed = failed;
  }

  compact(partition: PartitionLog, limits: CompactionLimits): Promise<CompactionOutcome> {
    const turn = this.#last.then(() => this.#compact(partition, limits));
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  /** Settles when nothing is being written any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#current?.abort(closed());
    await this.#last;
  }

  async #compact(partition: PartitionLog, limits: CompactionLimits): Promise<CompactionOutcome> {
    if (this.#isClosed) throw closed();
    const controller = new AbortController();
    const { signal } = controller;
    const abort = (): void => controller.abort(limits.signal?.reason);
    limits.signal?.throwIfAborted();
    limits.signal?.addEventListener("abort", abort, { once: true });
    this.#current = controller;
    try {
      const outcome = await this.#compactIfDirty(partition, { ...limits, signal }, signal);
      this.trouble = undefined;
      return outcome;
    } catch (error) {
      if (signal.aborted || partition.deleted) throw signal.aborted ? signal.reason : partition.gone();
      this.trouble = `compaction: ${(error as Error).message}`;
      this.#failed(error);
      throw error;
    } finally {
      limits.signal?.removeEventListener("abort", abort);
      this.#current = undefined;
    }
  }

  async #compactIfDirty(
    partition: PartitionLog,
    limits: CompactionLimits,
    signal: AbortSignal,
  ): Promise<CompactionOutcome> {
    const { until, now, dirtyRatioMin } = limits;
    if (partition.offered !== undefined) await this.#commit(partition, signal);
    const nothing = { end: partition.rewrites.state.end, records: 0, bytes: 0 };
    if (dirtyRatioMin > 0 && dirtyRatio(partition, until) < dirtyRatioMin) return nothing;
    if (dirtyRatioMin === 0 && partition.tail.count > 0)
      await unlessAborted(this.#checkpointer.run("all"), signal);
    // What an interrupted one has left takes space that this one may need.
    if (partition.leftovers !== "none" && !partition.isBusy) await partition.tidy();
    const host = { fs: this.#fs, cache: this.#cache, commit: () => this.#commit(partition, signal) };
    try {
      const outcome = await new PartitionCompaction(host, partition, limits).run();
      partition.rewrites.did(outcome, now);
      return outcome;
    } catch (error) {
      partition.leftovers = "certain";
      throw error;
    } finally {
      await this.#clear(partition);
    }
  }

  async #commit(partition: PartitionLog, signal: AbortSignal): Promise<void> {
    this.#state.offering.add(partition);
    await unlessAborted(this.#checkpointer.run("save"), signal);
    await this.#clear(partition);
  }

  /** Files that nobody needs go at once. If they cannot, they go with a later checkpoint, which then says what is wrong. */
  async #clear(partition: PartitionLog): Promise<void> {
    if (partition.leftovers === "certain") this.#state.untidy.add(partition);
    await this.#state.tidy().catch(() => undefined);
  }
}

function closed(): LogError {
  return new LogError("CLOSED", "the log is closed");
}

/** Which share of what may be compacted has come since the last time. */
function dirtyRatio({ segments, rewrites }: PartitionLog, until: number): number {
  let clean = 0;
  let dirty = 0;
  for (const { state } of segments.slice(0, -1)) {
    const { baseOffset, nextOffset, logBytes } = state;
    const share = (from: number, to: number): number =>
      Math.max(0, Math.min(to, nextOffset) - Math.max(from, baseOffset)) / (nextOffset - baseOffset);
    clean += logBytes * share(0, rewrites.state.end);
    dirty += logBytes * share(rewrites.state.end, until);
  }
  return dirty === 0 ? 0 : dirty / (clean + dirty);
}

/** Whoever gives up need not wait for what goes on without him. */
function unlessAborted<T>(action: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    const done = (): void => signal.removeEventListener("abort", abort);
    signal.addEventListener("abort", abort, { once: true });
    action.then(resolve, reject).finally(done);
    if (signal.aborted) abort();
  });
}
