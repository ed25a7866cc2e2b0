// What the oracle knows of topics, records, transactions and groups: what was asked for, and what was promised.
import type { AppendResult, Durability, Receipt, Topic, TopicConfig } from "@strandlog/log";
import { Violation } from "@strandlog/log/testing";

export interface Place {
  readonly partition: number;
  readonly offset: number;
}

export interface Entry {
  readonly key: string;
  readonly value: Buffer | null;
  level: Durability;
  /** When it was submitted, in milliseconds since 1970. */
  readonly at: number;
  /** Undefined for records whose place nobody knows before they are acknowledged, and for those of earlier lives. */
  readonly receipt?: Receipt;
  /** Where such a record will be. */
  readonly partition?: number;
  /** It asked for its offset: there may be a gap before it. */
  readonly isJump?: boolean;
  readonly dedupeId?: string;
  readonly transaction?: TransactionModel;
  /** It is in a batch that a producer of Kafka's has numbered; at which place in it. */
  readonly batch?: SentBatch;
  readonly index?: number;
  /** It is no record, but ends a producer's transaction. */
  marker?: TransactionEndModel;
  place?: Place;
  acknowledged: boolean;
  rejected: boolean;
  /** It is not in the log and never will be: a retry of one that is, or refused at the door. */
  isOut?: boolean;
}

export interface TransactionModel {
  readonly id: number;
  readonly entries: { readonly model: TopicModel; readonly entry: Entry }[];
  /** Commits of a group that are part of it. */
  readonly commits: { readonly model: TopicModel; readonly group: GroupModel; readonly place: Place }[];
}

export interface PartitionModel {
  /** What the last recovery showed, by offset; undefined in gaps. */
  records: (Entry | undefined)[];
  /** Where it started when the log was opened. */
  startBefore: number;
  /** Deletions that were acknowledged, and asked for. */
  start: number;
  startMax: number;
  /** What readers have been shown in this life. */
  visibleEnd: number;
  /** Up to here log.sync() has promised durability. */
  syncedEnd: number;
  /** Up to here it was compacted when the log was opened. */
  compactedBefore: number;
}

/** What a group of a topic has committed, by partition: the offset of the next record. */
export interface GroupModel {
  readonly name: string;
  readonly committed: Map<number, number>;
  /** Asked for since. */
  readonly pending: { readonly partition: number; readonly offset: number }[];
  /** A consumer of the group is at work. */
  isBusy: boolean;
}

export type Config = Pick<
  TopicConfig,
  | "partitions"
  | "durability"
  | "compression"
  | "segmentBytes"
  | "retentionBytes"
  | "cleanup"
  | "deleteRetentionMs"
>;

export interface TopicModel {
  readonly name: string;
  /** What the topic has, and what it may have, since that was asked for. */
  config: Config;
  configsAsked: Config[];
  /** What it had before, in this life. */
  configsBefore: Config[];
  topic: Topic | undefined;
  state: "creating" | "alive" | "deleting" | "gone";
  readonly partitions: PartitionModel[];
  /** Submitted since the last recovery, in order. */
  entries: Entry[];
  readonly groups: Map<string, GroupModel>;
  /** Where the record with an id is. */
  readonly ids: Map<string, Place>;
  /** Producers of Kafka's have written to it. */
  hasProducers: boolean;
}

/** One of Kafka's producers. */
export interface ProducerModel {
  readonly id: number;
  readonly isTransactional: boolean;
  epoch: number;
  /** Of this epoch, in order: what it may send again. */
  sent: SentBatch[];
  /** What it has open. */
  transaction: ProducedTransaction | undefined;
  /** How its transactions were to end, in order, since the last recovery. */
  ends: TransactionEndModel[];
  /** The last one that the last recovery has shown. */
  ended: TransactionEndModel | undefined;
  isEnding: boolean;
}

/** A batch that a producer has numbered. */
export interface SentBatch {
  readonly model: TopicModel;
  readonly partition: number;
  readonly sequence: number;
  readonly count: number;
  readonly bytes: Buffer;
  readonly transaction: ProducedTransaction | undefined;
  /** Of its first record. */
  place?: Place;
  receipt?: Receipt;
  /** In this life. */
  entries: Entry[];
  /** How often it is on its way. */
  underway: number;
}

/** What a producer writes, batch after batch, until it is ended. */
export interface ProducedTransaction {
  readonly producer: ProducerModel;
  batches: SentBatch[];
  /** Where it has written, or may have. */
  readonly parts: { readonly model: TopicModel; readonly partition: number }[];
  /** How it ended, once that is certain. */
  end: TransactionEndModel | undefined;
}

