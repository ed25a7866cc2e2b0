// What a client asks first: which versions, which brokers, which topics.
import { api, array, boolean, int8, int16, int32, int64, string, uuid } from "../schema.js";

/** In place of a set of authorized operations. */
const notAsked = -(2 ** 31);

export const metadata = api(3, "Metadata", {
  versions: [0, 12],
  flexibleFrom: 9,
  request: {
    topics: array({
      topicId: uuid.since(10),
      name: string.nullable(10),
    }).nullable(1),
    allowAutoTopicCreation: boolean.since(4).or(true),
    includeClusterAuthorizedOperations: boolean.since(8).until(10),
    includeTopicAuthorizedOperations: boolean.since(8),
  },
  response: {
    throttleTimeMs: int32.since(3).or(0),
    brokers: array({
      nodeId: int32,
      host: string,
      port: int32,
      rack: string.since(1).nullable().or(null),
    }),
    clusterId: string.since(2).nullable().or(null),
    controllerId: int32.since(1).or(-1),
    topics: array({
      errorCode: int16,
      name: string.nullable(12),
      topicId: uuid.since(10),
      isInternal: boolean.since(1).or(false),
      partitions: array({
        errorCode: int16,
        partitionIndex: int32,
        leaderId: int32,
        leaderEpoch: int32.since(7).or(-1),
        replicaNodes: array(int32),
        isrNodes: array(int32),
        offlineReplicas: array(int32).since(5),
      }),
      topicAuthorizedOperations: int32.since(8).or(notAsked),
    }),
    clusterAuthorizedOperations: int32.since(8).until(10).or(notAsked),
  },
});

export const describeCluster = api(60, "DescribeCluster", {
  versions: [0, 1],
  flexibleFrom: 0,
  request: {
    includeClusterAuthorizedOperations: boolean,
    endpointType: int8.since(1).or(1),
  },
  response: {
    throttleTimeMs: int32.or(0),
    errorCode: int16,
    errorMessage: string.nullable().or(null),
    endpointType: int8.since(1).or(1),
    clusterId: string,
    controllerId: int32.or(-1),
    brokers: array({
      brokerId: int32,
      host: string,
      port: int32,
      rack: string.nullable().or(null),
    }),
    clusterAuthorizedOperations: int32.or(notAsked),
  },
});

export const apiVersions = api(18, "ApiVersions", {
  versions: [0, 4],
  flexibleFrom: 3,
  request: {
    clientSoftwareName: string.since(3),
    clientSoftwareVersion: string.since(3),
  },
  response: {
    errorCode: int16,
    apiKeys: array({
      apiKey: int16,
      minVersion: int16,
      maxVersion: int16,
    }),
    throttleTimeMs: int32.since(1).or(0),
    supportedFeatures: array({
      name: string,
      minVersion: int16,
      maxVersion: int16,
    })
      .since(3)
      .or([])
      .tagged(0),
    finalizedFeaturesEpoch: int64.since(3).or(-1).tagged(1),
    finalizedFeatures: array({
      name: string,
      maxVersionLevel: int16,
      minVersionLevel: int16,
    })
      .since(3)
      .or([])
      .tagged(2),
    zkMigrationReady: boolean.since(3).or(false).tagged(3),
  },
});
