// What a log shows that was opened again, compared with what the oracle knows. Looking changes nothing, so that many
// crashes can be tried from one moment; adopting makes what was seen the truth from now on.
import type { Clock, Log, Topic } from "@strandlog/log";
import { Violation } from "@strandlog/log/testing";
import { type Compacted, checkCompactedEnd } from "./compacted.js";
import {
  type Config,
  configsOf,
  type Entry,
  expectedIn,
  fail,
  isCompacted,
  modelOf,
  newPartition,
  type Place,
  placeOf,
  startMaxOf,
  type TopicModel,
  type TransactionModel,
} from "./models.js";
import { type Ending, type Oracle, worseEnding } from "./oracle.js";

import type { Outcome } from "./producers.js";
import { itemsOf } from "./raw-look.js";
import { adoptProducers, checkCommitted, checkEnds, endedIn, outcomesOf } from "./recovered-producers.js";
import type { Seen, SeenPartition, SeenTopic, SeenTopics } from "./seen.js";

/** What a look at a log needs to know. */
interface Context {
  readonly oracle: Oracle;
  readonly log: Log;
  readonly clock: Clock;
  readonly ending: Ending;
  readonly outcome: Outcome;
}

/** Throws a Violation. `served`: what the recovery before this one has shown, which must still be there. */
export async function look(
  oracle: Oracle,
  log: Log,
  clock: Clock,
  ending: Ending,
  served?: Seen,
): Promise<Seen> {
  const names = new Set(await log.topics());
  const topics = new Map<TopicModel, SeenTopic>();
  const ended = await endedIn(oracle, log, served?.ended);
  const context: Context = { oracle, log, clock, ending, outcome: outcomesOf(ended) };
  for (const model of oracle.topics) {
    const isThere = names.delete(model.name);
    if ((model.state === "alive" || served?.topics.has(model) === true) && !isThere)
      fail("I1", model, undefined, "the topic is gone");
    if (model.state === "gone" && isThere) fail("I9", model, undefined, "the deleted topic came back");
    if (isThere) topics.set(model, await lookAtTopic(context, model, served?.topics.get(model)));
  }
  for (const name of names) throw new Violation(`I2: there is a topic "${name}" that nobody made`);
  const seen = { topics, ended };
  checkTransactions(oracle, topics);
  checkEnds(oracle, ended, topics);
  return seen;
}

/** What was seen is what must be there from now on. */
export function adopt(oracle: Oracle, { topics, ended }: Seen): void {
  adoptProducers(oracle, ended, topics);
  for (const model of oracle.topics) {
    const shown = topics.get(model);
    model.state = shown === undefined ? "gone" : "alive";
    model.topic = shown?.topic;
    if (shown !== undefined) adoptTopic(model, shown);
  }
  oracle.topics = oracle.topics.filter(({ state }) => state === "alive");
  oracle.isFailed = false;
}

async function lookAtTopic(
  context: Context,
  model: TopicModel,
  served: SeenTopic | undefined,
): Promise<SeenTopic> {
  const topic = await context.log.existingTopic(model.name);
  const config = configOf(model, topic, served);
  const partitions: SeenPartition[] = [];
  for (let number = 0; number < config.partitions; number++)
    partitions.push(await lookAtPartition(context, model, topic, number, served?.partitions[number]));
  const groups = new Map<string, Map<number, number>>();
  for (const group of await topic.groups())
    groups.set(
      group.group,
      new Map(group.partitions.map(({ partition, committed }) => [partition, committed])),
    );
  checkGroups(model, groups, partitions, served);
  return { topic, config, partitions, groups };
}

function configOf(model: TopicModel, topic: Topic, served: SeenTopic | undefined): Config {
  const allowed = served === undefined ? [model.config, ...model.configsAsked] : [served.config];
  const isIt = (config: Config): boolean =>
    Object.entries(config).every(([option, wanted]) => topic.config[option as keyof Config] === wanted);
  const config = allowed.find(isIt);
  if (config === undefined)
    fail(
      "I1",
      model,
      undefined,
      `its settings are ${JSON.stringify(topic.config)}, not ${JSON.stringify(allowed)}`,
    );
  while (model.partitions.length < config.partitions) model.partitions.push(newPartition());
  return config;
}

