// kafkajs 2.2.4: the versions before the flexible ones.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import type { Api } from "@strandlog/protocol";
import { clientId, type Oracle, type SampleRecord, testAgainst } from "./oracle.js";
import { type ApiName, each, type Struct, toOurs, toTheirs, type Words } from "./samples.js";

interface Encoder {
  readonly buffer: Buffer;
}

/** A request to be encoded, and what decodes the response to it. */
interface Exchange {
  readonly request: object;
  readonly response: { decode(payload: Buffer): Promise<Struct> };
}

interface Definition {
  readonly versions: readonly string[];
  protocol(of: { version: number }): (options: unknown) => Exchange;
}

interface Message {
  readonly offset: string;
  readonly timestamp: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}

const require = createRequire(import.meta.url);
const apiKeys = require("kafkajs/src/protocol/requests/apiKeys.js") as Record<string, number>;
const { requests } = require("kafkajs/src/protocol/requests/index.js") as {
  requests: Record<string, Definition>;
};
const encodeFrame = require("kafkajs/src/protocol/request.js") as (of: {
  correlationId: number;
  clientId: string;
  request: object;
}) => Promise<Encoder>;
const encodeRecord = require("kafkajs/src/protocol/recordBatch/record/v0/index.js") as (of: object) => object;
const { RecordBatch } = require("kafkajs/src/protocol/recordBatch/v0/index.js") as {
  RecordBatch(of: object): Promise<Encoder>;
};

/** It has names for APIs that it does not implement, with no versions. */
function definitionOf({ key }: Api): Definition {
  const name = Object.keys(apiKeys).find((each) => apiKeys[each] === key) ?? "";
  return requests[name] ?? { versions: [], protocol: () => assert.fail("not implemented") };
}

const words: Words = {
  names: {
    apiKeys: ["apiVersions"],
    assignment: ["memberAssignment"],
    assignments: ["replicaAssignment", "groupAssignment"],
    brokerIds: ["replicas"],
    committed: ["transactionResult"],
    committedMetadata: ["metadata"],
    committedOffset: ["offset"],
    configs: ["configEntries"],
    configurationKeys: ["configNames"],
    errorCode: ["topicErrorCode", "partitionErrorCode"],
    filterResults: ["filterResponses"],
    forgottenTopicsData: ["forgottenTopics"],
    generationId: ["groupGenerationId"],
    generationIdOrMemberEpoch: ["groupGenerationId"],
    groups: ["groupIds"],
    groupState: ["state"],
    hostFilter: ["host"],
    index: ["partition"],
    isrNodes: ["isr"],
    key: ["groupId", "coordinatorKey"],
    keyType: ["coordinatorType"],
    leader: ["leaderId"],
    leaderId: ["leader"],
    logAppendTimeMs: ["logAppendTime"],
    logStartOffset: ["lastStartOffset"],
    maxWaitMs: ["maxWaitTime"],
    mechanisms: ["enabledMechanisms"],
    metadata: ["memberMetadata"],
    name: ["topic", "topicName", "configName"],
    partitionErrorCode: ["errorCode"],
    partitionIndex: ["partition", "partitionId"],
    partitionMaxBytes: ["maxBytes"],
    partitionResponses: ["partitions"],
    partitions: ["partitionMetadata"],
    patternType: ["resourcePatternType"],
    patternTypeFilter: ["resourcePatternType"],
    principalFilter: ["principal"],
    protocolData: ["protocol"],
    protocolName: ["groupProtocol"],
    protocols: ["groupProtocols"],
    rebalanceTimeoutMs: ["rebalanceTimeout"],
    records: ["messages"],
    replicaNodes: ["replicas"],
    resourceName: ["name"],
    resourceNameFilter: ["resourceName"],
    resourceType: ["type"],
    resourceTypeFilter: ["resourceType"],
    responses: ["topics", "topicErrors", "resources"],
    results: ["topicErrors", "resources", "creationResponses"],
    resultsByPartition: ["partitionErrors"],
    resultsByTopic: ["errors"],
    retentionTimeMs: ["retentionTime"],
    sessionTimeoutMs: ["sessionTimeout"],
    source: ["configSource"],
    synonyms: ["configSynonyms"],
    throttleTimeMs: ["clientSideThrottleTime", "throttleTimeMs", "throttleTime"],
    timeoutMs: ["timeout"],
    topic: ["topicName"],
    topicNames: ["topics"],
    topics: ["topicPartitions", "responses", "topicMetadata", "topicErrors"],
    transactionTimeoutMs: ["transactionTimeout"],
    value: ["configValue"],
  },
  // It writes null for an empty array, where null may be.
  toTheirs: ({ kind }, value) => (kind === "array" && value === null ? [] : value),
  recordsToOurs(theirs) {
    const messages = theirs as readonly Message[];
    if (messages.length === 0) return null;
    return messages.map(
      ({ offset, timestamp, key, value }): SampleRecord => ({
        offset: Number(offset),
        timestamp: Number(timestamp),
        key: key?.toString("hex") ?? null,
        value: value?.toString("hex") ?? null,
      }),
    );
  },
};

