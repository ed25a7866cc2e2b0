import { type Topic, topicConfig } from "@strandlog/log";
import { apis, ErrorCode, type RequestOf, type ResponseOf, zeroUuid } from "@strandlog/protocol";
import { type BrokerContext, type Handler, handler } from "../context.js";
import { configRefusalOf, type Refusal, refusalOf } from "../error-codes.js";
import { createdPartitionsMax } from "../limits.js";
import { type ConfigEntry, configEntries, configSources, parseChanges } from "../topic-configs.js";
import { mapInTurns } from "../turns.js";

type Wanted = RequestOf<typeof apis.createTopics>["topics"][number];
type Created = ResponseOf<typeof apis.createTopics>["topics"][number];
type Deleted = ResponseOf<typeof apis.deleteTopics>["responses"][number];

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
    topicId: zeroUuid,
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
    if (refusal !== undefined) return { ...place, topicId: zeroUuid, ...refusal };
    const changes = new Map(configs.map(({ name: config, value }) => [config, value]));
    const { topicDefaults } = broker.settings;
    const asked = { ...parseChanges(changes, topicDefaults), partitions: numPartitions };
    const config = topicConfig(asked, topicDefaults);
    const described = {
      ...place,
      configs: configEntries(config, topicDefaults).map(createdEntry),
      errorCode: ErrorCode.NONE,
    };
    if (validateOnly) return { ...described, topicId: zeroUuid, ...(await nameRefusal(name, broker)) };
    return { ...described, topicId: (await broker.topics.create(name, config)).topicId };
  } catch (error) {
    return { ...place, topicId: zeroUuid, ...configRefusalOf(error) };
  }
}

/** Whether a topic of that name could be made. */
async function nameRefusal(name: string, { log }: BrokerContext): Promise<Refusal | undefined> {
  if (!(await log.hasTopic(name))) return undefined;
  return { errorCode: ErrorCode.TOPIC_ALREADY_EXISTS, errorMessage: `the topic "${name}" exists already` };
}

function createdEntry({ name, value, isReadOnly, setBy }: ConfigEntry) {
  return { name, value, readOnly: isReadOnly, configSource: configSources[setBy], isSensitive: false };
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
    const asked =
      apiVersion >= 6 ? body.topics : body.topicNames.map((name) => ({ name, topicId: zeroUuid }));
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

export const createPartitionsHandler: Handler = handler(
  apis.createPartitions,
  async ({ body }, _session, broker) => ({
    results: await Promise.all(
      body.topics.map(async ({ name, count }) => ({
        name,
        ...(await grow(name, count, body.validateOnly, broker)),
      })),
    ),
  }),
);

async function grow(
  name: string,
  count: number,
  validateOnly: boolean,
  { topics }: BrokerContext,
): Promise<Partial<Refusal> & Pick<Refusal, "errorCode">> {
  const topic = await topics.find(name);
  if (topic === undefined) return { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION };
  if (count <= topic.partitionCount) {
    const errorMessage = `the topic has ${topic.partitionCount} partitions: their number can only grow`;
    return { errorCode: ErrorCode.INVALID_PARTITIONS, errorMessage };
  }
  try {
    const changes = { partitions: count };
    if (validateOnly) topicConfig(changes, topic.config);
    else await topic.alter(changes);
    return { errorCode: ErrorCode.NONE };
  } catch (error) {
    return { ...refusalOf(error), errorCode: ErrorCode.INVALID_PARTITIONS };
  }
}

export const deleteRecordsHandler: Handler = handler(
  apis.deleteRecords,
  async ({ body }, _session, broker) => {
    const topics = body.topics.map(async ({ name, partitions }) => {
      const topic = await broker.topics.find(name);
      const answers = partitions.map(({ partitionIndex, offset }) =>
        deleteBefore(topic, partitionIndex, offset),
      );
      return { name, partitions: await Promise.all(answers) };
    });
    return { topics: await Promise.all(topics) };
  },
);

/** Offset −1: all that there is. */
async function deleteBefore(topic: Topic | undefined, partitionIndex: number, offset: number) {
  if (topic === undefined) {
    return { partitionIndex, lowWatermark: -1, errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION };
  }
  try {
    if (offset < -1) return { partitionIndex, lowWatermark: -1, errorCode: ErrorCode.OFFSET_OUT_OF_RANGE };
    const partition = topic.partition(partitionIndex);
    await partition.deleteRecords(offset === -1 ? "latest" : offset);
    const { logStartOffset: lowWatermark } = await partition.describe();
    return { partitionIndex, lowWatermark, errorCode: ErrorCode.NONE };
  } catch (error) {
    return { partitionIndex, lowWatermark: -1, errorCode: refusalOf(error).errorCode };
  }
}