async function lookAtPartition(
  { oracle, clock, ending, outcome }: Context,
  model: TopicModel,
  topic: Topic,
  number: number,
  served: SeenPartition | undefined,
): Promise<SeenPartition> {
  const partition = topic.partition(number);
  const { logStartOffset, highWatermark, logEndOffset, compaction: before } = await partition.describe();
  const at = (offset: number): Place => ({ partition: number, offset });
  const { records: expected, endMax } = expectedIn(model, number);
  const isClean = ending === "closed" && !oracle.isFailed;
  const level = worseEnding(ending, "process") === "power" ? "disk" : "os";
  const must = Math.max(
    isClean ? expected.length : oracle.acknowledgedEnd(model, number, level),
    served?.end ?? 0,
  );
  if (highWatermark !== logEndOffset)
    fail("I3", model, at(highWatermark), `recovered, but visible only up to here, not ${logEndOffset}`);
  if (logEndOffset < must)
    fail("I1", model, at(logEndOffset), `lost: acknowledged up to ${must} (${ending})`);
  if (logEndOffset > endMax) fail("I2", model, at(expected.length), `invented: it ends at ${logEndOffset}`);
  const startMin = Math.max(modelOf(model, number).start, served?.start ?? 0);
  if (logStartOffset < startMin)
    fail("I9", model, at(logStartOffset), `back although deleted up to ${startMin}`);
  const startMax = Math.max(startMaxOf(model, number, logEndOffset), startMin);
  if (logStartOffset > startMax)
    fail("I1", model, at(logStartOffset), `its start, yet deletion was asked for up to ${startMax}`);
  const items = await itemsOf(model, partition, logEndOffset);
  // Retention and compaction may be at work already.
  const { logStartOffset: startNow, compaction: after } = await partition.describe();
  const compacted: Compacted = { before: before?.end ?? 0, after: after?.end ?? 0, clock };
  checkCompactedEnd(model, number, compacted.before, {
    served: served?.compactedEnd ?? 0,
    logEndOffset,
    mayBe: configsOf(model).some(isCompacted),
  });
  const { next, found } = oracle.compare(model, number, logStartOffset, startNow, items, compacted, outcome);
  if (next !== logEndOffset && startNow < logEndOffset)
    fail("I2", model, at(next), `reading ends here, the partition at ${logEndOffset}`);
  if (model.hasProducers)
    await checkCommitted(model, number, partition, oracle, outcome, {
      found,
      start: logStartOffset,
      compactedEnd: compacted.before,
    });
  return { start: startNow, end: logEndOffset, compactedEnd: compacted.after, found };
}

function checkGroups(
  model: TopicModel,
  groups: SeenTopic["groups"],
  partitions: readonly SeenPartition[],
  served: SeenTopic | undefined,
): void {
  for (const name of groups.keys())
    if (!model.groups.has(name)) fail("I2", model, undefined, `there is a group "${name}" that nobody made`);
  for (const [name, { committed, pending }] of model.groups) {
    for (let number = 0; number < partitions.length; number++) {
      const shown = groups.get(name)?.get(number);
      const before = served?.groups.get(name)?.get(number);
      const promised = before ?? committed.get(number);
      const asked = pending.filter(({ partition }) => partition === number).map(({ offset }) => offset);
      const isRight = promised === undefined || shown === promised || asked.includes(shown ?? -1);
      const isNew = promised === undefined && (shown ?? 0) > (partitions[number]?.end ?? 0);
      if (isRight && !isNew) continue;
      const wanted = `${promised ?? "nothing"}, and ${asked.join(", ") || "nothing"} was asked for`;
      fail("I1", model, { partition: number, offset: shown ?? -1 }, `group "${name}" committed ${wanted}`);
    }
  }
}

