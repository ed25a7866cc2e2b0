// Calls of Kafka's producers: batches that they have numbered, sent once or again, and the ends of their transactions.
import type { AppendResult, Clock, Durability, Log } from "@strandlog/log";
import { BatchBuilder } from "@strandlog/log/storage";
import type { Random } from "@strandlog/log/testing";
import { crc32c } from "../crc32c.js";
import { type AppendCalls, tombstones, topicOf } from "./append-calls.js";
import type { FollowedCalls } from "./followed.js";
import {
  type Entry,
  expectedIn,
  fail,
  type GroupModel,
  levels,
  modelOf,
  type ProducedTransaction,
  type ProducerModel,
  type SentBatch,
  startMaxOf,
  type TopicModel,
  type TransactionEndModel,
} from "./models.js";
import type { Oracle } from "./oracle.js";
import { markerKey, newProducer, placeOfBatch, settleEnd, stateKey } from "./producers.js";

const producersMax = 3;
// As many as the log remembers of each producer.
const underwayMax = 5;
const valueBytesMax = 600;
const levelsAsked: readonly (Durability | undefined)[] = [undefined, undefined, "disk", "os", "memory"];

export class ProducerCalls {
  readonly #oracle: Oracle;
  readonly #calls: FollowedCalls;
  readonly #appends: AppendCalls;
  readonly #clock: Clock;
  #ends = 0;

  constructor(oracle: Oracle, calls: FollowedCalls, appends: AppendCalls, clock: Clock) {
    this.#clock = clock;
    this.#oracle = oracle;
    this.#calls = calls;
    this.#appends = appends;
  }

  /** A batch that is new, or one of the last that are not. */
  produce(model: TopicModel, random: Random): void {
    const producer = this.#producer(random);
    const partition = random.below(model.config.partitions);
    if (producer.isEnding) return;
    const isQuiet = producer.transaction === undefined && producer.sent.every(isSettled);
    if (random.chance(0.04) && isQuiet) {
      producer.epoch++;
      producer.sent = [];
    }
    const sent = producer.sent.filter((batch) => batch.model === model && batch.partition === partition);
    const durability = random.pick(levelsAsked);
    if (sent.length > 0 && random.chance(0.3))
      this.#sendAgain(random.pick(sent.slice(-underwayMax)), durability);
    else if (sent.slice(0, 1 - underwayMax).every(isSettled))
      this.#send(producer, model, partition, durability, random);
  }

