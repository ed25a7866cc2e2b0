// From single appends to groups. While the storage is busy with one group, the next one forms here; it is handed over
// the moment the storage is done. It bounds the memory of what forms: beyond the budget appends wait in line, and when
// the line is full they fail. Called by topics; owns the only loop that appends records to the storage.
import type { Clock, Timer } from "../clock.js";
import { LogError } from "../errors.js";
import { batchHeaderBytes, recordSizeMax } from "../record/index.js";
import type { AppendGroup, Durability, LogStorage } from "../storage/contracts.js";
import type { FormingPartition, RecordInput, TakenBatch } from "./forming.js";
import { type Receipt, refusedReceipt, WaitingReceipt } from "./receipt.js";

export interface AppendOptions {
  /** What the append shall survive before it is acknowledged; default: the topic's durability. */
  readonly durability?: Durability;
  /** When the memory budget is used up: wait (default), or fail at once with BACKPRESSURE. */
  readonly wait?: boolean;
  /** Gives up waiting for room. A record that has an offset can no longer be withdrawn. */
  readonly signal?: AbortSignal;
}

export interface AppenderSettings {
  readonly formingBytesMax: number;
  readonly waitingBytesMax: number;
  readonly lingerMs: number;
  readonly syncEveryMs: number;
}

/** A topic, as far as appending is concerned. */
export interface AppendTarget {
  readonly batchBytesMax: number;
  /** Picks the partition when the record is let in. */
  choose(record: RecordInput): FormingPartition;
}

// How many records may join a group between two looks at the clock.
const recordsPerLook = 256;

interface Waiting {
  readonly target: AppendTarget;
  readonly record: RecordInput;
  readonly level: Durability | undefined;
  readonly size: number;
  readonly handle: WaitingReceipt;
  readonly stopListening: () => void;
}

export class Appender {
  readonly #storage: LogStorage;
  readonly #clock: Clock;
  readonly #settings: AppenderSettings;
  #listed: FormingPartition[] = [];
  #formingBytes = 0;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  /** The group that the storage has, and when it is done with it. */
  #atStorage: readonly TakenBatch[] = [];
  #busy: Promise<void> | undefined;
  /** Something forms and the storage is free: since when, and how many records came since. */
  #gathering: Timer | undefined;
  #gatheringSinceMs = 0;
  #gathered = 0;
  #lastCommitMs = 0;
  #deferred = new Set<Promise<void>>();
  #failure: unknown;

  constructor(storage: LogStorage, clock: Clock, settings: AppenderSettings) {
    this.#storage = storage;
    this.#clock = clock;
    this.#settings = settings;
  }

