// @platformatic/kafka 1.35.0: the flexible versions, and the last ones before.
import { after, before } from "node:test";
import { createRecordsBatch, type RecordsBatch } from "@platformatic/kafka";
import type { apis, RequestOf } from "@strandlog/protocol";
import { type SampleRecord, testAgainst } from "./oracle.js";
import { close, connect, receiveResponse, sendRequest, versionsOf } from "./platformatic-connection.js";
import { type ApiName, each, type Struct, toOurs, toTheirs, type Words } from "./samples.js";

before(connect);
after(close);

type Fields<Name extends ApiName> = readonly (keyof RequestOf<(typeof apis)[Name]>)[];

/** The arguments of its requests, or what makes them. */
const argumentsOf: {
  readonly [Name in ApiName]: Fields<Name> | ((request: Struct) => readonly unknown[]);
} = {
  addOffsetsToTxn: ["transactionalId", "producerId", "producerEpoch", "groupId"],
  addPartitionsToTxn: (request) => [[request]],
  alterConfigs: ["resources", "validateOnly"],
  alterUserScramCredentials: ["deletions", "upsertions"],
  apiVersions: ["clientSoftwareName", "clientSoftwareVersion"],
  createAcls: ["creations"],
  createPartitions: ["topics", "timeoutMs", "validateOnly"],
  createTopics: ["topics", "timeoutMs", "validateOnly"],
  deleteAcls: ["filters"],
  deleteGroups: ["groupsNames"],
  deleteRecords: ["topics", "timeoutMs"],
  deleteTopics: ["topics", "timeoutMs"],
  describeAcls: (request) => [request],
  describeCluster: ["includeClusterAuthorizedOperations", "endpointType"],
  describeConfigs: ["resources", "includeSynonyms", "includeDocumentation"],
  describeGroups: ["groups", "includeAuthorizedOperations"],
  describeLogDirs: ["topics"],
  describeUserScramCredentials: ["users"],
  endTxn: ["transactionalId", "producerId", "producerEpoch", "committed"],
  fetch: [
    "maxWaitMs",
    "minBytes",
    "maxBytes",
    "isolationLevel",
    "sessionId",
    "sessionEpoch",
    "topics",
    "forgottenTopicsData",
    "rackId",
  ],
  findCoordinator: ["keyType", "coordinatorKeys"],
  heartbeat: ["groupId", "generationId", "memberId", "groupInstanceId"],
  incrementalAlterConfigs: ["resources", "validateOnly"],
  initProducerId: ["transactionalId", "transactionTimeoutMs", "producerId", "producerEpoch"],
  joinGroup: [
    "groupId",
    "sessionTimeoutMs",
    "rebalanceTimeoutMs",
    "memberId",
    "groupInstanceId",
    "protocolType",
    "protocols",
    "reason",
  ],
  leaveGroup: ["groupId", "members"],
  listGroups: ["statesFilter", "typesFilter"],
  listOffsets: ["replicaId", "isolationLevel", "topics"],
  metadata: ({ topics, allowAutoTopicCreation, includeTopicAuthorizedOperations }) => [
    topics && each(topics).map(({ name }) => name),
    allowAutoTopicCreation,
    includeTopicAuthorizedOperations,
  ],
  offsetCommit: ["groupId", "generationIdOrMemberEpoch", "memberId", "groupInstanceId", "topics"],
  offsetDelete: ["groupId", "topics"],
  offsetFetch: ["groups", "requireStable"],
  offsetForLeaderEpoch: ["replicaId", "topics"],
  produce: ({ acks, timeoutMs, topicData, transactionalId }) => {
    const messages = each(topicData).flatMap(({ name, partitionData }) =>
      each(partitionData).map(({ index }) => ({ ...message, topic: name, partition: index })),
    );
    return [acks, timeoutMs, messages, { transactionalId }];
  },
  saslAuthenticate: ["authBytes"],
  saslHandshake: ["mechanism"],
  syncGroup: [
    "groupId",
    "generationId",
    "memberId",
    "groupInstanceId",
    "protocolType",
    "protocolName",
    "assignments",
  ],
  txnOffsetCommit: [
    "transactionalId",
    "groupId",
    "producerId",
    "producerEpoch",
    "generationId",
    "memberId",
    "groupInstanceId",
    "topics",
  ],
};

const message = { key: Buffer.from("key"), value: Buffer.from("value"), timestamp: 1_700_000_000_000n };

