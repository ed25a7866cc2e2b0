// What administrators ask about the cluster, which is one broker.
import { apis, ErrorCode, type RequestOf, type ResponseOf } from "@strandlog/protocol";
import { type BrokerContext, type Handler, handler } from "../context.js";

type Dir = ResponseOf<typeof apis.describeLogDirs>["results"][number];
type AskedTopics = RequestOf<typeof apis.describeLogDirs>["topics"];

const brokers = 1;

export const describeClusterHandler: Handler = handler(
  apis.describeCluster,
  ({ body }, { advertised }, broker) => {
    const { clusterId, settings } = broker;
    const { nodeId } = settings;
    const place = { clusterId, controllerId: nodeId, endpointType: body.endpointType };
    if (body.endpointType !== brokers) {
      const errorMessage = "there are no controllers besides the broker";
      return { ...place, errorCode: ErrorCode.UNSUPPORTED_ENDPOINT_TYPE, errorMessage, brokers: [] };
    }
    return { ...place, errorCode: ErrorCode.NONE, brokers: [{ brokerId: nodeId, ...advertised }] };
  },
);

export const describeLogDirsHandler: Handler = handler(
  apis.describeLogDirs,
  async ({ body }, _session, broker) => {
    const topics = await topicsIn(body.topics, broker);
    const logDir = broker.log.storage.manifest.name;
    return { errorCode: ErrorCode.NONE, results: [{ errorCode: ErrorCode.NONE, logDir, topics }] };
  },
);

/** Bytes of the partitions that are asked for, of all by default. */
async function topicsIn(asked: AskedTopics, { topics }: BrokerContext): Promise<Dir["topics"]> {
  const all = await topics.all();
  const wanted = asked === null ? all.map(({ name }) => ({ topic: name, partitions: undefined })) : asked;
  const described = wanted.map(async ({ topic: name, partitions }) => {
    const found = await all.find((topic) => topic.name === name)?.describe();
    const sizes = (found?.partitions ?? [])
      .filter(({ partition }) => partitions?.includes(partition) ?? true)
      .map(({ partition, segmentBytes, tailBytes }) => ({
        partitionIndex: partition,
        partitionSize: segmentBytes + tailBytes,
        offsetLag: 0,
        isFutureKey: false,
      }));
    return { name, partitions: sizes };
  });
  return (await Promise.all(described)).filter(({ partitions }) => partitions.length > 0);
}
