// From single appends to groups. While the storage is busy with one group, the next one forms here; it is handed over
// the moment the storage is done. It bounds the memory of what forms: beyond the budget appends wait in line, and when
// the line is full they fail. Called by topics; owns the only loop that appends records to the storage.
import { type Clock, soon, type Timer } from "../clock.js";
import { LogError } from "../errors.js";
import { recordSizeMax, type SealedBatch } from "../record/index.js";
import type { Durability, LogStorage } from "../storage/contracts.js";
import { isRefusal, offsetTaken, repeatRefused, tooLarge } from "./append-checks.js";
import type { AppendBatchOptions, AppenderSettings, AppendOptions } from "./append-options.js";
import type { FormingPartition, RecordInput } from "./forming.js";
import type { PlacedTransaction } from "./placed-transaction.js";
import { type AppendResult, type Receipt, receiptOf, refusedReceipt, WaitingReceipt } from "./receipt.js";
import { refuseBatches, type TakenBatch, TakenGroup } from "./taken-group.js";
import { WaitingLine } from "./waiting-line.js";

/** A topic, as far as appending is concerned. */
export interface AppendTarget {
  readonly batchBytesMax: number;
  /** Picks the partition when the record is let in. */
  choose(record: RecordInput): FormingPartition;
}

// So much makes a group of its own at once: the disk has something to do while those who are told now append again.
const readyBytes = 1024 * 1024;
// Beyond this a larger group gains nothing: the next one forms, and is sealed, while this one is written.
const groupBytesEnough = 4 * 1024 * 1024;
const recordsPerLook = 256; // How many may join a group between two looks at the clock.

/** A transaction that has no place yet. */
export interface UnplacedTransaction {
  readonly bytes: number;
  readonly metadataBytes: number;
  readonly partitions: Iterable<FormingPartition>;
  concerns(target: AppendTarget): boolean;
  place(now: number): PlacedTransaction;
}