/** All of a transaction, or nothing of it, as far as it can be seen. */
function checkTransactions(oracle: Oracle, seen: SeenTopics): void {
  const transactions = new Set<TransactionModel>();
  for (const { entries } of oracle.topics)
    for (const { transaction } of entries) if (transaction !== undefined) transactions.add(transaction);
  for (const transaction of transactions) {
    if (transaction.entries[0]?.entry.isOut === true) continue;
    const parts = [
      ...transaction.entries.map((part) => isThere(seen, part.model, part.entry)),
      ...transaction.commits.map(({ model, group, place }) => {
        const shown = seen.get(model)?.groups.get(group.name)?.get(place.partition);
        // A later one may have followed, or another one may have been for the same: then it cannot be told.
        const asked = group.pending.filter(
          ({ partition, offset }) => partition === place.partition && offset === place.offset,
        );
        const isOther = asked.length > 1 || group.committed.get(place.partition) === place.offset;
        const canTell = seen.has(model) && (shown ?? 0) <= place.offset && !isOther;
        return canTell ? shown === place.offset : undefined;
      }),
    ].filter((part) => part !== undefined);
    if (new Set(parts).size > 1)
      throw new Violation(`I2: half of transaction ${transaction.id} is there: ${parts.join(", ")}`);
  }
}

/** Undefined when that cannot be told: its topic, or what is at the head of its partition, was deleted. */
function isThere(seen: SeenTopics, model: TopicModel, entry: Entry): boolean | undefined {
  const partition = seen.get(model)?.partitions[entry.partition ?? -1];
  if (partition === undefined) return undefined;
  for (const found of partition.found.values()) if (found === entry) return true;
  const { offset = -1 } = placeOf(entry) ?? {};
  // What a compaction has taken out was there.
  if (offset >= partition.start && offset < partition.compactedEnd) return true;
  const { startBefore, compactedBefore } = modelOf(model, entry.partition as number);
  const isCut = partition.start > startBefore || partition.compactedEnd > compactedBefore;
  return isCut ? undefined : false;
}

function adoptTopic(model: TopicModel, { config, partitions, groups }: SeenTopic): void {
  for (const [number, { start, end, compactedEnd, found }] of partitions.entries()) {
    const partition = modelOf(model, number);
    const records = expectedIn(model, number).records.slice(0, end);
    for (const [offset, entry] of found) records[offset] = entry;
    partition.records = Array.from({ length: end }, (_, offset) =>
      settled(records[offset], { partition: number, offset }),
    );
    partition.startBefore = partition.start = partition.startMax = start;
    partition.compactedBefore = compactedEnd;
    partition.visibleEnd = partition.syncedEnd = 0;
  }
  for (const { records } of model.partitions)
    for (const entry of records)
      if (entry?.dedupeId !== undefined && entry.place !== undefined)
        model.ids.set(entry.dedupeId, entry.place);
  model.config = config;
  model.configsAsked = [];
  model.configsBefore = [];
  model.entries = [];
  for (const [name, group] of model.groups) {
    const shown = groups.get(name);
    if (shown === undefined) model.groups.delete(name);
    // Nothing committed shows as 0, too; a group that begins may commit where the partition starts.
    for (const [partition, offset] of shown ?? []) if (offset > 0) group.committed.set(partition, offset);
    group.pending.length = 0;
    group.isBusy = false;
  }
}

/** The record as it is known from now on. */
function settled(entry: Entry | undefined, place: Place): Entry | undefined {
  if (entry === undefined) return undefined;
  const { key, value, level, at, dedupeId, batch, marker } = entry;
  const id = dedupeId === undefined ? {} : { dedupeId };
  const produced = { ...(batch && { batch }), ...(marker && { marker }) };
  return { key, value, level, at, ...id, ...produced, place, acknowledged: true, rejected: false };
}
