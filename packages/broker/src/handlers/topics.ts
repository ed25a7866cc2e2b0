import { apis, ErrorCode, type RequestOf, type ResponseOf } from "@strandlog/protocol";
import { type BrokerContext, type Handler, handler } from "../context.js";
import { type Refusal, refusalOf } from "../error-codes.js";
import { createdPartitionsMax } from "../limits.js";
import { mapInTurns } from "../turns.js";

type Wanted = RequestOf<typeof apis.createTopics>["topics"][number];
type Created = ResponseOf<typeof apis.createTopics>["topics"][number];
type Deleted = ResponseOf<typeof apis.deleteTopics>["responses"][number];

const noId = "AAAAAAAAAAAAAAAAAAAAAA";

export const createTopicsHandler: Handler = handler(apis.createTopics, async ({ body }, _session, broker) => {
  const counts = body.topics.map((wanted) => Math.max(partitionsOf(wanted, broker), 0));
  const countMax = Math.max(createdPartitionsMax, broker.settings.numPartitions);
  const isModest = counts.reduce((sum, count) => sum + count, 0) <= countMax;
  const make = isModest ? create : refuseExcess;
  return { topics: await mapInTurns(body.topics, (wanted) => make(wanted, body.validateOnly, broker)) };
});

function partitionsOf({ assignments, numPartitions }: Wanted, { settings }: BrokerContext): number {
  const asked = assignments.length > 0 ? assignments.length : numPartitions;
  return asked === -1 ? settings.numPartitions : asked;
}

async function refuseExcess({ name }: Wanted): Promise<Created> {
  const errorMessage = `the request asks for more than ${createdPartitionsMax} partitions: make them in several`;
  return {
    name,
    topicId: noId,
    numPartitions: -1,
    replicationFactor: -1,
    configs: [],
    errorCode: ErrorCode.POLICY_VIOLATION,
    errorMessage,
  };
}

async function create(wanted: Wanted, validateOnly: boolean, broker: BrokerContext): Promise<Created> {
  const { name, configs } = wanted;
  const numPartitions = partitionsOf(wanted, broker);
  const place = { name, numPartitions, replicationFactor: 1, configs: [] };
  try {
    const refusal = refusalFor(wanted, numPartitions);
    if (refusal !== undefined) return { ...place, topicId: noId, ...refusal };
    if (configs.length > 0) {
      const errorMessage = `unknown topic config "${configs[0]?.name}"`;
      return { ...place, topicId: noId, errorCode: ErrorCode.INVALID_CONFIG, errorMessage };
    }
    if (validateOnly) return { ...place, topicId: noId, errorCode: ErrorCode.NONE };
    const { topicId } = await broker.topics.create(name, { partitions: numPartitions });
    return { ...place, topicId, errorCode: ErrorCode.NONE };
  } catch (error) {
    return { ...place, topicId: noId, ...refusalOf(error) };
  }
}

function refusalFor({ replicationFactor }: Wanted, numPartitions: number): Refusal | undefined {
  if (numPartitions < 1) {
    return {
      errorCode: ErrorCode.INVALID_PARTITIONS,
      errorMessage: `a topic of ${numPartitions} partitions`,
    };
  }
  if (replicationFactor > 1 || replicationFactor === 0) {
    const errorMessage = `replication factor ${replicationFactor}: there is one broker`;
    return { errorCode: ErrorCode.INVALID_REPLICATION_FACTOR, errorMessage };
  }
  return undefined;
}

export const deleteTopicsHandler: Handler = handler(
  apis.deleteTopics,
  async ({ apiVersion, body }, _session, broker) => {
    const asked = apiVersion >= 6 ? body.topics : body.topicNames.map((name) => ({ name, topicId: noId }));
    return { responses: await mapInTurns(asked, (each) => remove(each, broker)) };
  },
);

async function remove(
  { name, topicId }: { readonly name: string | null; readonly topicId: string },
  { log, topics }: BrokerContext,
): Promise<Deleted> {
  const topic = await (name === null ? topics.findById(topicId) : topics.find(name));
  if (topic === undefined) {
    const errorCode = name === null ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    return { name, topicId, errorCode };
  }
  try {
    await log.deleteTopic(topic.name);
    return { name: topic.name, topicId: topic.topicId, errorCode: ErrorCode.NONE };
  } catch (error) {
    return { name, topicId, ...refusalOf(error) };
  }
}
