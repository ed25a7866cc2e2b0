// Produce: each batch is checked, given its place, and stored as it came. All partitions are submitted at once, in the
// order of arrival; then one wait for all of them.
import type { Durability, Topic } from "@strandlog/log";
import { apis, ErrorCode, type RequestOf, type ResponseOf } from "@strandlog/protocol";
import { type Answer, type BrokerContext, type Handler, handler, underway } from "../context.js";
import { type Refusal, recordRefusalOf } from "../error-codes.js";
import { appendTimeOf, batchRefusal, owned, transactionalProducer } from "../produced-batch.js";
import { mapInTurns } from "../turns.js";

type Body = RequestOf<typeof apis.produce>;
type TopicData = Body["topicData"][number];
type PartitionData = TopicData["partitionData"][number];
type Responses = ResponseOf<typeof apis.produce>["responses"];
type PartitionResponse = Responses[number]["partitionResponses"][number];

const twice = "the request names the partition twice";

interface Submitted {
  readonly name: string;
  readonly partitions: readonly Promise<PartitionResponse>[];
}

export const produceHandler: Handler = handler(
  apis.produce,
  async ({ body }, _session, broker): Promise<Answer<ResponseOf<typeof apis.produce>>> => {
    const { acks, topicData } = body;
    // Whatever has to be looked up is looked up before the first append, so that they stay in order.
    const topics = await mapInTurns(topicData, ({ name }) => broker.topics.find(name));
    const named = new Set<string>();
    const submitted = topicData.map((data, n) => submit(data, topics[n], acks, named, broker));
    return underway(acks === 0 ? unanswered(submitted) : answered(submitted));
  },
  0,
);

/** `named`: the partitions that the request has named before. */
function submit(
  { name, partitionData }: TopicData,
  topic: Topic | undefined,
  acks: number,
  named: Set<string>,
  broker: BrokerContext,
): Submitted {
  const partitions = partitionData.map((data) => {
    const place = `${name}/${data.index}`;
    if (named.has(place))
      return refused(data.index, { errorCode: ErrorCode.INVALID_REQUEST, errorMessage: twice });
    named.add(place);
    return append(data, topic, acks, broker);
  });
  return { name, partitions };
}

async function append(
  { index, records }: PartitionData,
  topic: Topic | undefined,
  acks: number,
  { transactions }: BrokerContext,
): Promise<PartitionResponse> {
  if (acks < -1 || acks > 1)
    return refused(index, { errorCode: ErrorCode.INVALID_REQUIRED_ACKS, errorMessage: null });
  if (topic === undefined) {
    return refused(index, { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, errorMessage: null });
  }
  const refusal = batchRefusal(records);
  if (refusal !== undefined) return refused(index, refusal);
  const producer = transactionalProducer(records as Buffer);
  if (producer !== undefined) {
    const errorCode = transactions.writeRefusal(producer, topic.topicId, index);
    if (errorCode !== ErrorCode.NONE) return refused(index, { errorCode, errorMessage: null });
  }
  try {
    const options = { durability: levelOf(acks, topic), idempotent: true };
    const batch = owned(records as Buffer);
    const { offset } = await topic.appendBatch(index, batch, options);
    return {
      index,
      errorCode: ErrorCode.NONE,
      baseOffset: offset,
      logAppendTimeMs: appendTimeOf(batch),
    };
  } catch (error) {
    return refused(index, recordRefusalOf(error));
  }
}

/** One acknowledgement means, as with Kafka, that the leader's system has it; all mean what the topic promises. */
function levelOf(acks: number, { config }: Topic): Durability {
  return acks !== -1 && config.durability === "disk" ? "os" : config.durability;
}

async function refused(index: number, { errorCode, errorMessage }: Refusal): Promise<PartitionResponse> {
  return { index, errorCode, baseOffset: -1, errorMessage };
}

async function answered(submitted: readonly Submitted[]): Promise<ResponseOf<typeof apis.produce>> {
  const responses = submitted.map(async ({ name, partitions }) => ({
    name,
    partitionResponses: await Promise.all(partitions),
  }));
  return { responses: await Promise.all(responses) };
}

/** The client has no other way to learn that something was lost than that the connection ends. */
async function unanswered(submitted: readonly Submitted[]): Promise<undefined> {
  const { responses } = await answered(submitted);
  for (const { name, partitionResponses } of responses) {
    for (const { index, errorCode } of partitionResponses) {
      if (errorCode !== ErrorCode.NONE)
        throw new Error(`Produce without acks to ${name}-${index}: error ${errorCode}`);
    }
  }
}
