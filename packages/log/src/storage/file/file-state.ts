// The file driver's state in memory: partitions and metadata. Live entries and replayed ones change it through the
// same functions. Applying an entry twice is harmless, so replay may start early.

import type { CheckpointState } from "../../checkpoint/index.js";
import { LogError } from "../../errors.js";
import type { WriterEpoch } from "../../journal/index.js";
import { type Offer, PartitionLog, type PartitionPlace, type TailBatch } from "../../partition/index.js";
import { batchField, RecordBatch } from "../../record/index.js";
import type { BatchAppend, Durability, MetadataEntry, PartitionDescription } from "../contracts.js";
import type { BatchEntry, ControlEntry } from "./entry.js";

export class FileState {
  readonly logId: string;
  readonly partitions: Map<string, PartitionLog> = new Map();
  readonly byNumber: Map<number, PartitionLog> = new Map();
  /** Those with something in their tail. */
  readonly dirty: Set<PartitionLog> = new Set();
  readonly metadata: Map<string, MetadataEntry> = new Map();
  /** Whose journal blocks count, oldest first. */
  writers: readonly WriterEpoch[];
  nextPartitionNumber: number;
  tailBytes = 0;
  /** Those with files that nobody needs any more; they go before the next checkpoint file is written. */
  readonly untidy: Set<PartitionLog> = new Set();
  /** Those with something that the next checkpoint file is to say for the first time. */
  readonly offering: Set<PartitionLog> = new Set();
  /** Deleted ones whose directory another partition of their name has by now, and looks after what it finds there. */
  readonly #succeeded = new WeakSet<PartitionLog>();
  #tidying: Promise<void> = Promise.resolve();
  readonly #place: PartitionPlace;

  constructor(place: PartitionPlace, checkpoint: CheckpointState) {
    this.#place = place;
    this.logId = checkpoint.logId;
    this.writers = checkpoint.writers;
    this.nextPartitionNumber = checkpoint.nextPartitionNumber;
    for (const entry of checkpoint.metadata) this.metadata.set(entry.key, entry);
    const known = new Map<string, unknown>();
    for (const state of checkpoint.partitions) {
      const { segmentBytes, segmentMs } = state.config;
      const config = shared(known, `config ${segmentBytes} ${segmentMs}`, state.config);
      const leaderEpochs = shared(known, `epochs ${state.leaderEpochs}`, state.leaderEpochs);
      this.#add(new PartitionLog(place, { ...state, config, leaderEpochs }));
    }
  }

  /** What the checkpoint file shall say when the journal is needed from block `journalStart` on. */
  checkpoint(journalStart: number): CheckpointState {
    // A writer whose every block comes before the start is of no more interest.
    const { writers } = this;
    const isNeeded = (index: number): boolean =>
      (writers[index + 1]?.start ?? Number.POSITIVE_INFINITY) > journalStart;
    this.writers = writers.filter((_, index) => isNeeded(index));
    return {
      logId: this.logId,
      writers: this.writers,
      journalStart,
      nextPartitionNumber: this.nextPartitionNumber,
      metadata: [...this.metadata.values()],
      partitions: [...this.partitions.values()].map((partition) => partition.state),
    };
  }

  /** What {@link checkpoint} says, at this moment, that is not so yet. */
  offers(): (readonly [PartitionLog, Offer])[] {
    return [...this.offering].flatMap((partition) => {
      const { offered, deleted } = partition;
      if (offered !== undefined && !deleted) return [[partition, offered] as const];
      this.offering.delete(partition);
      return [];
    });
  }

  /** The checkpoint file says it. */
  adopt(offers: readonly (readonly [PartitionLog, Offer])[]): void {
    for (const [partition, offer] of offers) {
      this.offering.delete(partition);
      if (partition.deleted) continue;
      partition.adopt(offer);
      if (partition.leftovers === "certain") this.untidy.add(partition);
    }
  }

  partition(id: string): PartitionLog {
    const partition = this.partitions.get(id);
    if (partition === undefined)
      throw new LogError("PARTITION_NOT_FOUND", `there is no partition ${id}`, {
        details: { partitionId: id },
      });
    return partition;
  }

  async describe(id: string, from?: number): Promise<PartitionDescription> {
    const partition = this.partition(id);
    const bytesFrom = from === undefined ? undefined : await partition.bytesFrom(from);
    const described = partition.describe();
    return { ...described, bytesFrom: bytesFrom ?? described.tailBytes + described.segmentBytes };
  }

  push(partition: PartitionLog, batch: TailBatch, epoch: number): void {
    partition.push(batch, epoch);
    this.dirty.add(partition);
    this.tailBytes += batch.bytes.length;
  }

  /** Bytes left a partition's tail: they are in segments, or deleted. */
  released(partition: PartitionLog, bytes: number): void {
    if (partition.leftovers === "certain") this.untidy.add(partition);
    if (partition.deleted) return; // Its bytes went with it.
    this.tailBytes -= bytes;
    if (partition.tail.count === 0) this.dirty.delete(partition);
  }

