// Records themselves: writing, reading, and finding one's place.
import { api, array, int8, int16, int32, int64, records, string, struct, uuid } from "../schema.js";

/** Where a partition has moved to. */
const leaderIdAndEpoch = { leaderId: int32.or(-1), leaderEpoch: int32.or(-1) };
const nodeEndpoint = { nodeId: int32, host: string, port: int32, rack: string.nullable().or(null) };

export const produce = api(0, "Produce", {
  versions: [3, 11],
  flexibleFrom: 9,
  request: {
    transactionalId: string.nullable().or(null),
    acks: int16,
    timeoutMs: int32,
    topicData: array({
      name: string,
      partitionData: array({
        index: int32,
        records: records.nullable(),
      }),
    }),
  },
  response: {
    responses: array({
      name: string,
      partitionResponses: array({
        index: int32,
        errorCode: int16,
        baseOffset: int64,
        logAppendTimeMs: int64.or(-1),
        logStartOffset: int64.since(5).or(-1),
        recordErrors: array({
          batchIndex: int32,
          batchIndexErrorMessage: string.nullable().or(null),
        })
          .since(8)
          .or([]),
        errorMessage: string.since(8).nullable().or(null),
        currentLeader: struct(leaderIdAndEpoch).since(10).or(null).tagged(0),
      }),
    }),
    throttleTimeMs: int32.or(0),
    nodeEndpoints: array(nodeEndpoint).since(10).or([]).tagged(0),
  },
});

export const fetch = api(1, "Fetch", {
  versions: [4, 16],
  flexibleFrom: 12,
  request: {
    clusterId: string.since(12).nullable().or(null).tagged(0),
    replicaId: int32.until(14).or(-1),
    replicaState: struct({
      replicaId: int32.or(-1),
      replicaEpoch: int64.or(-1),
    })
      .since(15)
      .or(null)
      .tagged(1),
    maxWaitMs: int32,
    minBytes: int32,
    maxBytes: int32.or(2 ** 31 - 1),
    isolationLevel: int8.or(0),
    sessionId: int32.since(7).or(0),
    sessionEpoch: int32.since(7).or(-1),
    topics: array({
      topic: string.until(12),
      topicId: uuid.since(13),
      partitions: array({
        partition: int32,
        currentLeaderEpoch: int32.since(9).or(-1),
        fetchOffset: int64,
        lastFetchedEpoch: int32.since(12).or(-1),
        logStartOffset: int64.since(5).or(-1),
        partitionMaxBytes: int32,
      }),
    }),
    forgottenTopicsData: array({
      topic: string.until(12),
      topicId: uuid.since(13),
      partitions: array(int32),
    }).since(7),
    rackId: string.since(11).or(""),
  },
  response: {
    throttleTimeMs: int32.or(0),
    errorCode: int16.since(7),
    sessionId: int32.since(7).or(0),
    responses: array({
      topic: string.until(12),
      topicId: uuid.since(13),
      partitions: array({
        partitionIndex: int32,
        errorCode: int16,
        highWatermark: int64,
        lastStableOffset: int64.or(-1),
        logStartOffset: int64.since(5).or(-1),
        divergingEpoch: struct({
          epoch: int32.or(-1),
          endOffset: int64.or(-1),
        })
          .since(12)
          .or(null)
          .tagged(0),
        currentLeader: struct(leaderIdAndEpoch).since(12).or(null).tagged(1),
        snapshotId: struct({
          endOffset: int64.or(-1),
          epoch: int32.or(-1),
        })
          .since(12)
          .or(null)
          .tagged(2),
        abortedTransactions: array({
          producerId: int64,
          firstOffset: int64,
        }).nullable(),
        preferredReadReplica: int32.since(11).or(-1),
        records: records.nullable(),
      }),
    }),
    nodeEndpoints: array(nodeEndpoint).since(16).or([]).tagged(0),
  },
});

export const listOffsets = api(2, "ListOffsets", {
  versions: [1, 8],
  flexibleFrom: 6,
  request: {
    replicaId: int32,
    isolationLevel: int8.since(2),
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        currentLeaderEpoch: int32.since(4).or(-1),
        timestamp: int64,
      }),
    }),
  },
  response: {
    throttleTimeMs: int32.since(2).or(0),
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        errorCode: int16,
        timestamp: int64.or(-1),
        offset: int64.or(-1),
        leaderEpoch: int32.since(4).or(-1),
      }),
    }),
  },
});

export const offsetForLeaderEpoch = api(23, "OffsetForLeaderEpoch", {
  versions: [2, 4],
  flexibleFrom: 4,
  request: {
    replicaId: int32.since(3).or(-2),
    topics: array({
      topic: string,
      partitions: array({
        partition: int32,
        currentLeaderEpoch: int32.or(-1),
        leaderEpoch: int32,
      }),
    }),
  },
  response: {
    throttleTimeMs: int32.or(0),
    topics: array({
      topic: string,
      partitions: array({
        errorCode: int16,
        partition: int32,
        leaderEpoch: int32.or(-1),
        endOffset: int64.or(-1),
      }),
    }),
  },
});
