// Topics, partitions, configurations and directories, as administrators see them.
import { api, array, boolean, int8, int16, int32, int64, string, uuid } from "../schema.js";

export const createTopics = api(19, "CreateTopics", {
  versions: [2, 7],
  flexibleFrom: 5,
  request: {
    topics: array({
      name: string,
      numPartitions: int32,
      replicationFactor: int16,
      assignments: array({
        partitionIndex: int32,
        brokerIds: array(int32),
      }),
      configs: array({
        name: string,
        value: string.nullable(),
      }),
    }),
    timeoutMs: int32.or(60_000),
    validateOnly: boolean.or(false),
  },
  response: {
    throttleTimeMs: int32.or(0),
    topics: array({
      name: string,
      topicId: uuid.since(7),
      errorCode: int16,
      errorMessage: string.nullable().or(null),
      topicConfigErrorCode: int16.since(5).or(0).tagged(0),
      numPartitions: int32.since(5).or(-1),
      replicationFactor: int16.since(5).or(-1),
      configs: array({
        name: string,
        value: string.nullable(),
        readOnly: boolean,
        configSource: int8.or(-1),
        isSensitive: boolean,
      })
        .since(5)
        .nullable(),
    }),
  },
});

export const deleteTopics = api(20, "DeleteTopics", {
  versions: [1, 6],
  flexibleFrom: 4,
  request: {
    topics: array({
      name: string.nullable().or(null),
      topicId: uuid,
    }).since(6),
    topicNames: array(string).until(5),
    timeoutMs: int32,
  },
  response: {
    throttleTimeMs: int32.or(0),
    responses: array({
      name: string.nullable(6),
      topicId: uuid.since(6),
      errorCode: int16,
      errorMessage: string.since(5).nullable().or(null),
    }),
  },
});

export const createPartitions = api(37, "CreatePartitions", {
  versions: [0, 3],
  flexibleFrom: 2,
  request: {
    topics: array({
      name: string,
      count: int32,
      assignments: array({
        brokerIds: array(int32),
      }).nullable(),
    }),
    timeoutMs: int32,
    validateOnly: boolean,
  },
  response: {
    throttleTimeMs: int32.or(0),
    results: array({
      name: string,
      errorCode: int16,
      errorMessage: string.nullable().or(null),
    }),
  },
});

export const deleteRecords = api(21, "DeleteRecords", {
  versions: [0, 2],
  flexibleFrom: 2,
  request: {
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        offset: int64,
      }),
    }),
    timeoutMs: int32,
  },
  response: {
    throttleTimeMs: int32.or(0),
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        lowWatermark: int64,
        errorCode: int16,
      }),
    }),
  },
});

export const describeConfigs = api(32, "DescribeConfigs", {
  versions: [1, 4],
  flexibleFrom: 4,
  request: {
    resources: array({
      resourceType: int8,
      resourceName: string,
      configurationKeys: array(string).nullable(),
    }),
    includeSynonyms: boolean.or(false),
    includeDocumentation: boolean.since(3).or(false),
  },
  response: {
    throttleTimeMs: int32.or(0),
    results: array({
      errorCode: int16,
      errorMessage: string.nullable().or(null),
      resourceType: int8,
      resourceName: string,
      configs: array({
        name: string,
        value: string.nullable(),
        readOnly: boolean,
        configSource: int8.or(-1),
        isSensitive: boolean,
        synonyms: array({
          name: string,
          value: string.nullable(),
          source: int8,
        }),
        configType: int8.since(3).or(0),
        documentation: string.since(3).nullable(),
      }),
    }),
  },
});

export const alterConfigs = api(33, "AlterConfigs", {
  versions: [0, 2],
  flexibleFrom: 2,
  request: {
    resources: array({
      resourceType: int8,
      resourceName: string,
      configs: array({
        name: string,
        value: string.nullable(),
      }),
    }),
    validateOnly: boolean,
  },
  response: {
    throttleTimeMs: int32.or(0),
    responses: array({
      errorCode: int16,
      errorMessage: string.nullable().or(null),
      resourceType: int8,
      resourceName: string,
    }),
  },
});

export const incrementalAlterConfigs = api(44, "IncrementalAlterConfigs", {
  versions: [0, 1],
  flexibleFrom: 1,
  request: {
    resources: array({
      resourceType: int8,
      resourceName: string,
      configs: array({
        name: string,
        configOperation: int8,
        value: string.nullable(),
      }),
    }),
    validateOnly: boolean,
  },
  response: {
    throttleTimeMs: int32.or(0),
    responses: array({
      errorCode: int16,
      errorMessage: string.nullable().or(null),
      resourceType: int8,
      resourceName: string,
    }),
  },
});

export const describeLogDirs = api(35, "DescribeLogDirs", {
  versions: [1, 4],
  flexibleFrom: 2,
  request: {
    topics: array({
      topic: string,
      partitions: array(int32),
    }).nullable(),
  },
  response: {
    throttleTimeMs: int32.or(0),
    errorCode: int16.since(3),
    results: array({
      errorCode: int16,
      logDir: string,
      topics: array({
        name: string,
        partitions: array({
          partitionIndex: int32,
          partitionSize: int64,
          offsetLag: int64,
          isFutureKey: boolean,
        }),
      }),
      totalBytes: int64.since(4).or(-1),
      usableBytes: int64.since(4).or(-1),
    }),
  },
});