  apply(entry: ControlEntry): void {
    switch (entry.type) {
      case "createPartitions":
        for (const { number, ...name } of entry.partitions) {
          const known = this.partitions.get(name.id);
          if (known !== undefined) known.config = entry.config;
          else if (number >= this.nextPartitionNumber) this.#create(number, name, entry.config);
          // Otherwise it was deleted later on, and the checkpoint knows it.
        }
        return;
      case "deletePartitions":
        for (const number of entry.numbers) this.#delete(number);
        return;
      case "deleteRecords": {
        const partition = this.byNumber.get(entry.number);
        if (partition === undefined) return;
        if (entry.before > partition.logEndOffset) {
          const message = `the journal deletes records before ${entry.before} of ${partition.directory}, which ends at ${partition.logEndOffset}`;
          throw new LogError("CORRUPT_JOURNAL", message);
        }
        this.released(partition, partition.startAt(entry.before));
        return;
      }
      case "metadata":
        if (entry.value === null) this.metadata.delete(entry.key);
        else this.metadata.set(entry.key, { key: entry.key, value: entry.value, version: entry.version });
        return;
      default:
        throw new LogError(
          "UNSUPPORTED_VERSION",
          "the journal holds an entry that this version does not know",
        );
    }
  }

  /** Puts a batch from the journal back into the tail, unless it is in a segment already. */
  replay(entry: BatchEntry, sequence: number): void {
    const partition = this.byNumber.get(entry.number);
    if (partition === undefined) return; // Deleted later, and the checkpoint knows it.
    const batch = new RecordBatch(entry.bytes).verify();
    if (batch.nextOffset <= partition.batchEnd) return;
    if (entry.previousEnd > partition.logEndOffset || batch.baseOffset < partition.batchEnd) {
      throw new LogError(
        "CORRUPT_JOURNAL",
        `journal block ${sequence} continues ${partition.directory} at offset ${entry.previousEnd}, which ends at ${partition.batchEnd}`,
      );
    }
    const tailBatch = describeBatch(entry.bytes, "memory");
    tailBatch.reached = "disk";
    tailBatch.sequence = sequence;
    this.push(partition, tailBatch, batch.partitionLeaderEpoch);
    partition.advance();
    this.released(partition, partition.tail.dropBefore(partition.logStartOffset));
  }

  /** Removes the files that nobody needs, but of partitions that a checkpoint is writing to: they come later. */
  tidy(): Promise<void> {
    const turn = this.#tidying.then(async () => {
      const tidied: PartitionLog[] = [];
      try {
        for (const partition of this.untidy) {
          if (partition.isBusy) continue;
          // Off the list first: what is deleted meanwhile puts it back.
          this.untidy.delete(partition);
          if (this.#succeeded.has(partition)) continue;
          tidied.push(partition);
          await partition.tidy();
        }
        for (const partition of tidied) if (partition.leftovers === "certain") this.untidy.add(partition);
        // Durable before the checkpoint file forgets the partition, or its directory could come back.
        if (tidied.some(({ deleted }) => deleted))
          await this.#place.fs.syncDirectory(this.#place.topicsDirectory);
      } catch (error) {
        for (const partition of tidied) this.untidy.add(partition);
        throw error;
      }
    });
    this.#tidying = turn.catch(() => undefined);
    return turn;
  }

  #create(number: number, name: PartitionLog["name"], config: PartitionLog["config"]): void {
    this.#add(
      new PartitionLog(this.#place, {
        name,
        number,
        config,
        logStartOffset: 0,
        recoveryPoint: 0,
        segments: [],
        leaderEpochs: [],
      }),
    );
    this.nextPartitionNumber = number + 1;
    for (const other of this.untidy)
      if (other.deleted && other.name.topic === name.topic && other.name.partition === name.partition)
        this.#succeeded.add(other);
  }

  #add(partition: PartitionLog): void {
    if (partition.leftovers === "certain") this.untidy.add(partition);
    this.partitions.set(partition.name.id, partition);
    this.byNumber.set(partition.number, partition);
  }

  #delete(number: number): void {
    const partition = this.byNumber.get(number);
    if (partition === undefined) return;
    this.byNumber.delete(number);
    this.partitions.delete(partition.name.id);
    this.dirty.delete(partition);
    this.tailBytes -= partition.tail.bytes;
    partition.end();
    this.untidy.add(partition);
  }
}

/** One object for all that say the same: the partitions of very many topics hardly ever differ. */
function shared<T>(known: Map<string, unknown>, key: string, value: T): T {
  const first = known.get(key);
  if (first !== undefined) return first as T;
  known.set(key, value);
  return value;
}

/** A batch as the tail keeps it. */
export function describeBatch(bytes: Buffer, visibleAt: Durability): TailBatch {
  const { baseOffset, nextOffset, maxTimestamp } = new RecordBatch(bytes);
  return { bytes, baseOffset, nextOffset, maxTimestamp, visibleAt, reached: "memory", sequence: -1 };
}

/** Only what readers see can be deleted. */
export function refuseBeyond({ name, highWatermark: end }: PartitionLog, before: number): void {
  if (before <= end) return;
  const message = `cannot delete records before ${before} of ${name.id}: the partition ends at ${end}`;
  throw new LogError("OFFSET_OUT_OF_RANGE", message, { details: { before, end } });
}

/** An offset is never given twice: a batch begins at its partition's end or beyond. */
export function refusePast(partitions: readonly PartitionLog[], batches: readonly BatchAppend[]): void {
  try {
    for (let index = 0; index < batches.length; index++) {
      const { bytes, baseOffset } = batches[index] as BatchAppend;
      const partition = partitions[index] as PartitionLog;
      const end = partition.claimedEnd < 0 ? partition.logEndOffset : partition.claimedEnd;
      if (baseOffset < end) {
        const message = `cannot append at ${baseOffset} to ${partition.name.id}, which ends at ${end}`;
        throw new LogError("OFFSET_OUT_OF_RANGE", message, { details: { baseOffset, end } });
      }
      partition.claimedEnd = baseOffset + bytes.readInt32BE(batchField.lastOffsetDelta) + 1;
    }
  } finally {
    for (const partition of partitions) partition.claimedEnd = -1;
  }
}
