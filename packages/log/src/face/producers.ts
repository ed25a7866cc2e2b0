// Producers that number their batches, as Kafka's idempotent ones do, so that a batch that is sent again is not stored
// again. One partition's: who has written to it, and the last few batches of each. Sequences count records and go on
// from 0 after 2^31 − 1; a producer that is fenced and comes back has a higher epoch and begins at 0.
import { LogError } from "../errors.js";
import type { RecordBatch } from "../record/index.js";

/** As many as Kafka's clients have on their way at most. */
const batchesMax = 5;
/** Who has not written for longest is forgotten beyond this many; its next batch is taken whatever its sequence. */
const producersMax = 10_000;
const sequenceEnd = 2 ** 31;

interface Written {
  readonly baseSequence: number;
  readonly lastSequence: number;
  readonly baseOffset: number;
}

interface Producer {
  epoch: number;
  /** The oldest first. */
  readonly batches: Written[];
}

export class Producers {
  readonly #producers = new Map<number, Producer>();

  /** The offset at which the batch is already; undefined if it is new; why it must not be appended, if so. */
  find(batch: RecordBatch): number | LogError | undefined {
    const { producerId, producerEpoch, baseSequence } = batch;
    const producer = this.#producers.get(producerId);
    if (producer === undefined || baseSequence < 0) return undefined;
    if (producerEpoch < producer.epoch) return fenced(batch, producer.epoch);
    if (producerEpoch > producer.epoch) {
      if (baseSequence !== 0) return outOfOrder(batch, 0);
      return undefined;
    }
    const lastSequence = lastSequenceOf(batch);
    const same = producer.batches.find(
      (written) => written.baseSequence === baseSequence && written.lastSequence === lastSequence,
    );
    if (same !== undefined) return same.baseOffset;
    const expected = ((producer.batches.at(-1) as Written).lastSequence + 1) % sequenceEnd;
    if (baseSequence !== expected) return outOfOrder(batch, expected);
    return undefined;
  }

  /** The batch has got its offset. */
  add(batch: RecordBatch, baseOffset: number): void {
    const { producerId, producerEpoch, baseSequence } = batch;
    // Some of Kafka's clients number what they write from 0 without being a producer that could send again.
    if (producerId < 0 || baseSequence < 0) return;
    let producer = this.#producers.get(producerId);
    if (producer?.epoch !== producerEpoch) producer = { epoch: producerEpoch, batches: [] };
    producer.batches.push({ baseSequence, lastSequence: lastSequenceOf(batch), baseOffset });
    if (producer.batches.length > batchesMax) producer.batches.shift();
    // To the end of the map, where the latest are.
    this.#producers.delete(producerId);
    this.#producers.set(producerId, producer);
    if (this.#producers.size <= producersMax) return;
    const [oldest] = this.#producers.keys();
    this.#producers.delete(oldest as number);
  }
}

function lastSequenceOf({ baseSequence, recordCount }: RecordBatch): number {
  return (baseSequence + recordCount - 1) % sequenceEnd;
}

function fenced({ producerId, producerEpoch }: RecordBatch, epoch: number): LogError {
  const message = `producer ${producerId} writes with epoch ${producerEpoch}, but epoch ${epoch} has written since`;
  return new LogError("PRODUCER_FENCED", message, { details: { producerId, producerEpoch, epoch } });
}

function outOfOrder({ producerId, baseSequence }: RecordBatch, expected: number): LogError {
  const message = `producer ${producerId} sent sequence ${baseSequence} where ${expected} is next: a batch before it is missing`;
  return new LogError("OUT_OF_ORDER_SEQUENCE", message, { details: { producerId, baseSequence, expected } });
}
