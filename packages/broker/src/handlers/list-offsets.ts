import type { Isolation, Topic } from "@strandlog/log";
import { apis, ErrorCode, type ResponseOf } from "@strandlog/protocol";
import { type Handler, handler } from "../context.js";
import { refusalOf } from "../error-codes.js";
import { isolationOf } from "../isolation.js";
import { epochRefusal } from "../leader-epoch.js";
import { mapInTurns } from "../turns.js";

type Topics = ResponseOf<typeof apis.listOffsets>["topics"];
type PartitionResponse = Topics[number]["partitions"][number];

/** In place of a timestamp. */
const latest = -1;
const earliest = -2;
const maxTimestamp = -3;
const earliestLocal = -4;

export const listOffsetsHandler: Handler = handler(apis.listOffsets, async ({ body }, _session, broker) => {
  const current = broker.log.storage.leaderEpoch;
  const isolation = isolationOf(body.isolationLevel);
  const topics = await mapInTurns(body.topics, async ({ name, partitions }) => {
    const topic = await broker.topics.find(name);
    const answers = await mapInTurns(
      partitions,
      async ({ partitionIndex, timestamp, currentLeaderEpoch }) => {
        const errorCode = epochRefusal(currentLeaderEpoch, current);
        if (errorCode !== ErrorCode.NONE) return { partitionIndex, errorCode };
        return { ...(await answer(topic, partitionIndex, timestamp, isolation)), leaderEpoch: current };
      },
    );
    return { name, partitions: answers };
  });
  return { topics };
});

async function answer(
  topic: Topic | undefined,
  partitionIndex: number,
  asked: number,
  isolation: Isolation,
): Promise<PartitionResponse> {
  if (topic === undefined) return { partitionIndex, errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION };
  try {
    const { offset, timestamp } = await find(topic, partitionIndex, asked, isolation);
    return { partitionIndex, errorCode: ErrorCode.NONE, offset, timestamp };
  } catch (error) {
    return { partitionIndex, errorCode: refusalOf(error).errorCode };
  }
}

const nowhere = { offset: -1, timestamp: -1 };

async function find(
  topic: Topic,
  number: number,
  asked: number,
  isolation: Isolation,
): Promise<{ offset: number; timestamp: number }> {
  const partition = topic.partition(number);
  switch (asked) {
    case latest:
      return { ...nowhere, offset: await partition.endOffset(isolation) };
    case earliest:
    case earliestLocal:
      return { ...nowhere, offset: (await partition.describe()).logStartOffset };
    case maxTimestamp:
      return newest((timestamp) => partition.offsetForTimestamp(timestamp));
    default:
      return (await partition.offsetForTimestamp(Math.max(asked, 0))) ?? nowhere;
  }
}

/** The first record of those with the highest timestamp: rarely asked for, so it is searched for by halves. */
async function newest(
  firstFrom: (timestamp: number) => Promise<{ offset: number; timestamp: number } | undefined>,
): Promise<{ offset: number; timestamp: number }> {
  let found = await firstFrom(0);
  if (found === undefined) return nowhere;
  let beyond = Number.MAX_SAFE_INTEGER;
  while (found.timestamp + 1 < beyond) {
    const middle: number = found.timestamp + Math.ceil((beyond - found.timestamp) / 2);
    const later = await firstFrom(middle);
    if (later === undefined) beyond = middle;
    else found = later.timestamp > found.timestamp ? later : found;
  }
  return found;
}
