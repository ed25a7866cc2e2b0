// Producers that write exactly once.
import { api, array, boolean, int16, int32, int64, string } from "../schema.js";

export const initProducerId = api(22, "InitProducerId", {
  versions: [0, 4],
  flexibleFrom: 2,
  request: {
    transactionalId: string.nullable(),
    transactionTimeoutMs: int32,
    producerId: int64.since(3).or(-1),
    producerEpoch: int16.since(3).or(-1),
  },
  response: {
    throttleTimeMs: int32.or(0),
    errorCode: int16,
    producerId: int64.or(-1),
    producerEpoch: int16,
  },
});

export const addPartitionsToTxn = api(24, "AddPartitionsToTxn", {
  versions: [0, 3],
  flexibleFrom: 3,
  request: {
    transactionalId: string,
    producerId: int64,
    producerEpoch: int16,
    topics: array({
      name: string,
      partitions: array(int32),
    }),
  },
  response: {
    throttleTimeMs: int32.or(0),
    resultsByTopic: array({
      name: string,
      resultsByPartition: array({
        partitionIndex: int32,
        partitionErrorCode: int16,
      }),
    }),
  },
});

export const addOffsetsToTxn = api(25, "AddOffsetsToTxn", {
  versions: [0, 3],
  flexibleFrom: 3,
  request: {
    transactionalId: string,
    producerId: int64,
    producerEpoch: int16,
    groupId: string,
  },
  response: {
    throttleTimeMs: int32.or(0),
    errorCode: int16,
  },
});

export const endTxn = api(26, "EndTxn", {
  versions: [0, 3],
  flexibleFrom: 3,
  request: {
    transactionalId: string,
    producerId: int64,
    producerEpoch: int16,
    committed: boolean,
  },
  response: {
    throttleTimeMs: int32.or(0),
    errorCode: int16,
  },
});

export const txnOffsetCommit = api(28, "TxnOffsetCommit", {
  versions: [0, 3],
  flexibleFrom: 3,
  request: {
    transactionalId: string,
    groupId: string,
    producerId: int64,
    producerEpoch: int16,
    generationId: int32.since(3).or(-1),
    memberId: string.since(3).or(""),
    groupInstanceId: string.since(3).nullable().or(null),
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        committedOffset: int64,
        committedLeaderEpoch: int32.since(2).or(-1),
        committedMetadata: string.nullable(),
      }),
    }),
  },
  response: {
    throttleTimeMs: int32.or(0),
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        errorCode: int16,
      }),
    }),
  },
});
