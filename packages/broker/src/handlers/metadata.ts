import type { Topic } from "@strandlog/log";
import { apis, ErrorCode, type RequestOf, type ResponseOf, zeroUuid } from "@strandlog/protocol";
import { type BrokerContext, type Handler, handler } from "../context.js";
import { type Refusal, refusalOf } from "../error-codes.js";
import { createdPartitionsMax } from "../limits.js";
import { mapInTurns } from "../turns.js";

type Body = ResponseOf<typeof apis.metadata>;
type Described = Body["topics"][number];
type Asked = NonNullable<RequestOf<typeof apis.metadata>["topics"]>[number];

export const metadataHandler: Handler = handler(
  apis.metadata,
  async ({ apiVersion, body }, { advertised }, broker): Promise<Body> => {
    const { nodeId, numPartitions } = broker.settings;
    const isAll = body.topics === null || (apiVersion === 0 && body.topics.length === 0);
    const asked = unique(body.topics ?? []);
    const isModest = asked.length * numPartitions <= Math.max(createdPartitionsMax, numPartitions);
    const mayCreate = isModest && (apiVersion < 4 || body.allowAutoTopicCreation);
    const topics = isAll
      ? (await broker.topics.all()).map((topic) => described(topic, broker))
      : await mapInTurns(asked, (each) => describe(each, mayCreate, broker));
    return {
      brokers: [{ nodeId, ...advertised }],
      clusterId: broker.clusterId,
      controllerId: nodeId,
      topics,
    };
  },
);

/** A topic that is asked for again and again is described once: its partitions may be very many. */
function unique(all: readonly Asked[]): readonly Asked[] {
  return [...new Map(all.map((asked) => [asked.name ?? `/${asked.topicId}`, asked])).values()];
}

async function describe(
  { name, topicId }: Asked,
  mayCreate: boolean,
  broker: BrokerContext,
): Promise<Described> {
  if (name === null) {
    const topic = await broker.topics.findById(topicId);
    if (topic !== undefined) return described(topic, broker);
    return { errorCode: ErrorCode.UNKNOWN_TOPIC_ID, name, topicId, partitions: [] };
  }
  try {
    const topic = (await broker.topics.find(name)) ?? (mayCreate ? await create(name, broker) : undefined);
    if (topic !== undefined) return described(topic, broker);
    return missing(name, { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION });
  } catch (error) {
    return missing(name, refusalOf(error));
  }
}

/** Somebody else may have made it meanwhile. */
async function create(name: string, { topics, settings }: BrokerContext): Promise<Topic | undefined> {
  if (!settings.autoCreateTopics) return undefined;
  const config = { ...settings.topicDefaults, partitions: settings.numPartitions };
  return topics.create(name, config).catch(async (error: unknown) => {
    const made = await topics.find(name);
    if (made === undefined) throw error;
    return made;
  });
}

function described({ name, topicId, partitionCount }: Topic, { log, settings }: BrokerContext): Described {
  const { nodeId } = settings;
  const { leaderEpoch } = log.storage;
  return {
    errorCode: ErrorCode.NONE,
    name,
    topicId,
    partitions: Array.from({ length: partitionCount }, (_, partitionIndex) => ({
      errorCode: ErrorCode.NONE,
      partitionIndex,
      leaderId: nodeId,
      leaderEpoch,
      replicaNodes: [nodeId],
      isrNodes: [nodeId],
      offlineReplicas: [],
    })),
  };
}

function missing(name: string, { errorCode }: Pick<Refusal, "errorCode">): Described {
  return { errorCode, name, topicId: zeroUuid, partitions: [] };
}
