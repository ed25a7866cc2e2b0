// Keeps what a partition knows of its producers across restarts: a snapshot in the metadata store now and then, and the
// batches after it, which are read again. A snapshot goes along with the batch that makes it due, in one group, so it
// never tells of a batch that is not stored. Losing one costs time; only what was deleted meanwhile is not found again.
import { LogError } from "../errors.js";
import { batchLengthAt, RecordBatch, readEndMarker } from "../record/index.js";
import { fields, listOf, parseShaped, type Shape, tuple, whole } from "../shapes.js";
import type { CompactionLimits, LogStorage, MetadataPut } from "../storage/contracts.js";
import { corruptEntry } from "./metadata-values.js";
import {
  type AbortedTransaction,
  abortedLookup,
  type ProducerState,
  Producers,
  type ProducersState,
} from "./producers.js";
import { putBytes } from "./taken-group.js";

/** With that many bytes of batches after the last snapshot, the next one is due: they are what opening reads. */
const dueBytes = 4 * 1024 * 1024;
/** A large snapshot is made more seldom: it shall not take more than an eighth of what is written. */
const dueShare = 8;
const readBytes = 1024 * 1024;

const producersPrefix = "producers/";

/** Of all partitions of a topic. */
export function producersPrefixOf(topicId: string): string {
  return `${producersPrefix}${topicId}/`;
}

export class ProducerLedger {
  readonly producers: Producers;
  readonly #key: string;
  /** Why nothing is known, if so: records could not be read. */
  readonly #damage: LogError | undefined;
  /** Before which the snapshot tells everything; undefined as long as there is none. */
  #snapshotOffset: number | undefined;
  #snapshotBytes = 0;
  #bytesSince = 0;
  /** The end of what has been taken into account. */
  #end = 0;
  /** The end of what was read from the log. */
  #replayedTo: number;

  /** `id`: the partition's. */
  constructor(id: string, state?: ProducersState, damage?: LogError) {
    this.producers = new Producers(state);
    this.#key = producersPrefix + id;
    this.#damage = damage;
    this.#snapshotOffset = state?.offset;
    this.#replayedTo = state?.offset ?? 0;
  }

  get isDamaged(): boolean {
    return this.#damage !== undefined;
  }

