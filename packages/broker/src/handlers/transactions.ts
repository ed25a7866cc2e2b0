// Transactions of producers: what belongs to one, and how it ends. The coordinator keeps what is remembered.
import { apis, ErrorCode, type RequestOf } from "@strandlog/protocol";
import { type BrokerContext, type Handler, handler } from "../context.js";
import type { PendingOffset } from "../coordinator/transaction-state.js";
import { coordinatorRefusalOf } from "../error-codes.js";
import { isGroupId } from "../limits.js";
import { mapInTurns } from "../turns.js";
import { commitRefusal } from "./offsets.js";

type AddTopics = RequestOf<typeof apis.addPartitionsToTxn>["topics"];
type CommitBody = RequestOf<typeof apis.txnOffsetCommit>;

/** From this version on clients know what it means that a producer is fenced. */
const fencedSince = 2;

/** A partition that a request names: where it is, or why it is refused. */
interface Named {
  readonly topicId: string;
  readonly partition: number;
  readonly errorCode: number;
}

/** All of them or none: clients are told which ones stand in the way of the others. */
export const addPartitionsToTxnHandler: Handler = handler(
  apis.addPartitionsToTxn,
  async ({ apiVersion, body }, _session, broker) => {
    const { transactionalId, topics, ...producer } = body;
    const named = await partitionsOf(topics, broker);
    const all = named.flatMap(({ partitions }) => partitions);
    const isFit = all.every(({ errorCode }) => errorCode === ErrorCode.NONE);
    const outcome = isFit
      ? await answered(apiVersion, () => broker.transactions.addPartitions(transactionalId, producer, all))
      : ErrorCode.OPERATION_NOT_ATTEMPTED;
    const codeOf = (errorCode: number): number => (errorCode === ErrorCode.NONE ? outcome : errorCode);
    return {
      resultsByTopic: named.map(({ name, partitions }) => ({
        name,
        resultsByPartition: partitions.map(({ partition, errorCode }) => ({
          partitionIndex: partition,
          partitionErrorCode: codeOf(errorCode),
        })),
      })),
    };
  },
);

export const addOffsetsToTxnHandler: Handler = handler(
  apis.addOffsetsToTxn,
  async ({ apiVersion, body }, _session, { transactions }) => {
    const { transactionalId, groupId, ...producer } = body;
    if (!isGroupId(groupId)) return { errorCode: ErrorCode.INVALID_GROUP_ID };
    return {
      errorCode: await answered(apiVersion, () => transactions.addOffsets(transactionalId, producer)),
    };
  },
);

export const txnOffsetCommitHandler: Handler = handler(
  apis.txnOffsetCommit,
  async ({ apiVersion, body }, _session, broker) => {
    const { transactionalId, topics, ...producer } = body;
    const refusal = groupRefusal(body, broker);
    const pending: PendingOffset[] = [];
    const named = await mapInTurns(topics, async ({ name, partitions }) => {
      const topic = await broker.topics.find(name);
      const results = partitions.map((each) => {
        const errorCode =
          topic === undefined ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION : commitRefusal(topic, each);
        if (topic !== undefined && errorCode === ErrorCode.NONE) {
          pending.push({
            group: body.groupId,
            topicId: topic.topicId,
            partition: each.partitionIndex,
            offset: each.committedOffset,
            metadata: each.committedMetadata,
            leaderEpoch: Math.max(each.committedLeaderEpoch, -1),
          });
        }
        return { partitionIndex: each.partitionIndex, errorCode };
      });
      return { name, partitions: results };
    });
    const outcome =
      refusal === ErrorCode.NONE
        ? await answered(apiVersion, () =>
            broker.transactions.commitOffsets(transactionalId, producer, pending),
          )
        : refusal;
    const codeOf = (errorCode: number): number => (errorCode === ErrorCode.NONE ? outcome : errorCode);
    return {
      topics: named.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map((each) => ({ ...each, errorCode: codeOf(each.errorCode) })),
      })),
    };
  },
);

export const endTxnHandler: Handler = handler(
  apis.endTxn,
  async ({ apiVersion, body }, _session, { transactions }) => {
    const { transactionalId, committed, ...producer } = body;
    return {
      errorCode: await answered(apiVersion, () => transactions.end(transactionalId, producer, committed)),
    };
  },
);

async function partitionsOf(
  topics: AddTopics,
  broker: BrokerContext,
): Promise<{ readonly name: string; readonly partitions: readonly Named[] }[]> {
  return mapInTurns(topics, async ({ name, partitions }) => {
    const topic = await broker.topics.find(name);
    const named = partitions.map((partition) => {
      const isThere = topic !== undefined && partition >= 0 && partition < topic.partitionCount;
      const errorCode = isThere ? ErrorCode.NONE : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
      return { topicId: topic?.topicId ?? "", partition, errorCode };
    });
    return { name, partitions: named };
  });
}

/** Producers of old do not tell which member of the group they are. */
function groupRefusal(
  { groupId, memberId, groupInstanceId, generationId }: CommitBody,
  broker: BrokerContext,
): number {
  if (!isGroupId(groupId)) return ErrorCode.INVALID_GROUP_ID;
  if (generationId < 0 && memberId === "") return ErrorCode.NONE;
  const group = broker.groups.find(groupId);
  return (
    group?.mayCommit({ memberId, instanceId: groupInstanceId }, generationId) ?? ErrorCode.ILLEGAL_GENERATION
  );
}

async function answered(apiVersion: number, ask: () => Promise<number>): Promise<number> {
  try {
    const errorCode = await ask();
    const isUnknownCode = errorCode === ErrorCode.PRODUCER_FENCED && apiVersion < fencedSince;
    return isUnknownCode ? ErrorCode.INVALID_PRODUCER_EPOCH : errorCode;
  } catch (error) {
    return coordinatorRefusalOf(error);
  }
}