export class Appender {
  readonly #storage: LogStorage;
  readonly #clock: Clock;
  readonly #settings: AppenderSettings;
  #listed: FormingPartition[] = [];
  #formingBytes = 0;
  readonly #line: WaitingLine<AppendTarget>;
  /** The group that the storage has, and when it is done with it. */
  #atStorage: readonly TakenBatch[] = [];
  #busy: Promise<void> | undefined;
  /** Of that group: see {@link AppendOutcome.stuck}. */
  #stuck: Promise<void> | undefined;
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
    this.#line = new WaitingLine(settings.waitingBytesMax);
  }

  get formingBytes(): number {
    return this.#formingBytes;
  }
  get waitingBytes(): number {
    return this.#line.bytes;
  }

  append(target: AppendTarget, record: RecordInput, options: AppendOptions): Receipt {
    if (this.#failure !== undefined) return refusedReceipt(record.partition ?? -1, this.#failure);
    const size = recordSizeMax(record.key ?? null, record.value, record.headers);
    const excess = tooLarge(size, target);
    if (excess !== undefined) return refusedReceipt(record.partition ?? -1, excess);
    if (!this.#line.isEmpty || !this.#hasRoom(size)) {
      const kept =
        record.headers === undefined ? { ...record } : { ...record, headers: { ...record.headers } };
      const place = (): Receipt => this.#place(target, kept, size, options);
      return this.#wait(target, record.partition ?? -1, size, options, place);
    }
    const receipt = this.#place(target, record, size, options);
    if (this.#busy === undefined) this.#gather();
    return receipt;
  }

  /** A whole batch, for a partition of the target. */
  appendBatch(
    target: AppendTarget,
    partition: FormingPartition,
    batch: SealedBatch,
    options: AppendBatchOptions,
  ): Receipt {
    const { size } = batch;
    if (this.#failure !== undefined) return refusedReceipt(partition.partition, this.#failure);
    const place = (): Receipt => {
      const level = options.durability ?? partition.config.durability;
      const known = options.idempotent === true ? partition.findBatch(batch) : undefined;
      if (known instanceof LogError) return refusedReceipt(partition.partition, known);
      const isStored = (): boolean => partition.findBatch(batch) === known;
      if (known !== undefined) return this.#duplicate(partition, known, level, isStored);
      this.#formingBytes += size;
      this.#list(partition);
      return partition.addBatch(batch, level, options.idempotent === true, this.#clock.now());
    };
    if (!this.#line.isEmpty || !this.#hasRoom(size)) {
      return this.#wait(target, partition.partition, size, options, place);
    }
    const receipt = place();
    if (this.#busy === undefined) this.#gather();
    return receipt;
  }

  /** Gives a transaction its offsets, as soon as there is room for it. */
  async transact(transaction: UnplacedTransaction, options: AppendOptions): Promise<PlacedTransaction> {
    if (this.#failure !== undefined) throw this.#failure;
    const size = transaction.bytes + transaction.metadataBytes;
    const { groupBytesMax } = this.#storage.manifest;
    if (size > groupBytesMax) {
      const message = `the transaction takes ${size} bytes, one write of this log may take ${groupBytesMax}: split it, or raise journalFileBytes`;
      throw new LogError("TRANSACTION_TOO_LARGE", message, { details: { size, max: groupBytesMax } });
    }
    if (this.#line.isEmpty && this.#hasRoom(size)) return this.#placeTransaction(transaction);
    return new Promise((resolve, reject) => {
      const refusal = this.#line.join(
        {
          size,
          concerns: (target) => transaction.concerns(target),
          admit: () => resolve(this.#placeTransaction(transaction)),
          refuse: reject,
        },
        options,
      );
      if (refusal !== undefined) reject(refusal);
    });
  }

  /** Settles when the storage has everything that was appended, waiting appends included. */
  async flush(): Promise<void> {
    const { last } = this.#line;
    while (this.#failure === undefined && last !== undefined && this.#line.includes(last)) {
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
    // Some of it may be in the group that was handed over last.
    await this.#busy;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Settles when all of it has reached its level. */
  async drain(): Promise<void> {
    await this.flush();
    await Promise.allSettled(this.#deferred);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Settles when the storage has what forms in the partition now, or cannot take it for now. */
  async handOver(partition: FormingPartition): Promise<void> {
    const isUnderway = (): boolean =>
      this.#atStorage.some(({ append }) => append.partitionId === partition.id);
    let isStuck = false;
    while (this.#failure === undefined && !isStuck && (!partition.isEmpty || isUnderway())) {
      this.#handOver();
      const stuck = this.#stuck?.then(() => {
        isStuck = true;
      });
      await (stuck === undefined ? this.#busy : Promise.race([this.#busy, stuck]));
    }
  }

  /** Refuses what forms or waits for a topic that is being deleted. */
  forget(target: AppendTarget, partitions: readonly FormingPartition[], error: unknown): void {
    this.#line.forget(target, error);
    this.#refuseForming(partitions, error);
    this.#listed = this.#listed.filter(({ isListed }) => isListed);
    this.#letIn();
  }

  /** Refuses everything from now on, waiting appends included. */
  fail(error: unknown): void {
    this.#failure ??= error;
    this.#line.refuseAll(error);
    this.#refuseForming(this.#listed, error);
    this.#listed = [];
  }

  #refuseForming(partitions: readonly FormingPartition[], error: unknown): void {
    for (const partition of partitions) {
      // All or nothing: what a transaction has elsewhere goes too.
      for (const transaction of partition.transactions) this.#formingBytes -= transaction.refuse(error);
      for (const taken of partition.drop()) {
        this.#formingBytes -= taken.formingBytes;
        taken.os?.reject(error);
        taken.disk?.reject(error);
      }
      partition.isListed = false;
    }
  }

  #hasRoom(size: number): boolean {
    return this.#formingBytes === 0 || this.#formingBytes + size <= this.#settings.formingBytesMax;
  }

  #place(target: AppendTarget, record: RecordInput, size: number, options: AppendOptions): Receipt {
    const partition = target.choose(record);
    const { offset } = options;
    const level = options.durability ?? partition.config.durability;
    if (offset !== undefined) {
      const end = partition.nextOffset;
      if (offset === partition.lastOffset) return this.#duplicate(partition, offset, level);
      if (offset < end) return refusedReceipt(partition.partition, offsetTaken(offset, end));
      partition.skipTo(offset);
    }
    this.#add(partition, record, size);
    return partition.receipt(level);
  }

  /** What is there already may still be on its way, and be refused there. */
  #duplicate(
    { partition }: FormingPartition,
    offset: number,
    durability: Durability,
    isStored: () => boolean = () => true,
  ): Receipt {
    const settled = async (): Promise<AppendResult> => {
      await this.drain();
      if (!isStored()) throw repeatRefused(offset);
      if (durability === "disk") await this.#storage.append({ batches: [], durability, force: true }).durable;
      return { partition, offset, durability, bytes: 0, duplicate: true };
    };
    return receiptOf(settled(), partition, offset);
  }

  #placeTransaction(transaction: UnplacedTransaction): PlacedTransaction {
    const placed = transaction.place(this.#clock.now());
    this.#formingBytes += placed.bytes;
    for (const partition of transaction.partitions) this.#list(partition);
    if (this.#busy === undefined) this.#gather();
    return placed;
  }

  #add(partition: FormingPartition, record: RecordInput, size: number): void {
    this.#formingBytes += partition.add(record, this.#clock.now(), size);
    this.#list(partition);
  }

  #list(partition: FormingPartition): void {
    if (partition.isListed) return;
    partition.isListed = true;
    this.#listed.push(partition);
  }

  /**
   * Lets everything that is ready to append do so: until the event loop turns (or for lingerMs), but, where records
   * keep coming, no longer than the last commit took. A quick disk is then kept busy while the burst goes on; on a
   * slow one the whole burst shares one sync.
   */
  #gather(): void {
    const { lingerMs } = this.#settings;
    if (this.#gathering === undefined) {
      const handOver = (): void => this.#handOver();
      this.#gathering = lingerMs > 0 ? this.#clock.startTimer(lingerMs, handOver, true) : soon(handOver);
      this.#gatheringSinceMs = this.#clock.elapsedMs();
      this.#gathered = 0;
    } else if (++this.#gathered % recordsPerLook === 0 && lingerMs === 0) {
      if (this.#clock.elapsedMs() - this.#gatheringSinceMs > this.#lastCommitMs) this.#handOver();
    }
  }

  /** Gives the storage what has formed, unless it is busy. */
  #handOver(): void {
    this.#gathering?.cancel();
    this.#gathering = undefined;
    if (this.#busy !== undefined || this.#listed.length === 0) return;
    const group = this.#takeGroup();
    this.#atStorage = group.batches;
    this.#busy = this.#commit(group).catch((error: unknown) => {
      this.#busy = undefined;
      this.fail(error);
    });
  }

  /** The storage can take the next group. */
  #isFree(startedMs: number): void {
    this.#busy = undefined;
    this.#stuck = undefined;
    this.#atStorage = [];
    this.#lastCommitMs = this.#clock.elapsedMs() - startedMs;
    if (this.#settings.lingerMs === 0 && this.#formingBytes >= readyBytes) this.#handOver();
    else if (this.#listed.length > 0) this.#gather();
  }

  #wait(
    target: AppendTarget,
    partition: number,
    size: number,
    options: AppendOptions,
    place: () => Receipt,
  ): Receipt {
    const handle = new WaitingReceipt(partition);
    const refusal = this.#line.join(
      {
        size,
        concerns: (other) => other === target,
        admit: () => handle.follow(place()),
        refuse: (error) => handle.refuse(error),
      },
      options,
    );
    return refusal === undefined ? handle.receipt : refusedReceipt(partition, refusal);
  }

  #letIn(): void {
    const count = this.#line.letIn((size) => this.#hasRoom(size));
    if (count > 0 && this.#busy === undefined) this.#gather();
  }

  #takeGroup(): TakenGroup {
    const group = new TakenGroup(this.#storage.manifest.groupBytesMax, groupBytesEnough);
    // What is taken from one partition may make it the turn of a transaction in another.
    for (let before = -1; before < group.batches.length && !group.isFull; ) {
      before = group.batches.length;
      for (const partition of this.#listed) {
        partition.takeInto(group);
        if (group.isFull) break;
      }
      if (!this.#listed.some(({ headTransaction }) => headTransaction !== undefined)) break;
    }
    for (const partition of this.#listed) partition.isListed = !partition.isEmpty;
    this.#listed = this.#listed.filter(({ isListed }) => isListed);
    // Who was cut off goes to the end of the line, so that one busy partition does not starve the others.
    if (this.#listed.length > 1) this.#listed.push(this.#listed.shift() as FormingPartition);
    return group;
  }

  async #commit(taken: TakenGroup): Promise<void> {
    const startedMs = this.#clock.elapsedMs();
    try {
      const { durable } = await this.#write(taken);
      this.#release(taken.batches);
      taken.acknowledgeWritten();
      if (this.#settings.syncEveryMs > 0) this.#defer(durable, taken);
      else await durable;
      // Free first, acknowledged after: whoever wakes up and appends again joins a group that is forming already.
      this.#isFree(startedMs);
      if (this.#settings.syncEveryMs === 0) taken.acknowledgeDurable();
    } catch (error) {
      taken.refuse(error);
      if (!isRefusal(error)) throw error;
      // The storage wants none of it, and has taken none. Others are not concerned.
      this.#release(taken.batches);
      this.#isFree(startedMs);
    }
  }

  /** Settles when the group is written, and answers the promise of its durability. */
  async #write(taken: TakenGroup): Promise<{ readonly durable: Promise<void> }> {
    for (;;) {
      try {
        const { written, durable, stuck } = this.#storage.append(taken.toAppend());
        this.#stuck = stuck;
        await written;
        return { durable };
      } catch (error) {
        // A topic was deleted while the group waited for room: what belongs to it goes, all the rest is tried again.
        const { code, details } = error as LogError;
        const out = code === "PARTITION_NOT_FOUND" ? taken.without(String(details["partitionId"])) : [];
        if (out.length === 0) throw error;
        this.#release(out);
        refuseBatches(out, error);
      }
    }
  }

  /** Syncs are rare by choice: go on writing while this one is awaited. */
  #defer(durable: Promise<void>, taken: TakenGroup): void {
    const done = durable.then(
      () => taken.acknowledgeDurable(),
      (error: unknown) => {
        taken.refuse(error);
        this.fail(error);
      },
    );
    this.#deferred.add(done);
    void done.then(() => this.#deferred.delete(done));
  }

  #release(taken: readonly TakenBatch[]): void {
    for (const { formingBytes } of taken) this.#formingBytes -= formingBytes;
    if (!this.#line.isEmpty) this.#letIn();
  }
}
