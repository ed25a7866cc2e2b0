// What a log that was opened again shows of Kafka's producers, compared with what the oracle knows: a transaction has
// ended everywhere, with what groups committed along with it, or it is open everywhere; and readers of what is committed
// get that and nothing else.
import type { Log, Partition } from "@strandlog/log";
import { Violation } from "@strandlog/log/testing";
import {
  type Entry,
  fail,
  modelOf,
  type ProducedTransaction,
  type ProducerModel,
  type TopicModel,
  type TransactionEndModel,
} from "./models.js";
import type { Oracle } from "./oracle.js";
import { type Outcome, outcomeOf, placeOfBatch, settleEnd, stateKey } from "./producers.js";
import { committedIn } from "./raw-look.js";
import type { Ended, SeenTopics } from "./seen.js";

/** What the coordinator's entries say. Throws a Violation. */
export async function endedIn({ producers }: Oracle, log: Log, served: Ended | undefined): Promise<Ended> {
  const ended = new Map<ProducerModel, TransactionEndModel | undefined>();
  for (const producer of producers) {
    const { ends } = producer;
    const value = (await log.storage.metadata.get(stateKey(producer)))?.value;
    const allowed = served === undefined ? allowedEnds(producer) : [served.get(producer)];
    const found = allowed.find((end) => end?.id === value);
    if (found?.id !== value) {
      const wanted = allowed.map((end) => `"${end?.id}"`).join(" or ");
      const asked = ends.map(({ id }) => id).join(", ");
      throw new Violation(
        `I1: producer ${producer.id} has ended "${value}", not ${wanted} (asked: ${asked})`,
      );
    }
    ended.set(producer, found);
  }
  return ended;
}

/** The last that is certain, and those asked for since. */
function allowedEnds({ ended, ends }: ProducerModel): (TransactionEndModel | undefined)[] {
  const possible = [ended, ...ends.filter(({ isOut }) => !isOut)];
  const certain = possible.findLastIndex((end) => end?.isAcknowledged === true);
  return possible.slice(Math.max(0, certain));
}

/** How each transaction has ended, if those have. */
export function outcomesOf(ended: Ended): Outcome {
  return (transaction) => {
    const last = ended.get(transaction.producer);
    return outcomeOf(transaction.end ?? (last?.transaction === transaction ? last : undefined));
  };
}

/** All of each end is there, or nothing of it, as far as it can be seen. */
export function checkEnds({ producers }: Oracle, ended: Ended, seen: SeenTopics): void {
  for (const producer of producers) {
    const last = producer.ends.indexOf(ended.get(producer) as TransactionEndModel);
    for (const [index, end] of producer.ends.entries()) {
      const isThere = index <= last && !end.isOut;
      for (const { model, entry } of end.markers) {
        const partition = seen.get(model)?.partitions[entry.partition as number];
        if (partition === undefined) continue;
        const isFound = [...partition.found.values()].includes(entry);
        const { startBefore, compactedBefore } = modelOf(model, entry.partition as number);
        const isCut = partition.start > startBefore || partition.compactedEnd > compactedBefore;
        if (isFound !== isThere && !(isCut && isThere))
          throw new Violation(
            `I2: half of the end of ${end.id}: ${isThere ? "ended" : "open"}, its marker in ${model.name}/${entry.partition} is ${isFound ? "" : "not "}there`,
          );
      }
      for (const { model, group, place } of end.commits) {
        const shown = seen.get(model)?.groups.get(group.name)?.get(place.partition) ?? 0;
        if (!seen.has(model) || (isThere && shown >= place.offset) || (!isThere && shown !== place.offset))
          continue;
        const others = producer.ends
          .slice(0, last + 1)
          .flatMap(({ isOut, commits }) => (isOut ? [] : commits));
        if (!isThere && others.some((other) => other.model === model && other.place.offset === place.offset))
          continue;
        throw new Violation(
          `I2: half of the end of ${end.id}: ${isThere ? "ended" : "open"}, "${group.name}" of ${model.name} is at ${shown}, not ${place.offset}`,
        );
      }
    }
  }
}

/**
 * What is committed, and nothing else, up to the first transaction that is open. `found` was read when the partition
 * began at `start` and was compacted up to `compactedEnd`.
 */
export async function checkCommitted(
  model: TopicModel,
  number: number,
  partition: Partition,
  { producers }: Oracle,
  outcome: Outcome,
  { found, start, compactedEnd }: { found: ReadonlyMap<number, Entry>; start: number; compactedEnd: number },
): Promise<void> {
  const before = await partition.describe();
  const { offsets, stable } = await committedIn(partition);
  const after = await partition.describe();
  let open = before.highWatermark;
  for (const { transaction } of producers)
    if (transaction !== undefined && outcome(transaction) === undefined)
      open = Math.min(open, firstOffset(transaction, model, number, before.logEndOffset));
  if (stable !== open)
    fail("I2", model, { partition: number, offset: stable }, `the last stable offset, not ${open}`);
  // Retention and compaction may be at work.
  const isCalm = after.logStartOffset === start && (after.compaction?.end ?? 0) === compactedEnd;
  for (const [offset, { batch, marker, value }] of found) {
    if (marker !== undefined || offset < after.logStartOffset) continue;
    const how = batch?.transaction === undefined ? "committed" : outcome(batch.transaction);
    const isWanted = offset < stable && how === "committed";
    const isThere = offsets.delete(offset);
    if (isThere === isWanted || (!isThere && (!isCalm || value === null))) continue;
    const what = `${how ?? "open"}, yet ${isThere ? "" : "not "}read as committed`;
    fail("I2", model, { partition: number, offset }, what);
  }
  const [more] = offsets;
  if (more !== undefined && more >= after.logStartOffset)
    fail("I2", model, { partition: number, offset: more }, "read as committed only");
}

function firstOffset(
  { batches }: ProducedTransaction,
  model: TopicModel,
  partition: number,
  end: number,
): number {
  const offsets = batches
    .filter((batch) => batch.model === model && batch.partition === partition)
    .map((batch) => placeOfBatch(batch)?.offset ?? end);
  return Math.min(end, ...offsets);
}

/** What was seen is what the producers know from now on. What was lost they send anew. */
export function adoptProducers({ producers }: Oracle, ended: Ended, seen: SeenTopics): void {
  for (const producer of producers) {
    const isThere = (batch: (typeof producer.sent)[number]): boolean => {
      const place = placeOfBatch(batch);
      const partition = seen.get(batch.model)?.partitions[batch.partition];
      return place !== undefined && partition !== undefined && place.offset < partition.end;
    };
    const last = ended.get(producer);
    if (last !== undefined && last !== producer.ended) {
      last.isAcknowledged = true;
      settleEnd(producer, last);
    }
    producer.ended = last;
    producer.ends = [];
    producer.isEnding = false;
    const { transaction } = producer;
    if (transaction !== undefined) transaction.batches = transaction.batches.filter(isThere);
    producer.sent = producer.sent.filter(isThere);
    for (const batch of [...producer.sent, ...(transaction?.batches ?? [])]) {
      const place = placeOfBatch(batch);
      if (place !== undefined) batch.place = place;
      batch.entries = [];
      batch.underway = 0;
    }
  }
}