const message = { key: Buffer.from("key"), value: Buffer.from("value"), timestamp: 1_700_000_000_000 };

/** Requests that take other options than the fields by their names. */
const optionsOf: { readonly [Name in ApiName]?: (request: Struct) => unknown } = {
  createPartitions: ({ topics, ...rest }) => ({
    ...rest,
    topicPartitions: each(topics).map((topic) => ({
      ...topic,
      assignments: each(topic["assignments"]).map(({ brokerIds }) => brokerIds),
    })),
  }),
  deleteGroups: ({ groupsNames }) => groupsNames,
  leaveGroup: ({ members, ...rest }) => ({ ...rest, ...each(members ?? [])[0] }),
  metadata: ({ topics, ...rest }) => ({ ...rest, topics: each(topics).map(({ name }) => name) }),
  offsetFetch: ({ topics, ...rest }) => ({
    ...rest,
    topics: each(topics).map(({ topic, partitionIndexes }) => ({
      topic,
      partitions: (partitionIndexes as number[]).map((partition) => ({ partition })),
    })),
  }),
  produce: ({ topicData, ...rest }) => ({
    ...rest,
    topicData: each(topicData).map(({ topic, partitionData }) => ({
      topic,
      partitions: each(partitionData).map(({ partition }) => ({ partition, messages: [message] })),
    })),
  }),
  saslAuthenticate: ({ authBytes }) => ({ authBytes: withLength(authBytes as Buffer) }),
};

/** The mechanisms of SASL bring the length with them. */
function withLength(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

const oracle: Oracle = {
  name: "kafkajs",
  versionsOf: (api) => definitionOf(api).versions.map(Number),

  async adjust({ name, version }, request) {
    const { members, topics } = request;
    if (name === "leaveGroup" && version >= 3) return { ...request, members: each(members).slice(0, 1) };
    if (name === "offsetFetch" && version === 2) return { ...request, topics: topics ?? [] };
    if (name === "produce") return { ...request, topicData: await withBatches(request) };
    return request;
  },

  async writeRequest({ name, api, version }, request) {
    const given = toTheirs(words, api.request.shape, version, request) as Struct;
    const options = optionsOf[name]?.(given) ?? given;
    const { request: written } = definitionOf(api).protocol({ version })(options);
    const { buffer } = await encodeFrame({ correlationId: 77, clientId, request: written });
    assert.equal(buffer.readInt32BE(0), buffer.length - 4);
    return buffer.subarray(4);
  },

  async readResponse({ name, api, version }, respond) {
    const response = respond(77);
    assert.equal(response.readInt32BE(0), response.length - 4);
    assert.equal(response.readInt32BE(4), 77);
    const exchange = definitionOf(api).protocol({ version })({});
    const read = await exchange.response.decode(response.subarray(8));
    // It does not tell how far it has read. If not to the last byte, it would not be missing.
    const cut = exchange.response.decode(response.subarray(8, -1)).catch((error: unknown) => error);
    assert.notDeepEqual(await cut, read);
    return toOurs(words, api.response.shape, version, flat(name, read));
  },

  faults: {},
  agreed: { request: 91, response: 91 },
};

async function withBatches(request: Struct): Promise<readonly Struct[]> {
  const batch = await RecordBatch({
    firstTimestamp: message.timestamp,
    maxTimestamp: message.timestamp,
    transactional: request["transactionalId"] !== null,
    records: [encodeRecord(message)],
  });
  return each(request["topicData"]).map(({ name, partitionData }) => ({
    name,
    partitionData: each(partitionData).map(({ index }) => ({ index, records: batch.buffer })),
  }));
}

function flat(name: ApiName, read: Struct): Struct {
  const { coordinator, authBytes } = read;
  if (name === "findCoordinator") return { ...read, ...(coordinator as Struct) };
  if (name === "saslAuthenticate") return { ...read, authBytes: (authBytes as Buffer).subarray(4) };
  return read;
}

testAgainst(oracle);