  /** Throws where nothing is known because records could not be read. */
  check(): void {
    if (this.#damage !== undefined) throw this.#damage;
  }

  /** See {@link Producers.find}. */
  find(batch: RecordBatch): number | LogError | undefined {
    return batch.producerId < 0 ? undefined : (this.#damage ?? this.producers.find(batch));
  }

  /** The batch has got its offset. Answers what goes along with it, if it is time for a snapshot. */
  add(batch: RecordBatch, baseOffset: number, now: number, bytesMax: number): MetadataPut | undefined {
    this.producers.add(batch, baseOffset, now);
    this.#noted(batch, baseOffset);
    const due = Math.max(dueBytes, this.#snapshotBytes * dueShare);
    if (this.#snapshotOffset !== undefined && this.#bytesSince < due) return undefined;
    return this.snapshot(this.#end, now, bytesMax);
  }

  /** The marker has got its offset. */
  end(marker: RecordBatch, baseOffset: number): void {
    const read = readEndMarker(marker);
    if (read !== undefined) this.producers.end(read, baseOffset, marker.maxTimestamp);
    this.#noted(marker, baseOffset);
  }

  /** A batch was not stored. */
  refused(batch: RecordBatch): void {
    this.producers.refused(batch);
    this.#snapshotOffset = undefined; // It may have gone along.
  }

  /** Whether the snapshot does not yet tell of all that is before an offset. */
  isBehind(offset: number): boolean {
    return (this.#snapshotOffset ?? 0) < Math.min(offset, this.#end) && this.#damage === undefined;
  }

  /**
   * All that is known of what is before an offset: no later than what is stored when this is. If it is too long, those who
   * have not written for longest are left out; undefined if even that is not enough.
   */
  snapshot(offset: number, now: number, bytesMax: number): MetadataPut | undefined {
    const { producers, open, aborted } = this.producers.state(offset, now);
    const rest = `"open":${JSON.stringify(open)},"aborted":${JSON.stringify(aborted.map(abortedJson))}}`;
    for (let kept = producers; ; kept = kept.slice(Math.ceil(kept.length / 2))) {
      const value = `{"offset":${offset},"producers":${JSON.stringify(kept.map(producerJson))},${rest}`;
      const put = { key: this.#key, value };
      // Also where it is too long: as much has to come again before the next try.
      this.#snapshotBytes = value.length;
      this.#bytesSince = 0;
      if (putBytes([put]) <= bytesMax) {
        this.#snapshotOffset = offset;
        return put;
      }
      if (kept.length === 0) return undefined;
    }
  }

  /** What is known of a partition that is opened; undefined if no producer has ever numbered its batches there. */
  static async load(storage: LogStorage, id: string, now: number): Promise<ProducerLedger | undefined> {
    const entry = await storage.metadata.get(producersPrefix + id);
    if (entry === undefined) return undefined;
    try {
      const state = readState(entry.key, entry.value);
      const { logStartOffset, logEndOffset, compaction } = await storage.describe(id);
      // Whatever it tells of what is not there does not count.
      const isBeyond = state.offset > logEndOffset;
      const ledger = new ProducerLedger(id, isBeyond ? new Producers(state).state(logEndOffset, now) : state);
      await ledger.replay(storage, id, now);
      // Their records are gone, and perhaps their markers.
      ledger.producers.forgetBefore(Math.max(logStartOffset, compaction?.end ?? 0));
      return ledger;
    } catch (error) {
      // What can be read can be read all the same.
      if (error instanceof LogError && error.code.startsWith("CORRUPT")) {
        return new ProducerLedger(id, undefined, error);
      }
      throw error;
    }
  }

  /** Takes into account what has become visible. */
  async replay(storage: LogStorage, id: string, now: number): Promise<void> {
    for (;;) {
      let from = this.#replayedTo;
      const { chunks } = await storage.read(id, from, readBytes);
      if (chunks.length === 0) return;
      for (const chunk of chunks) {
        for (let at = 0; at < chunk.length; at += batchLengthAt(chunk, at)) {
          const batch = new RecordBatch(chunk.subarray(at, at + batchLengthAt(chunk, at)));
          if (batch.baseOffset >= from && batch.producerId >= 0) {
            this.producers.replay(batch, now);
            this.#noted(batch, batch.baseOffset);
          }
          from = Math.max(from, batch.nextOffset);
        }
      }
      this.#replayedTo = from;
    }
  }

  #noted(batch: RecordBatch, baseOffset: number): void {
    this.#bytesSince += batch.bytes.length;
    this.#end = baseOffset + batch.nextOffset - batch.baseOffset;
  }
}

/** A partition, as far as its producers are concerned. */
interface NumberedPartition {
  readonly id: string;
  readonly nextOffset: number;
  readonly ledger: ProducerLedger | undefined;
  readonly config: { readonly metadataBytesMax: number };
}

/** What was known of producers only by the records that go is written down first. */
export async function deleteRecords(
  storage: LogStorage,
  partition: NumberedPartition,
  before: number,
  now: number,
): Promise<void> {
  const { id, ledger } = partition;
  await saveUpTo(storage, partition, before, now);
  await storage.deleteRecords(id, before);
  ledger?.producers.forgetBefore(before);
}

/** False if there is too much of it. */
async function saveUpTo(
  storage: LogStorage,
  { id, ledger, config }: NumberedPartition,
  offset: number,
  now: number,
): Promise<boolean> {
  if (ledger?.isBehind(offset) !== true) return true;
  const { highWatermark } = await storage.describe(id);
  // A transaction may have ended meanwhile: what is known of it is only known from beyond its marker on.
  const stored = Math.max(highWatermark, ledger.producers.endedOffset);
  const put = ledger.snapshot(stored, now, config.metadataBytesMax);
  if (put === undefined) return false;
  await storage.append({ batches: [], metadata: [put], durability: "disk" }).durable;
  return true;
}

/** What compaction has to know of a partition's transactions and producers. */
export type CompactionBounds = Pick<CompactionLimits, "until" | "isAborted" | "settled">;

/**
 * Up to where a partition may be compacted, and which records before that were aborted. Where nothing is known of
 * producers, the first batch of a transaction, a copy perhaps, is where compaction ends.
 */
export async function compactionBounds(
  storage: LogStorage,
  partition: NumberedPartition,
  now: number,
): Promise<CompactionBounds> {
  const { highWatermark, compaction } = await storage.describe(partition.id);
  const { ledger } = partition;
  if (ledger === undefined || ledger.isDamaged) return { until: highWatermark };
  const { producers } = ledger;
  // The compaction before this one has taken their records out.
  producers.forgetBefore(compaction?.end ?? 0);
  const until = Math.min(highWatermark, producers.firstUnstableOffset);
  return {
    until,
    isAborted: abortedLookup(producers.aborted(0, until)),
    settled: async () => {
      if (await saveUpTo(storage, partition, until, now)) return;
      const message = `${partition.id} has so many aborted transactions that they cannot be written down: it is not compacted`;
      throw new LogError("TRANSACTION_TOO_LARGE", message, { details: { partitionId: partition.id } });
    },
  };
}

/** The topic is gone, or the log is closed: whoever waits for the end of a transaction shall look. */
export function wakeReaders(partitions: readonly NumberedPartition[]): void {
  for (const { ledger } of partitions) ledger?.producers.wake();
}

/** Writes down what is known of producers and is not yet, where all that was appended is stored. */
export async function saveAll(
  storage: LogStorage,
  partitions: readonly NumberedPartition[],
  now: number,
): Promise<void> {
  await Promise.all(
    partitions.map(async ({ id, ledger, config }) => {
      if (ledger?.isBehind(Number.MAX_SAFE_INTEGER) !== true) return;
      // Not the next offset: what was refused has left a gap there, which is no gap after the next opening.
      const { logEndOffset } = await storage.describe(id);
      const put = ledger.snapshot(logEndOffset, now, config.metadataBytesMax);
      if (put !== undefined)
        await storage.append({ batches: [], metadata: [put], durability: "disk" }).durable;
    }),
  );
}

const count = whole();
const sequence = whole(0, 2 ** 31 - 1);
const stateShape: Shape = fields({
  offset: count,
  producers: listOf(
    tuple(
      count,
      whole(-1, 2 ** 15 - 1),
      whole(Number.MIN_SAFE_INTEGER),
      listOf(tuple(sequence, sequence, count)),
    ),
  ),
  open: listOf(tuple(count, count)),
  aborted: listOf(tuple(count, count, count)),
});

/** Numbers without names: there may be thousands of producers. */
interface StateJson {
  readonly offset: number;
  readonly producers: readonly (readonly [
    number,
    number,
    number,
    readonly (readonly [number, number, number])[],
  ])[];
  readonly open: readonly (readonly [number, number])[];
  readonly aborted: readonly (readonly [number, number, number])[];
}

function producerJson({ producerId, epoch, at, batches }: ProducerState): StateJson["producers"][number] {
  const written = batches.map(
    ({ baseSequence, lastSequence, baseOffset }) => [baseSequence, lastSequence, baseOffset] as const,
  );
  return [producerId, epoch, at, written];
}

function abortedJson({
  producerId,
  firstOffset,
  lastOffset,
}: AbortedTransaction): StateJson["aborted"][number] {
  return [producerId, firstOffset, lastOffset];
}

/** @throws LogError CORRUPT_METADATA */
function readState(key: string, value: string): ProducersState {
  const refuse = (what: string, cause?: unknown): LogError => corruptEntry(key, what, cause);
  const { offset, producers, open, aborted } = parseShaped<StateJson>(value, stateShape, refuse);
  return {
    offset,
    producers: producers.map(([producerId, epoch, at, batches]) => ({
      producerId,
      epoch,
      at,
      batches: batches.map(([baseSequence, lastSequence, baseOffset]) => ({
        baseSequence,
        lastSequence,
        baseOffset,
      })),
    })),
    open,
    aborted: aborted.map(([producerId, firstOffset, lastOffset]) => ({
      producerId,
      firstOffset,
      lastOffset,
    })),
  };
}
