// What the oracle knows of Kafka's producers: how their transactions have ended, and where their batches are.
import type { Place, ProducedTransaction, ProducerModel, SentBatch, TransactionEndModel } from "./models.js";

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
