// What is remembered of a transactional id, in the log's metadata: who writes under it, and what its transaction has
// touched. JSON, whose shape is checked when it is read.
import { type CommitPlace, type Log, LogError, type Topic } from "@strandlog/log";

/** Who a request says it comes from. */
export interface Producer {
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** A place that a group shall have once the transaction is committed. */
export interface PendingOffset {
  readonly group: string;
  readonly topicId: string;
  readonly partition: number;
  readonly offset: number;
  readonly metadata: string | null;
  /** −1 if the client did not know it. */
  readonly leaderEpoch: number;
}

export interface TransactionState {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** The epoch that the same producer had before, if it asked for this one itself: it may ask again; −1 otherwise. */
  readonly lastEpoch: number;
  readonly timeoutMs: number;
  /** "empty": nothing yet since the producer came; the last two: how the last transaction ended. */
  readonly phase: "empty" | "ongoing" | "committed" | "aborted";
  /** When this phase began, in milliseconds since 1970. */
  readonly since: number;
  readonly partitions: readonly { readonly topicId: string; readonly partition: number }[];
  readonly offsets: readonly PendingOffset[];
}

export const statePrefix = "broker/transaction/";

export function stateKey(transactionalId: string): string {
  return statePrefix + encodeURIComponent(transactionalId);
}

export function stateText(state: TransactionState): string {
  return JSON.stringify(state);
}

/** @throws LogError CORRUPT_METADATA */
export function readState(key: string, text: string): { transactionalId: string; state: TransactionState } {
  try {
    const state = JSON.parse(text) as TransactionState;
    if (isState(state)) return { transactionalId: decodeURIComponent(key.slice(statePrefix.length)), state };
  } catch (cause) {
    throw unreadable(key, cause);
  }
  throw unreadable(key);
}

const phases: readonly unknown[] = [
  "empty",
  "ongoing",
  "committed",
  "aborted",
] satisfies TransactionState["phase"][];

function isState(state: TransactionState | null): boolean {
  if (typeof state !== "object" || state === null) return false;
  const { producerId, producerEpoch, lastEpoch, timeoutMs, phase, since, partitions, offsets } = state;
  return (
    [producerId, producerEpoch, timeoutMs].every((number) => isWhole(number, 0)) &&
    isWhole(lastEpoch, -1) &&
    isWhole(since, Number.MIN_SAFE_INTEGER) &&
    phases.includes(phase) &&
    Array.isArray(partitions) &&
    partitions.every(isPlace) &&
    Array.isArray(offsets) &&
    offsets.every(isPendingOffset)
  );
}

function isPlace(place: { readonly topicId: string; readonly partition: number } | null): boolean {
  return typeof place?.topicId === "string" && isWhole(place.partition, 0);
}

function isPendingOffset(pending: PendingOffset | null): boolean {
  if (!isPlace(pending)) return false;
  const { group, offset, metadata, leaderEpoch } = pending as PendingOffset;
  const isNote = metadata === null || typeof metadata === "string";
  return typeof group === "string" && isWhole(offset, 0) && isNote && isWhole(leaderEpoch, -1);
}

function isWhole(value: unknown, min: number): boolean {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= min;
}

function unreadable(key: string, cause?: unknown): LogError {
  return new LogError("CORRUPT_METADATA", `the metadata entry "${key}" cannot be read`, {
    cause,
    details: { key },
  });
}

export function producerOf({ producerId, producerEpoch }: Producer): Producer {
  return { producerId, producerEpoch };
}

export function isSame(left: Producer, right: Producer): boolean {
  return left.producerId === right.producerId && left.producerEpoch === right.producerEpoch;
}

interface Place {
  readonly topicId: string;
  readonly partition: number;
}

export function placeOf({ topicId, partition }: Place): Place {
  return { topicId, partition };
}

export function placeKey({ topicId, partition }: Place): string {
  return `${topicId}/${partition}`;
}

export function pendingKey({ group, topicId, partition }: Place & Pick<PendingOffset, "group">): string {
  return `${topicId}/${partition}/${group}`;
}

const markerBytes = 256;
const commitBytes = 512;

/** What its end takes in the log at most: a marker for each partition, and what groups commit. */
export function bytesAtEnd({ partitions, offsets }: TransactionState): number {
  let bytes = partitions.length * markerBytes;
  // Keys and values may take three bytes a character.
  for (const { group, metadata } of offsets)
    bytes += commitBytes + 9 * group.length + 3 * (metadata ?? "").length;
  return bytes;
}

/** What groups commit when the transaction does: of topics that are deleted meanwhile, nothing. */
export function progressOf(
  offsets: readonly PendingOffset[],
  topics: ReadonlyMap<string, Topic>,
): Parameters<Log["endTransaction"]>[0]["progress"] {
  const places = new Map<string, { topic: Topic; group: string; places: Map<number, CommitPlace> }>();
  for (const { group, topicId, partition, offset, metadata, leaderEpoch } of offsets) {
    const topic = topics.get(topicId);
    if (topic === undefined) continue;
    const key = `${topicId}/${group}`;
    const known = places.get(key) ?? { topic, group, places: new Map<number, CommitPlace>() };
    known.places.set(partition, {
      offset,
      ...(metadata === null || metadata === "" ? {} : { metadata }),
      ...(leaderEpoch < 0 ? {} : { leaderEpoch }),
    });
    places.set(key, known);
  }
  return [...places.values()].map((each) => each.topic.progress(each.group, each.places));
}
