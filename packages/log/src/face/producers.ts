// What one partition knows of producers that number their batches, as Kafka's idempotent ones do: who has written to it,
// the last few batches of each, and whose transactions are open or were aborted. So a batch that is sent again is not
// stored again, and readers can leave out what was not committed. All of it follows from the batches themselves;
// producer-snapshot.ts keeps it across restarts. Sequences count records and go on from 0 after 2^31 − 1; a producer
// that is fenced and comes back has a higher epoch and begins at 0.
import { LogError } from "../errors.js";
import { type EndMarker, type RecordBatch, readEndMarker } from "../record/index.js";
import { Watchers } from "../watchers.js";

/** As many as Kafka's clients have on their way at most. */
const batchesMax = 5;
/** Who has not written for longest is forgotten beyond this many; its next batch is taken whatever its sequence. */
const producersMax = 10_000;
/** And, as with Kafka, who has not written for a day. */
const idleMsMax = 24 * 60 * 60_000;
const sequenceEnd = 2 ** 31;

interface WrittenBatch {
  readonly baseSequence: number;
  readonly lastSequence: number;
  readonly baseOffset: number;
}

export interface ProducerState {
  readonly producerId: number;
  readonly epoch: number;
  /** When it wrote last, in milliseconds since 1970. */
  readonly at: number;
  /** The oldest first. None after a transaction that was ended with a new epoch. */
  readonly batches: readonly WrittenBatch[];
}

/** Records of a producer, from the first to the marker, that readers of what is committed do not see. */
export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
  /** Of the marker. */
  readonly lastOffset: number;
}

/** All that is known when everything before an offset has been taken into account. */
export interface ProducersState {
  readonly offset: number;
  readonly producers: readonly ProducerState[];
  readonly open: readonly (readonly [producerId: number, firstOffset: number])[];
  readonly aborted: readonly AbortedTransaction[];
}

/** What a marker ends, and what it changes. */
interface Ending {
  readonly producerId: number;
  /** Undefined where nothing was open. */
  readonly transaction: AbortedTransaction | undefined;
  readonly before: ProducerState | undefined;
}

export class Producers {
  readonly #producers = new Map<number, ProducerState>();
  /** First offset of the transaction that each producer has open: in order, since offsets grow. */
  readonly #open = new Map<number, number>();
  /** In order of their markers. */
  #aborted: AbortedTransaction[] = [];
  /** What markers end that readers do not see yet, by the marker's offset. */
  readonly #ending = new Map<number, Ending>();
  /** First offsets of transactions that are open to readers, in order. */
  readonly #unstable = new Set<number>();
  readonly #ended = new Watchers<void>();
  /** The end of the last marker that readers see. */
  #endedOffset = 0;

  constructor(state?: ProducersState) {
    if (state === undefined) return;
    for (const producer of state.producers) this.#producers.set(producer.producerId, producer);
    for (const [producerId, firstOffset] of state.open) this.#begin(producerId, firstOffset);
    this.#aborted = [...state.aborted];
  }

  /** The offset at which the batch is already; undefined if it is new; why it must not be appended, if so. */
  find(batch: RecordBatch): number | LogError | undefined {
    const { producerId, producerEpoch, baseSequence } = batch;
    const producer = this.#producers.get(producerId);
    if (producer === undefined || baseSequence < 0) return undefined;
    if (producerEpoch < producer.epoch) return fenced(batch, producer.epoch);
    if (producerEpoch > producer.epoch) return baseSequence === 0 ? undefined : outOfOrder(batch, 0);
    const lastSequence = lastSequenceOf(batch);
    const same = producer.batches.find(
      (written) => written.baseSequence === baseSequence && written.lastSequence === lastSequence,
    );
    if (same !== undefined) return same.baseOffset;
    const expected = ((producer.batches.at(-1)?.lastSequence ?? -1) + 1) % sequenceEnd;
    return baseSequence === expected ? undefined : outOfOrder(batch, expected);
  }