  #producer(random: Random): ProducerModel {
    const number = random.below(producersMax);
    const { producers } = this.#oracle;
    while (producers.length <= number)
      producers.push(newProducer(1000 + producers.length, producers.length > 0));
    return producers[number] as ProducerModel;
  }

  #send(
    producer: ProducerModel,
    model: TopicModel,
    partition: number,
    durability: Durability | undefined,
    random: Random,
  ): void {
    const transaction = this.#transactionOf(producer, model, partition);
    const last = producer.sent.findLast((batch) => batch.model === model && batch.partition === partition);
    const sequence = last === undefined ? 0 : last.sequence + last.count;
    const level = durability ?? model.config.durability;
    const entries: Entry[] = [];
    for (let count = random.pick([1, 1, 2, 4]); count > 0; count--)
      entries.push(this.#appends.newEntry(model, random, { tombstones, bytesMax: valueBytesMax }));
    const bytes = batchOf(producer, sequence, entries);
    const count = entries.length;
    const batch: SentBatch = {
      model,
      partition,
      sequence,
      count,
      bytes,
      transaction,
      entries: [],
      underway: 1,
    };
    const receipt = topicOf(model).appendBatch(partition, Buffer.from(bytes), optionsOf(durability));
    batch.receipt = receipt;
    batch.entries = entries.map((entry, index) => ({ ...entry, level, receipt, index, batch }));
    model.entries.push(...batch.entries);
    model.hasProducers = true;
    producer.sent.push(batch);
    transaction?.batches.push(batch);
    const done = receipt
      .then((result) => this.#acknowledged(batch, result))
      .finally(() => {
        batch.underway--;
      });
    this.#calls.follow(`produce ${producer.id}/${sequence} to ${model.name}`, done, { models: [model] });
  }

  #acknowledged(batch: SentBatch, result: AppendResult): void {
    const { model, entries } = batch;
    if (result.duplicate === true)
      fail("I1", model, result, `sequence ${batch.sequence} is said to be there already`);
    for (const [index, entry] of entries.entries())
      this.#oracle.acknowledged(model, entry, { ...result, offset: result.offset + index });
    batch.place = { partition: result.partition, offset: result.offset };
  }

  #sendAgain(batch: SentBatch, durability: Durability | undefined): void {
    const { model, partition, sequence } = batch;
    const receipt = topicOf(model).appendBatch(partition, Buffer.from(batch.bytes), optionsOf(durability));
    batch.underway++;
    const compared = receipt.then((result) => {
      const place = placeOfBatch(batch);
      if (result.duplicate !== true || result.offset !== place?.offset)
        fail("I2", model, result, `sequence ${sequence} is at ${place?.offset}, and was taken in again`);
      for (const [index, entry] of batch.entries.entries()) {
        if (entry.acknowledged && levels[entry.level] >= levels[result.durability]) continue;
        entry.level = result.durability;
        entry.place = { partition, offset: result.offset + index };
        entry.acknowledged = true;
      }
    });
    const done = compared.catch(unlessDeleted(model)).finally(() => {
      batch.underway--;
    });
    this.#calls.follow(`produce ${sequence} to ${model.name} again`, done, { models: [model] });
  }

  #transactionOf(
    producer: ProducerModel,
    model: TopicModel,
    partition: number,
  ): ProducedTransaction | undefined {
    if (!producer.isTransactional) return undefined;
    producer.transaction ??= { producer, batches: [], parts: [], end: undefined };
    const { parts } = producer.transaction;
    if (!parts.some((part) => part.model === model && part.partition === partition))
      parts.push({ model, partition });
    return producer.transaction;
  }

  /** Of one of those that have something open and are told of all that they have sent. */
  endTransaction(log: Log, random: Random): void {
    const producer = random.pick([...this.#oracle.producers, undefined]);
    const transaction = producer?.transaction;
    if (producer === undefined || transaction === undefined || producer.isEnding) return;
    if (!producer.sent.every(isSettled)) return;
    // A topic that is being deleted may be there after a crash, and then without its end.
    if (transaction.parts.some(({ model }) => model.state === "deleting")) return;
    const parts = transaction.parts.filter(
      ({ model }) => model.state === "alive" && model.topic !== undefined,
    );
    const isCommit = random.chance(0.6);
    const epoch = producer.epoch + (random.chance(0.3) ? 1 : 0);
    const end: TransactionEndModel = {
      id: `${producer.id}: ${this.#ends++}`,
      epoch,
      isCommit,
      transaction,
      markers: parts.map((part) => ({
        model: part.model,
        entry: markerOf(markerKey(producer.id, epoch, isCommit), part.partition, this.#clock.now()),
      })),
      commits: random.chance(0.5)
        ? parts.slice(0, 1).flatMap((part) => commitOf(producer, part, random))
        : [],
      isAcknowledged: false,
      isOut: false,
    };
    for (const { entry } of end.markers) entry.marker = end;
    producer.isEnding = true;
    producer.ends.push(end);
    for (const { model, entry } of end.markers) model.entries.push(entry);
    for (const { group, place } of end.commits) group.pending.push(place);
    const ended = this.#end(log, producer, end).finally(() => {
      producer.isEnding = false;
    });
    this.#calls.follow(`end ${end.id}`, ended, { models: parts.map(({ model }) => model) });
  }

  async #end(log: Log, producer: ProducerModel, end: TransactionEndModel): Promise<void> {
    const { epoch, isCommit, id } = end;
    try {
      await log.endTransaction({
        producerId: producer.id,
        producerEpoch: epoch,
        isCommit,
        partitions: end.markers.map(({ model, entry }) => ({
          topic: topicOf(model),
          partition: entry.partition as number,
        })),
        progress: end.commits.map(({ model, group, place }) =>
          topicOf(model).progress(group.name, new Map([[place.partition, { offset: place.offset }]])),
        ),
        metadata: [{ key: stateKey(producer), value: id }],
      });
    } catch (error) {
      for (const { entry } of end.markers) entry.rejected = true;
      const { code } = error as { code?: string };
      end.isOut = code === "TOPIC_NOT_FOUND" || code === "PARTITION_NOT_FOUND";
      throw error;
    }
    if (this.#oracle.isFailed)
      fail(
        "I5",
        end.markers[0]?.model as TopicModel,
        undefined,
        `"${id}" ended though the journal had failed`,
      );
    end.isAcknowledged = true;
    for (const { entry } of end.markers) entry.acknowledged = true;
    for (const commit of end.commits) committed(commit);
    settleEnd(producer, end);
  }
}

/** A group that is new holds back what is consumed from now on. */
function committed({ model, group, place }: TransactionEndModel["commits"][number]): void {
  const { partition, offset } = place;
  const known = modelOf(model, partition);
  const { length } = expectedIn(model, partition).records;
  known.startMax = Math.max(known.startMax, startMaxOf(model, partition, length));
  group.committed.set(partition, offset);
  group.pending.splice(group.pending.indexOf(place), 1);
}

/** What it repeats was refused. */
function unlessDeleted(model: TopicModel): (error: unknown) => void {
  return (error) => {
    if (model.state === "alive" || (error as { code?: string }).code !== "BACKPRESSURE") throw error;
  };
}

function isSettled({ underway }: SentBatch): boolean {
  return underway === 0;
}

function optionsOf(durability: Durability | undefined): { idempotent: true; durability?: Durability } {
  return durability === undefined ? { idempotent: true } : { idempotent: true, durability };
}

/** As it stands in the log; where, its readers tell. */
function markerOf(key: string, partition: number, at: number): Entry {
  return { key, value: null, at, level: "disk", partition, acknowledged: false, rejected: false };
}

/** Of a group of the producer's own: always more than before. */
function commitOf(
  { id }: ProducerModel,
  { model, partition }: { model: TopicModel; partition: number },
  random: Random,
): TransactionEndModel["commits"] {
  const name = `sink-${id}`;
  const end = modelOf(model, partition).records.length;
  const known = model.groups.get(name);
  const before = known?.committed.get(partition) ?? 0;
  if (end <= before) return [];
  const group: GroupModel = known ?? { name, committed: new Map(), pending: [], isBusy: false };
  model.groups.set(name, group);
  return [{ model, group, place: { partition, offset: random.between(before + 1, end) } }];
}

function batchOf(
  { id, epoch, isTransactional }: ProducerModel,
  sequence: number,
  entries: readonly Entry[],
): Buffer {
  const builder = new BatchBuilder(256);
  for (const { key, value, at } of entries) builder.append(key, value, undefined, at);
  const batch = builder.seal({ baseOffset: 0, partitionLeaderEpoch: 0, compression: "none" });
  if (isTransactional) batch.writeInt16BE(0x10, 21);
  batch.writeBigInt64BE(BigInt(id), 43);
  batch.writeInt16BE(epoch, 51);
  batch.writeInt32BE(sequence, 53);
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
  return batch;
}
