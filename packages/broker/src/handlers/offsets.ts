// What groups have committed. It is kept by the log, for the library's consumers and for Kafka's clients alike.
import type { CommitPlace, Topic } from "@strandlog/log";
import { apis, ErrorCode, type RequestOf, type ResponseOf } from "@strandlog/protocol";
import { type BrokerContext, type Handler, handler } from "../context.js";
import { refusalOf } from "../error-codes.js";
import { commitMetadataBytesMax, isGroupId } from "../limits.js";

type CommitTopic = RequestOf<typeof apis.offsetCommit>["topics"][number];
type CommitTopicResponse = ResponseOf<typeof apis.offsetCommit>["topics"][number];
type FetchTopics = ResponseOf<typeof apis.offsetFetch>["topics"];
type AskedTopics = RequestOf<typeof apis.offsetFetch>["topics"];

export const offsetCommitHandler: Handler = handler(apis.offsetCommit, async ({ body }, _session, broker) => {
  const { groupId, generationIdOrMemberEpoch: generation, memberId, groupInstanceId: instanceId } = body;
  const group = broker.groups.find(groupId);
  const outside = generation < 0 ? ErrorCode.NONE : ErrorCode.ILLEGAL_GENERATION;
  const refusal = isGroupId(groupId)
    ? (group?.mayCommit({ memberId, instanceId }, generation) ?? outside)
    : ErrorCode.INVALID_GROUP_ID;
  const topics = body.topics.map((each) =>
    refusal === ErrorCode.NONE ? commit(groupId, each, broker) : refuseAll(each, refusal),
  );
  return { topics: await Promise.all(topics) };
});

async function commit(
  groupId: string,
  asked: CommitTopic,
  broker: BrokerContext,
): Promise<CommitTopicResponse> {
  const topic = await broker.topics.find(asked.name);
  if (topic === undefined) return refuseAll(asked, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  const places = new Map<number, CommitPlace>();
  const partitions = asked.partitions.map((each) => {
    const { partitionIndex, committedOffset, committedLeaderEpoch, committedMetadata } = each;
    const errorCode = commitRefusal(topic, each);
    if (errorCode === ErrorCode.NONE) {
      places.set(partitionIndex, {
        offset: committedOffset,
        ...(committedMetadata === null || committedMetadata === "" ? {} : { metadata: committedMetadata }),
        ...(committedLeaderEpoch < 0 ? {} : { leaderEpoch: committedLeaderEpoch }),
      });
    }
    return { partitionIndex, errorCode };
  });
  try {
    await topic.commit(groupId, places);
    return { name: asked.name, partitions };
  } catch (error) {
    return refuseAll(asked, refusalOf(error).errorCode);
  }
}

/** Why a place cannot be committed, if so. */
export function commitRefusal(
  topic: Topic,
  each: Pick<CommitTopic["partitions"][number], "partitionIndex" | "committedOffset" | "committedMetadata">,
): number {
  const { partitionIndex, committedOffset, committedMetadata } = each;
  if (partitionIndex < 0 || partitionIndex >= topic.partitionCount)
    return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
  if (Buffer.byteLength(committedMetadata ?? "") > commitMetadataBytesMax)
    return ErrorCode.OFFSET_METADATA_TOO_LARGE;
  return committedOffset < 0 ? ErrorCode.INVALID_COMMIT_OFFSET_SIZE : ErrorCode.NONE;
}

function refuseAll({ name, partitions }: CommitTopic, errorCode: number): CommitTopicResponse {
  return { name, partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })) };
}

export const offsetFetchHandler: Handler = handler(
  apis.offsetFetch,
  async ({ apiVersion, body }, _session, broker) => {
    const { requireStable } = body;
    if (apiVersion < 8) {
      const topics = await committed(body.groupId, body.topics, requireStable, broker);
      return { topics, errorCode: ErrorCode.NONE, groups: [] };
    }
    const groups = body.groups.map(async ({ groupId, topics }) => ({
      groupId,
      topics: await committed(groupId, topics, requireStable, broker),
      errorCode: ErrorCode.NONE,
    }));
    return { topics: [], groups: await Promise.all(groups) };
  },
);

/** Null asks for all that the group has committed. `requireStable`: not where a transaction may still change it. */
async function committed(
  groupId: string,
  asked: AskedTopics,
  requireStable: boolean,
  broker: BrokerContext,
): Promise<FetchTopics> {
  const isOpen = (topic: Topic | undefined, partition: number): boolean =>
    requireStable && topic !== undefined && broker.transactions.isPending(groupId, topic.topicId, partition);
  if (asked === null) {
    const all = (await broker.topics.all()).map((topic) =>
      committedIn(topic.name, topic, groupId, undefined, isOpen),
    );
    return (await Promise.all(all)).filter(({ partitions }) => partitions.length > 0);
  }
  return Promise.all(
    asked.map(async ({ name, partitionIndexes }) =>
      committedIn(name, await broker.topics.find(name), groupId, partitionIndexes, isOpen),
    ),
  );
}

async function committedIn(
  name: string,
  topic: Topic | undefined,
  groupId: string,
  asked: readonly number[] | undefined,
  isOpen: (topic: Topic | undefined, partition: number) => boolean,
): Promise<FetchTopics[number]> {
  const places = isGroupId(groupId) ? await topic?.committed(groupId) : undefined;
  const partitions = (asked ?? [...(places?.keys() ?? [])]).map((partitionIndex) => {
    if (isOpen(topic, partitionIndex)) {
      const errorCode = ErrorCode.UNSTABLE_OFFSET_COMMIT;
      return { partitionIndex, committedOffset: -1, committedLeaderEpoch: -1, metadata: "", errorCode };
    }
    const place = places?.get(partitionIndex);
    return {
      partitionIndex,
      committedOffset: place?.offset ?? -1,
      committedLeaderEpoch: place?.leaderEpoch ?? -1,
      metadata: place?.metadata ?? "",
      errorCode: ErrorCode.NONE,
    };
  });
  return { name, partitions };
}
