// What the oracle knows of Kafka's producers: the batches that they have numbered, and their transactions.
import type { Receipt } from "@strandlog/log";
import type { Entry, GroupModel, Place, TopicModel } from "./models.js";

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

export interface ProducedTransaction {
  readonly producer: ProducerModel;
  batches: SentBatch[];
  /** Where it has written, or may have. */
  readonly parts: { readonly model: TopicModel; readonly partition: number }[];
  /** How it ended, once that is certain. */
  end: TransactionEndModel | undefined;
}

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

/** Whether a transaction was committed or aborted; undefined while it is open. */
export type Outcome = (transaction: ProducedTransaction) => "committed" | "aborted" | undefined;

export function newProducer(id: number, isTransactional: boolean): ProducerModel {
  const nothing = { transaction: undefined, ended: undefined, isEnding: false };
  return { id, isTransactional, epoch: 0, sent: [], ends: [], ...nothing };
}

/** Where the coordinator keeps its entry. */
export function stateKey({ id }: ProducerModel): string {
  return `broker/transaction/${id}`;
}

/** What a marker is known by. */
export function markerKey(producerId: number, epoch: number, isCommit: boolean): string {
  return `marker of ${producerId}/${epoch}: ${isCommit ? "commit" : "abort"}`;
}

export const knownOutcome: Outcome = ({ end }) => outcomeOf(end);

export function outcomeOf(end: TransactionEndModel | undefined): ReturnType<Outcome> {
  if (end === undefined) return undefined;
  return end.isCommit ? "committed" : "aborted";
}

export function placeOfBatch({ place, receipt, partition }: SentBatch): Place | undefined {
  if (place !== undefined) return place;
  const offset = receipt?.offset;
  return offset === undefined ? undefined : { partition, offset };
}

/** It has ended for certain. */
export function settleEnd(producer: ProducerModel, end: TransactionEndModel): void {
  end.transaction.end = end;
  if (producer.transaction === end.transaction) producer.transaction = undefined;
  if (end.epoch === producer.epoch) return;
  producer.epoch = end.epoch;
  producer.sent = [];
}
