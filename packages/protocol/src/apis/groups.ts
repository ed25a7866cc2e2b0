// Consumer groups: their coordinator, membership in the classic protocol, committed offsets.
import { api, array, boolean, bytes, int8, int16, int32, int64, string } from "../schema.js";

/** In place of a set of authorized operations. */
const notAsked = -(2 ** 31);

export const findCoordinator = api(10, "FindCoordinator", {
  versions: [0, 5],
  flexibleFrom: 3,
  request: {
    key: string.until(3),
    keyType: int8.since(1).or(0),
    coordinatorKeys: array(string).since(4),
  },
  response: {
    throttleTimeMs: int32.since(1).or(0),
    errorCode: int16.until(3),
    errorMessage: string.since(1).until(3).nullable().or(null),
    nodeId: int32.until(3),
    host: string.until(3),
    port: int32.until(3),
    coordinators: array({
      key: string,
      nodeId: int32,
      host: string,
      port: int32,
      errorCode: int16,
      errorMessage: string.nullable().or(null),
    }).since(4),
  },
});

export const joinGroup = api(11, "JoinGroup", {
  versions: [0, 9],
  flexibleFrom: 6,
  request: {
    groupId: string,
    sessionTimeoutMs: int32,
    rebalanceTimeoutMs: int32.since(1).or(-1),
    memberId: string,
    groupInstanceId: string.since(5).nullable().or(null),
    protocolType: string,
    protocols: array({
      name: string,
      metadata: bytes,
    }),
    reason: string.since(8).nullable().or(null),
  },
  response: {
    throttleTimeMs: int32.since(2).or(0),
    errorCode: int16,
    generationId: int32.or(-1),
    protocolType: string.since(7).nullable().or(null),
    protocolName: string.nullable(7),
    leader: string,
    skipAssignment: boolean.since(9).or(false),
    memberId: string,
    members: array({
      memberId: string,
      groupInstanceId: string.since(5).nullable().or(null),
      metadata: bytes,
    }),
  },
});

export const syncGroup = api(14, "SyncGroup", {
  versions: [0, 5],
  flexibleFrom: 4,
  request: {
    groupId: string,
    generationId: int32,
    memberId: string,
    groupInstanceId: string.since(3).nullable().or(null),
    protocolType: string.since(5).nullable().or(null),
    protocolName: string.since(5).nullable().or(null),
    assignments: array({
      memberId: string,
      assignment: bytes,
    }),
  },
  response: {
    throttleTimeMs: int32.since(1).or(0),
    errorCode: int16,
    protocolType: string.since(5).nullable().or(null),
    protocolName: string.since(5).nullable().or(null),
    assignment: bytes,
  },
});

export const heartbeat = api(12, "Heartbeat", {
  versions: [0, 4],
  flexibleFrom: 4,
  request: {
    groupId: string,
    generationId: int32,
    memberId: string,
    groupInstanceId: string.since(3).nullable().or(null),
  },
  response: {
    throttleTimeMs: int32.since(1).or(0),
    errorCode: int16,
  },
});

export const leaveGroup = api(13, "LeaveGroup", {
  versions: [0, 5],
  flexibleFrom: 4,
  request: {
    groupId: string,
    memberId: string.until(2),
    members: array({
      memberId: string,
      groupInstanceId: string.nullable().or(null),
      reason: string.since(5).nullable().or(null),
    }).since(3),
  },
  response: {
    throttleTimeMs: int32.since(1).or(0),
    errorCode: int16,
    members: array({
      memberId: string,
      groupInstanceId: string.nullable(),
      errorCode: int16,
    }).since(3),
  },
});

export const offsetCommit = api(8, "OffsetCommit", {
  versions: [2, 9],
  flexibleFrom: 8,
  request: {
    groupId: string,
    generationIdOrMemberEpoch: int32.or(-1),
    memberId: string,
    groupInstanceId: string.since(7).nullable().or(null),
    retentionTimeMs: int64.until(4).or(-1),
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        committedOffset: int64,
        committedLeaderEpoch: int32.since(6).or(-1),
        committedMetadata: string.nullable(),
      }),
    }),
  },
  response: {
    throttleTimeMs: int32.since(3).or(0),
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        errorCode: int16,
      }),
    }),
  },
});

export const offsetFetch = api(9, "OffsetFetch", {
  versions: [1, 9],
  flexibleFrom: 6,
  request: {
    groupId: string.until(7),
    topics: array({
      name: string,
      partitionIndexes: array(int32),
    })
      .until(7)
      .nullable(2),
    groups: array({
      groupId: string,
      memberId: string.since(9).nullable().or(null),
      memberEpoch: int32.since(9).or(-1),
      topics: array({
        name: string,
        partitionIndexes: array(int32),
      }).nullable(),
    }).since(8),
    requireStable: boolean.since(7).or(false),
  },
  response: {
    throttleTimeMs: int32.since(3).or(0),
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        committedOffset: int64,
        committedLeaderEpoch: int32.since(5).or(-1),
        metadata: string.nullable(),
        errorCode: int16,
      }),
    }).until(7),
    errorCode: int16.since(2).until(7).or(0),
    groups: array({
      groupId: string,
      topics: array({
        name: string,
        partitions: array({
          partitionIndex: int32,
          committedOffset: int64,
          committedLeaderEpoch: int32.or(-1),
          metadata: string.nullable(),
          errorCode: int16,
        }),
      }),
      errorCode: int16.or(0),
    }).since(8),
  },
});

export const describeGroups = api(15, "DescribeGroups", {
  versions: [0, 5],
  flexibleFrom: 5,
  request: {
    groups: array(string),
    includeAuthorizedOperations: boolean.since(3),
  },
  response: {
    throttleTimeMs: int32.since(1).or(0),
    groups: array({
      errorCode: int16,
      groupId: string,
      groupState: string,
      protocolType: string,
      protocolData: string,
      members: array({
        memberId: string,
        groupInstanceId: string.since(4).nullable().or(null),
        clientId: string,
        clientHost: string,
        memberMetadata: bytes,
        memberAssignment: bytes,
      }),
      authorizedOperations: int32.since(3).or(notAsked),
    }),
  },
});

export const listGroups = api(16, "ListGroups", {
  versions: [0, 5],
  flexibleFrom: 3,
  request: {
    statesFilter: array(string).since(4),
    typesFilter: array(string).since(5),
  },
  response: {
    throttleTimeMs: int32.since(1).or(0),
    errorCode: int16,
    groups: array({
      groupId: string,
      protocolType: string,
      groupState: string.since(4),
      groupType: string.since(5),
    }),
  },
});

export const deleteGroups = api(42, "DeleteGroups", {
  versions: [0, 2],
  flexibleFrom: 2,
  request: {
    groupsNames: array(string),
  },
  response: {
    throttleTimeMs: int32.or(0),
    results: array({
      groupId: string,
      errorCode: int16,
    }),
  },
});

export const offsetDelete = api(47, "OffsetDelete", {
  versions: [0, 0],
  request: {
    groupId: string,
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
      }),
    }),
  },
  response: {
    errorCode: int16,
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