  /** The batch has got its offset. */
  add(batch: RecordBatch, baseOffset: number, at: number): void {
    const { producerId, producerEpoch: epoch, baseSequence, isTransactional } = batch;
    // Some of Kafka's clients number what they write from 0 without being a producer that could send again.
    if (producerId < 0 || baseSequence < 0) return;
    const known = this.#producers.get(producerId);
    const written = { baseSequence, lastSequence: lastSequenceOf(batch), baseOffset };
    const batches = known?.epoch === epoch ? [...known.batches.slice(1 - batchesMax), written] : [written];
    this.#put({ producerId, epoch, at, batches });
    if (isTransactional && !this.#open.has(producerId)) this.#begin(producerId, baseOffset);
  }

  /** A marker has got its offset: whatever the producer had open is over, for readers once they see the marker. */
  end({ producerId, producerEpoch: epoch, isCommit }: EndMarker, offset: number, at: number): void {
    const known = this.#producers.get(producerId);
    this.#put({ producerId, epoch, at, batches: known?.epoch === epoch ? known.batches : [] });
    const firstOffset = this.#open.get(producerId);
    const transaction =
      firstOffset === undefined ? undefined : { producerId, firstOffset, lastOffset: offset };
    this.#open.delete(producerId);
    this.#ending.set(offset, { producerId, transaction, before: known });
    if (transaction !== undefined && !isCommit) this.#aborted.push(transaction);
  }

  /** Readers see the marker at this offset. */
  ended(offset: number): void {
    const ending = this.#ending.get(offset);
    if (ending === undefined) return;
    this.#ending.delete(offset);
    this.#endedOffset = offset + 1;
    if (ending.transaction !== undefined) this.#unstable.delete(ending.transaction.firstOffset);
    this.#ended.notify(() => true);
  }

  /** All before it that was given a place is stored, as far as markers tell. */
  get endedOffset(): number {
    return this.#endedOffset;
  }

  /** What was given an offset is not stored after all: it must not be taken for stored when it is sent again. */
  refused(batch: RecordBatch): void {
    this.#producers.delete(batch.producerId);
    const ending = batch.isControl ? this.#ending.get(batch.baseOffset) : undefined;
    if (ending === undefined) return;
    // As if there had been no marker.
    const { producerId, transaction, before } = ending;
    this.#ending.delete(batch.baseOffset);
    if (before !== undefined) this.#put(before);
    if (transaction === undefined) return;
    this.#aborted = this.#aborted.filter((each) => each !== transaction);
    this.#open.set(producerId, transaction.firstOffset);
  }

  /** A batch that is stored already, from the log. */
  replay(batch: RecordBatch, at: number): void {
    const { baseOffset, isControl } = batch;
    const marker = isControl ? readEndMarker(batch) : undefined;
    if (!isControl) this.add(batch, baseOffset, at);
    else if (marker !== undefined) {
      this.end(marker, baseOffset, at);
      this.ended(baseOffset);
    }
  }

  /** Where the first transaction begins that readers do not know the end of; beyond it nothing is certain. */
  get firstUnstableOffset(): number {
    const [first] = this.#unstable;
    return first ?? Number.POSITIVE_INFINITY;
  }

  /** The topic is gone, or the log is closed: whoever waits shall look. */
  wake(): void {
    this.#ended.notify(() => true);
  }

  /** Settles when a transaction has ended. */
  whenEnded(signal?: AbortSignal): Promise<void> {
    return this.#ended.wait(undefined, signal);
  }

  /** All aborted transactions, as of now. */
  get allAborted(): readonly AbortedTransaction[] {
    return this.#aborted;
  }

  /**
   * The aborted transactions that have records from one offset to before another. `earlier`: as they were when a read
   * began that has ended now: it may have got what has been deleted meanwhile, and forgotten.
   */
  aborted(
    from: number,
    until: number,
    earlier: readonly AbortedTransaction[] = this.#aborted,
  ): AbortedTransaction[] {
    // In order: only the first are ever forgotten, and what is new comes last.
    const all = earlier === this.#aborted ? earlier : [...new Set([...earlier, ...this.#aborted])];
    const found: AbortedTransaction[] = [];
    // There may be very many, and few of them here.
    for (let index = firstEndingFrom(all, from); index < all.length; index++) {
      const transaction = all[index] as AbortedTransaction;
      if (transaction.firstOffset < until) found.push(transaction);
    }
    return found;
  }

  /**
   * All that is known of what is before an offset, whatever has been given a place beyond it; without those who have
   * been idle for too long.
   */
  state(offset: number, now: number): ProducersState {
    const ending = [...this.#ending].filter(([marker]) => marker >= offset).map(([, each]) => each);
    const before = new Map(ending.reverse().map((each) => [each.producerId, each.before]));
    const producers: ProducerState[] = [];
    for (const latest of this.#producers.values()) {
      const producer = before.has(latest.producerId) ? before.get(latest.producerId) : latest;
      if (producer === undefined) continue;
      if (producer.at <= now - idleMsMax && !this.#open.has(producer.producerId)) continue;
      const batches = producer.batches.filter(({ baseOffset }) => baseOffset < offset);
      // One whose batches are all beyond it has nothing that could be sent again.
      if (batches.length > 0 || producer.batches.length === 0) producers.push({ ...producer, batches });
    }
    const open = [...this.#open];
    for (const { producerId, transaction } of ending)
      if (transaction !== undefined) open.push([producerId, transaction.firstOffset]);
    return {
      offset,
      producers,
      open: open
        .filter(([, firstOffset]) => firstOffset < offset)
        .sort(([, left], [, right]) => left - right),
      aborted: this.#aborted.filter(({ lastOffset }) => lastOffset < offset),
    };
  }

  /** Nothing before the offset will be read any more. */
  forgetBefore(logStartOffset: number): void {
    const isRead = ({ lastOffset }: AbortedTransaction): boolean => lastOffset >= logStartOffset;
    if (!this.#aborted.every(isRead)) this.#aborted = this.#aborted.filter(isRead);
  }

  #begin(producerId: number, firstOffset: number): void {
    this.#open.set(producerId, firstOffset);
    this.#unstable.add(firstOffset);
  }

  #put(producer: ProducerState): void {
    // To the end of the map, where the latest are.
    this.#producers.delete(producer.producerId);
    this.#producers.set(producer.producerId, producer);
    if (this.#producers.size <= producersMax) return;
    const [oldest] = this.#producers.keys();
    this.#producers.delete(oldest as number);
  }
}

/** Where those begin, among some in order of their markers, that end at an offset or later. */
function firstEndingFrom(transactions: readonly AbortedTransaction[], offset: number): number {
  let low = 0;
  for (let high = transactions.length; low < high; ) {
    const middle = (low + high) >>> 1;
    if ((transactions[middle] as AbortedTransaction).lastOffset < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Tells by producer and offset whether a record belongs to one of them: a producer has one transaction at a time. */
export function abortedLookup(
  transactions: readonly AbortedTransaction[],
): (producerId: number, offset: number) => boolean {
  const byProducer = new Map<number, AbortedTransaction[]>();
  for (const transaction of transactions) {
    const known = byProducer.get(transaction.producerId);
    if (known === undefined) byProducer.set(transaction.producerId, [transaction]);
    else known.push(transaction);
  }
  return (producerId, offset) => {
    const its = byProducer.get(producerId);
    return its !== undefined && (its[firstEndingFrom(its, offset)]?.firstOffset ?? offset + 1) <= offset;
  };
}

function lastSequenceOf({ baseSequence, baseOffset, lastOffset }: RecordBatch): number {
  return (baseSequence + lastOffset - baseOffset) % sequenceEnd;
}

function fenced({ producerId, producerEpoch }: RecordBatch, epoch: number): LogError {
  const message = `producer ${producerId} writes with epoch ${producerEpoch}, but epoch ${epoch} has written since`;
  return new LogError("PRODUCER_FENCED", message, { details: { producerId, producerEpoch, epoch } });
}

function outOfOrder({ producerId, baseSequence }: RecordBatch, expected: number): LogError {
  const message = `producer ${producerId} sent sequence ${baseSequence} where ${expected} is next: a batch before it is missing`;
  return new LogError("OUT_OF_ORDER_SEQUENCE", message, { details: { producerId, baseSequence, expected } });
}