  get formingBytes(): number {
    return this.#formingBytes;
  }
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  append(target: AppendTarget, record: RecordInput, options: AppendOptions): Receipt {
    if (this.#failure !== undefined) return refusedReceipt(record.partition ?? -1, this.#failure);
    const size = recordSizeMax(record.key ?? null, record.value, record.headers);
    if (size + batchHeaderBytes > target.batchBytesMax)
      return refusedReceipt(record.partition ?? -1, tooLarge(size, target));
    const isFull = this.#formingBytes > 0 && this.#formingBytes + size > this.#settings.formingBytesMax;
    if (isFull || this.#waiting.length > 0) {
      return this.#wait(target, record, size, options);
    }
    const partition = target.choose(record);
    this.#add(partition, record, size);
    const receipt = partition.receipt(options.durability ?? partition.config.durability);
    if (this.#busy === undefined) this.#gather();
    return receipt;
  }

  /** Settles when the storage has everything that was appended, waiting appends included. */
  async flush(): Promise<void> {
    const last = this.#waiting.at(-1);
    while (this.#failure === undefined && last !== undefined && this.#waiting.includes(last)) {
      this.#handOver();
      await this.#busy;
    }
    // What others append meanwhile is not waited for: it may never end.
    const before = this.#listed.map((partition) => ({ partition, end: partition.nextOffset }));
    await this.#busy;
    while (this.#failure === undefined && before.some(({ partition, end }) => partition.firstOffset < end)) {
      this.#handOver();
      await this.#busy;
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Settles when all of it has reached its level. */
  async drain(): Promise<void> {
    await this.flush();
    await Promise.allSettled(this.#deferred);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Settles when the storage has what forms in the partition now. */
  async handOver(partition: FormingPartition): Promise<void> {
    const isUnderway = (): boolean =>
      this.#atStorage.some(({ append }) => append.partitionId === partition.id);
    while (this.#failure === undefined && (!partition.isEmpty || isUnderway())) {
      this.#handOver();
      await this.#busy;
    }
  }

  /** Refuses what forms or waits for a topic that is being deleted. */
  forget(target: AppendTarget, partitions: readonly FormingPartition[], error: unknown): void {
    const isOther = (waiting: Waiting): boolean => waiting.target !== target;
    for (const waiting of this.#waiting) if (!isOther(waiting)) this.#refuseWaiting(waiting, error);
    this.#waiting = this.#waiting.filter(isOther);
    this.#refuseForming(partitions, error);
    this.#listed = this.#listed.filter(({ isListed }) => isListed);
    this.#letIn();
  }

  /** Refuses everything from now on, waiting appends included. */
  fail(error: unknown): void {
    this.#failure ??= error;
    for (const waiting of this.#waiting) this.#refuseWaiting(waiting, error);
    this.#waiting = [];
    this.#refuseForming(this.#listed, error);
    this.#listed = [];
  }

  #refuseWaiting(waiting: Waiting, error: unknown): void {
    waiting.stopListening();
    this.#waitingBytes -= waiting.size;
    waiting.handle.refuse(error);
  }

  #refuseForming(partitions: readonly FormingPartition[], error: unknown): void {
    for (const partition of partitions) {
      for (let taken = partition.take(Infinity); taken !== undefined; taken = partition.take(Infinity)) {
        this.#formingBytes -= taken.formingBytes;
        taken.os?.reject(error);
        taken.disk?.reject(error);
      }
      partition.isListed = false;
    }
  }

  #add(partition: FormingPartition, record: RecordInput, size: number): void {
    this.#formingBytes += partition.add(record, record.timestamp ?? this.#clock.now(), size);
    if (!partition.isListed) {
      partition.isListed = true;
      this.#listed.push(partition);
    }
  }

  /**
   * Lets everything that is ready to append do so: until the event loop turns (or for lingerMs), but, where records
   * keep coming, no longer than the last commit took. A quick disk is then kept busy while the burst goes on; on a
   * slow one the whole burst shares one sync.
   */
  #gather(): void {
    if (this.#gathering === undefined) {
      const { lingerMs } = this.#settings;
      const handOver = (): void => this.#handOver();
      this.#gathering = lingerMs > 0 ? this.#clock.startTimer(lingerMs, handOver, true) : soon(handOver);
      this.#gatheringSinceMs = this.#clock.elapsedMs();
      this.#gathered = 0;
    } else if (++this.#gathered % recordsPerLook === 0 && this.#settings.lingerMs === 0) {
      if (this.#clock.elapsedMs() - this.#gatheringSinceMs > this.#lastCommitMs) this.#handOver();
    }
  }

  /** Gives the storage what has formed, unless it is busy. */
  #handOver(): void {
    this.#gathering?.cancel();
    this.#gathering = undefined;
    if (this.#busy !== undefined || this.#listed.length === 0) return;
    this.#atStorage = this.#takeGroup();
    this.#busy = this.#commit(this.#atStorage).catch((error: unknown) => {
      this.#busy = undefined;
      this.fail(error);
    });
  }

  /** The storage can take the next group. */
  #isFree(startedMs: number): void {
    this.#busy = undefined;
    this.#atStorage = [];
    this.#lastCommitMs = this.#clock.elapsedMs() - startedMs;
    if (this.#listed.length > 0) this.#gather();
  }

  #wait(target: AppendTarget, record: RecordInput, size: number, options: AppendOptions): Receipt {
    const partition = record.partition ?? -1;
    const { wait = true, signal } = options;
    if (!wait || this.#waitingBytes + size > this.#settings.waitingBytesMax) {
      const why = wait
        ? `${this.#waitingBytes} bytes wait already`
        : `${this.#formingBytes} bytes form already and the caller chose not to wait`;
      const message = `no room for another record: ${why}; await receipts before appending more`;
      return refusedReceipt(partition, new LogError("BACKPRESSURE", message));
    }
    if (signal?.aborted) return refusedReceipt(partition, signal.reason);
    const handle = new WaitingReceipt(partition);
    const abort = (): void => {
      this.#waiting = this.#waiting.filter((other) => other !== waiting);
      this.#waitingBytes -= size;
      handle.refuse(signal?.reason);
    };
    const stopListening = (): void => signal?.removeEventListener("abort", abort);
    const waiting = { target, record, level: options.durability, size, handle, stopListening };
    signal?.addEventListener("abort", abort, { once: true });
    this.#waiting.push(waiting);
    this.#waitingBytes += size;
    return handle.receipt;
  }

  #letIn(): void {
    let count = 0;
    for (const { target, record, level, size, handle, stopListening } of this.#waiting) {
      if (this.#formingBytes > 0 && this.#formingBytes + size > this.#settings.formingBytesMax) break;
      count++;
      this.#waitingBytes -= size;
      stopListening();
      const partition = target.choose(record);
      this.#add(partition, record, size);
      handle.follow(partition.receipt(level ?? partition.config.durability));
    }
    if (count === 0) return;
    this.#waiting = this.#waiting.slice(count);
    if (this.#busy === undefined) this.#gather();
  }

  #takeGroup(): TakenBatch[] {
    const group: TakenBatch[] = [];
    let left = this.#storage.manifest.groupBytesMax;
    let index = 0;
    for (; index < this.#listed.length; index++) {
      const partition = this.#listed[index] as FormingPartition;
      for (let taken = partition.take(left); taken !== undefined; taken = partition.take(left)) {
        group.push(taken);
        left -= taken.formingBytes;
      }
      if (!partition.isEmpty) break;
      partition.isListed = false;
    }
    // Who was cut off goes to the end of the line, so that one busy partition does not starve the others.
    this.#listed = this.#listed.slice(index);
    if (this.#listed.length > 1) this.#listed.push(this.#listed.shift() as FormingPartition);
    return group;
  }

  async #commit(taken: readonly TakenBatch[]): Promise<void> {
    const group: AppendGroup = {
      batches: taken.map(({ append }) => append),
      durability: taken.some(({ needs }) => needs === "disk") ? "disk" : "os",
    };
    const startedMs = this.#clock.elapsedMs();
    try {
      const { written, durable } = this.#storage.append(group);
      await written;
      this.#release(taken);
      for (const { os } of taken) os?.resolve();
      if (this.#settings.syncEveryMs > 0) this.#defer(durable, taken);
      else await durable;
      // Free first, acknowledged after: whoever wakes up and appends again joins a group that is forming already.
      this.#isFree(startedMs);
      if (this.#settings.syncEveryMs === 0) acknowledgeDurable(taken);
    } catch (error) {
      for (const { os, disk } of taken) {
        os?.reject(error);
        disk?.reject(error);
      }
      throw error;
    }
  }

  /** Syncs are rare by choice: go on writing while this one is awaited. */
  #defer(durable: Promise<void>, taken: readonly TakenBatch[]): void {
    const done = durable.then(
      () => acknowledgeDurable(taken),
      (error: unknown) => {
        for (const { disk } of taken) disk?.reject(error);
        this.fail(error);
      },
    );
    this.#deferred.add(done);
    void done.then(() => this.#deferred.delete(done));
  }

  #release(taken: readonly TakenBatch[]): void {
    for (const { formingBytes } of taken) this.#formingBytes -= formingBytes;
    if (this.#waiting.length > 0) this.#letIn();
  }
}

function soon(action: () => void): Timer {
  const immediate = setImmediate(action);
  return { cancel: () => clearImmediate(immediate) };
}

function acknowledgeDurable(taken: readonly TakenBatch[]): void {
  for (const { disk } of taken) disk?.resolve();
}

function tooLarge(size: number, { batchBytesMax }: AppendTarget): LogError {
  const message = `the record takes up to ${size} bytes, its topic allows ${batchBytesMax - batchHeaderBytes}: raise maxMessageBytes or split it`;
  return new LogError("RECORD_TOO_LARGE", message, { details: { size, max: batchBytesMax } });
}
