// Where the records of a leader epoch end: by this a client finds out whether what it has read is still there.
import type { PartitionDescription, Topic } from "@strandlog/log";
import { apis, ErrorCode, type ResponseOf } from "@strandlog/protocol";
import { type Handler, handler } from "../context.js";
import { refusalOf } from "../error-codes.js";
import { epochRefusal } from "../leader-epoch.js";

type Answered = ResponseOf<typeof apis.offsetForLeaderEpoch>["topics"][number]["partitions"][number];

const unknown = { leaderEpoch: -1, endOffset: -1 };

export const offsetForLeaderEpochHandler: Handler = handler(
  apis.offsetForLeaderEpoch,
  async ({ body }, _session, { log, topics }) => {
    const current = log.storage.leaderEpoch;
    const answers = body.topics.map(async ({ topic: name, partitions }) => {
      const topic = await topics.find(name);
      const answered = partitions.map(({ partition, currentLeaderEpoch, leaderEpoch }) => {
        const errorCode = epochRefusal(currentLeaderEpoch, current);
        if (errorCode !== ErrorCode.NONE) return { partition, errorCode, ...unknown };
        return endOf(topic, partition, leaderEpoch, current);
      });
      return { topic: name, partitions: await Promise.all(answered) };
    });
    return { topics: await Promise.all(answers) };
  },
);

async function endOf(
  topic: Topic | undefined,
  partition: number,
  epoch: number,
  current: number,
): Promise<Answered> {
  if (topic === undefined) return { partition, errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ...unknown };
  try {
    const description = await topic.partition(partition).describe();
    return { partition, errorCode: ErrorCode.NONE, ...endIn(description, epoch, current) };
  } catch (error) {
    return { partition, errorCode: refusalOf(error).errorCode, ...unknown };
  }
}

/** The newest epoch that is not beyond the one asked about, and where the next one begins. */
function endIn({ leaderEpochs, logEndOffset }: PartitionDescription, epoch: number, current: number) {
  if (epoch > current || epoch < 0) return unknown;
  if (epoch === current) return { leaderEpoch: epoch, endOffset: logEndOffset };
  const later = leaderEpochs.find(([each]) => each > epoch);
  const newest = leaderEpochs.filter(([each]) => each <= epoch).at(-1);
  return { leaderEpoch: newest?.[0] ?? epoch, endOffset: later?.[1] ?? logEndOffset };
}