const words: Words = {
  names: {
    hostFilter: ["host"],
    partition: ["partitionIndex"],
    patternType: ["resourcePatternType"],
    patternTypeFilter: ["resourcePatternType"],
    principalFilter: ["principal"],
    resourceNameFilter: ["resourceName"],
    resourceTypeFilter: ["resourceType"],
    topic: ["name", "topicId"],
    topicId: ["topic"],
  },
  toTheirs({ kind }, value) {
    if (value === null) return null;
    if (kind === "int64") return BigInt(value as number);
    if (kind === "uuid") return Buffer.from(value as string, "base64url").toString("hex");
    return value;
  },
  recordsToOurs(theirs) {
    if (theirs === undefined) return null;
    return (theirs as RecordsBatch[]).flatMap(({ firstOffset, firstTimestamp, records }) =>
      records.map(
        ({ offsetDelta, timestampDelta, key, value }): SampleRecord => ({
          offset: Number(firstOffset) + offsetDelta,
          timestamp: Number(firstTimestamp + timestampDelta),
          key: key?.toString("hex") ?? null,
          value: value?.toString("hex") ?? null,
        }),
      ),
    );
  },
};

const noTopic = Buffer.alloc(16).toString("base64url");

testAgainst({
  name: "@platformatic/kafka",
  versionsOf,

  adjust({ name, version }, request) {
    switch (name) {
      case "fetch": {
        const topics = each(request["topics"]).map((topic) => ({
          ...topic,
          partitions: each(topic["partitions"]).map((partition) => ({ ...partition, logStartOffset: -1 })),
        }));
        // It writes ids where version 12 has names.
        const forgottenTopicsData = version === 12 ? [] : request["forgottenTopicsData"];
        return { ...request, replicaId: -1, topics, forgottenTopicsData };
      }
      case "listGroups":
        return { ...request, statesFilter: ["Stable", "Empty"] }; // it changes others
      case "metadata": {
        const topics =
          request["topics"] && each(request["topics"]).map((topic) => ({ ...topic, topicId: noTopic }));
        return { ...request, topics, includeClusterAuthorizedOperations: false };
      }
      case "produce": {
        const { transactionalId } = request;
        const batch = createRecordsBatch([{ ...message, topic: "" }], { transactionalId } as object);
        const topicData = each(request["topicData"]).map((topic) => ({
          ...topic,
          partitionData: each(topic["partitionData"]).map(({ index }) => ({ index, records: batch.buffer })),
        }));
        return { ...request, topicData };
      }
      default:
        return request;
    }
  },

  writeRequest(at, request) {
    const given = toTheirs(words, at.api.request.shape, at.version, request) as Struct;
    const fields = argumentsOf[at.name];
    const args = typeof fields === "function" ? fields(given) : fields.map((field) => given[field]);
    return sendRequest(at, args);
  },

  async readResponse(at, respond) {
    const read = (await receiveResponse(at, respond)) as Struct;
    return toOurs(words, at.api.response.shape, at.version, flat(at.name, read));
  },

  faults: {
    "alterUserScramCredentials request 0": {
      it: "ends with a tagged section too many",
      error: /strictly equal/,
    },
    "describeConfigs request 2": {
      it: "asks for documentation, as only version 3 can",
      error: /strictly equal/,
    },
    "describeConfigs response 2": {
      it: "expects types and documentation, which come with version 3",
      error: /Out of bounds/,
    },
    "metadata request 11": {
      it: "asks for what may be done to the cluster, as only versions 8 to 10 can",
      error: /1 bytes should follow/,
    },
    "metadata response 9": {
      it: "takes what may be done to the cluster for a boolean",
      error: /^AssertionError.*: 3 bytes are left/,
    },
    "metadata response 10": {
      it: "takes what may be done to the cluster for a boolean",
      error: /^AssertionError.*: 3 bytes are left/,
    },
    "metadata response 11": {
      it: "expects what may be done to the cluster, which ends with version 10",
      error: /^AssertionError.*: -1 bytes are left/,
    },
    "offsetForLeaderEpoch response 4": {
      it: "expects the error code behind the partition",
      error: /protocolErrors/, // that has no such code
    },
  },
  agreed: { request: 72, response: 70 },
});

/** It reads as the later versions are, with many transactions. */
function flat(name: ApiName, read: Struct): Struct {
  if (name !== "addPartitionsToTxn") return read;
  return { ...read, resultsByTopic: each(read["resultsByTransaction"])[0]?.["topicResults"] };
}