/** The end of such a transaction, as it was asked for. */
export interface TransactionEndModel {
  /** What the coordinator's entry says from then on. */
  readonly id: string;
  readonly epoch: number;
  readonly isCommit: boolean;
  readonly transaction: ProducedTransaction;
  readonly markers: { readonly model: TopicModel; readonly entry: Entry }[];
  readonly commits: { readonly model: TopicModel; readonly group: GroupModel; readonly place: Place }[];
  isAcknowledged: boolean;
  /** It was refused, and nothing of it is there. */
  isOut: boolean;
}

/** What a partition may hold: by offset where that is known, and what may be anywhere. */
export interface Expected {
  readonly records: (Entry | undefined)[];
  readonly unplaced: Entry[];
  /** The partition cannot end beyond this. */
  readonly endMax: number;
}

export const levels: Readonly<Record<Durability, number>> = { memory: 0, os: 1, disk: 2 };

export function newPartition(): PartitionModel {
  return {
    records: [],
    startBefore: 0,
    start: 0,
    startMax: 0,
    visibleEnd: 0,
    syncedEnd: 0,
    compactedBefore: 0,
  };
}

export function modelOf(model: TopicModel, partition: number): PartitionModel {
  return model.partitions[partition] as PartitionModel;
}

export function placeOf({ place, receipt, index = 0 }: Entry): Place | undefined {
  if (place !== undefined) return place;
  const offset = receipt?.offset;
  return offset === undefined
    ? undefined
    : { partition: (receipt as Receipt).partition, offset: offset + index };
}

/** Everything placed so far, by offset: what recovery found, then what was submitted since. */
export function expectedIn(model: TopicModel, partition: number): Expected {
  const known = modelOf(model, partition).records;
  const records = [...known];
  const unplaced: Entry[] = [];
  for (const entry of model.entries) {
    if (entry.isOut === true) continue;
    const place = placeOf(entry);
    if (place === undefined && entry.partition === partition) unplaced.push(entry);
    if (place?.partition !== partition) continue;
    if (records[place.offset] !== undefined) fail("I9", model, place, "given twice");
    records[place.offset] = entry;
  }
  const holesMax = unplaced.some(({ isJump }) => isJump) ? Number.POSITIVE_INFINITY : unplaced.length;
  let holes = 0;
  let isGap = false;
  for (let offset = records.length - 1; offset >= known.length; offset--) {
    const entry = records[offset];
    if (entry !== undefined) isGap = entry.isJump === true;
    else if (!isGap && ++holes > holesMax) fail("I2", model, { partition, offset }, "left out");
  }
  return { records, unplaced, endMax: records.length + holesMax };
}

/** What it may have, or may have had in this life. */
export function configsOf({ config, configsAsked, configsBefore }: TopicModel): readonly Config[] {
  return [config, ...configsAsked, ...configsBefore];
}

export function isCompacted({ cleanup }: Config): boolean {
  return cleanup === "compact" || cleanup === "compact,delete";
}

/** Whether records go without anybody having asked for it. */
function hasRetention(configs: readonly Config[]): boolean {
  return configs.some(({ retentionBytes, cleanup }) => retentionBytes >= 0 && cleanup !== "compact");
}

/** Up to where records may be gone: a deletion was asked for, or they are consumed, or there were too many. */
export function startMaxOf(model: TopicModel, partition: number, end: number): number {
  const configs = configsOf(model);
  if (hasRetention(configs)) return end;
  const { startMax } = modelOf(model, partition);
  if (!configs.some(({ cleanup }) => cleanup === "consumed") || model.groups.size === 0) return startMax;
  // A group that is only beginning may not count yet; one that has committed does.
  const known = [...model.groups.values()].filter(({ committed }) => committed.size > 0);
  if (known.length === 0) return end;
  let consumed = end;
  for (const { committed, pending } of known) {
    const asked = pending.filter((one) => one.partition === partition).map(({ offset }) => offset);
    // Where it has not committed, it began somewhere.
    consumed = Math.min(consumed, Math.max(committed.get(partition) ?? end, ...asked));
  }
  return Math.max(startMax, consumed);
}

export function checkAcknowledged(model: TopicModel, entry: Entry, result: AppendResult): void {
  const place = { partition: result.partition, offset: result.offset };
  const given = entry.receipt === undefined ? undefined : placeOf(entry);
  if (given !== undefined && (result.offset !== given.offset || result.partition !== given.partition))
    fail("I1", model, place, `acknowledged elsewhere than at ${given.offset}`);
  if (levels[result.durability] < levels[entry.level])
    fail("I1", model, place, `acknowledged at ${result.durability}, not ${entry.level}`);
}

export function fail(promise: string, model: TopicModel, place: Place | undefined, what: string): never {
  const where = place === undefined ? model.name : `${model.name}/${place.partition} offset ${place.offset}`;
  throw new Violation(`${promise}: ${where}: ${what} (durability ${model.config.durability})`);
}
