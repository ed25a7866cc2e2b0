// What a broker can be told, and the bounds within which it works.
import { requireCompression, type TopicConfig, topicConfig } from "@strandlog/log";
import { integer, invalid, refuseUnknown } from "./checked.js";
import {
  type ListenerOptions,
  type ListenerSettings,
  listenerSettings,
  listenersSettings,
} from "./listener-options.js";

export interface BrokerOptions {
  /**
   * Where to listen for Kafka's clients: a port, or "HOST:PORT". Port 0 takes any that is free. Default
   * "127.0.0.1:9092".
   */
  readonly kafka?: number | string;
  /** What clients are told to connect to, as "HOST:PORT"; default: the address that they have connected to. */
  readonly advertise?: string;
  /** Instead of `kafka` and `advertise`: several places to listen, with TLS and SASL where that is wanted. */
  readonly listeners?: readonly ListenerOptions[];
  /** This broker's id among brokers, of which it is the only one. Default 1. */
  readonly nodeId?: number;
  /** Whether a topic is made when a client asks for one that is not there. Default true, as with Kafka. */
  readonly autoCreateTopics?: boolean;
  /** How many partitions a topic gets if nobody says. Default 1. */
  readonly numPartitions?: number;
  /**
   * How long what a group has committed is kept once the group has no members, or since the commit if it never had any,
   * in milliseconds; -1 keeps it. Default 7 days. Topics whose `cleanup` is "consumed" keep it in any case.
   */
  readonly offsetsRetentionMs?: number;
  /** What a topic gets that a client makes, where the client does not say. Default: what the log gives to any topic. */
  readonly topicDefaults?: Partial<Omit<TopicConfig, "partitions">>;
}

/** The options, all of them there and checked. */
export interface BrokerSettings {
  /** One at least. */
  readonly listeners: readonly ListenerSettings[];
  readonly nodeId: number;
  readonly autoCreateTopics: boolean;
  readonly numPartitions: number;
  readonly offsetsRetentionMs: number;
  /** All of them; of its partitions only `numPartitions` counts. */
  readonly topicDefaults: TopicConfig;
}

const known = [
  "kafka",
  "advertise",
  "listeners",
  "nodeId",
  "autoCreateTopics",
  "numPartitions",
  "offsetsRetentionMs",
  "topicDefaults",
];
const defaultPort = 9092;

export const brokerDefaults = {
  nodeId: 1,
  autoCreateTopics: true,
  numPartitions: 1,
  offsetsRetentionMs: 604_800_000,
} as const;

/**
 * Refuses what `listen` would refuse, before anything is opened.
 *
 * @throws LogError INVALID_ARGUMENT
 */
export function checkBrokerOptions(options: BrokerOptions): void {
  brokerSettings(options);
}

export function brokerSettings(options: BrokerOptions): BrokerSettings {
  refuseUnknown(options, known);
  const {
    nodeId = brokerDefaults.nodeId,
    autoCreateTopics = brokerDefaults.autoCreateTopics,
    numPartitions = brokerDefaults.numPartitions,
    offsetsRetentionMs = brokerDefaults.offsetsRetentionMs,
  } = options;
  const topicDefaults: Partial<TopicConfig> = options.topicDefaults ?? {};
  if (typeof autoCreateTopics !== "boolean") {
    throw invalid("autoCreateTopics", "autoCreateTopics must be true or false");
  }
  if (topicDefaults.partitions !== undefined) {
    throw invalid("topicDefaults", "topicDefaults has no partitions: say numPartitions");
  }
  return {
    listeners: allListeners(options),
    nodeId: integer("nodeId", nodeId, 0, 2 ** 31 - 1),
    autoCreateTopics,
    numPartitions: integer("numPartitions", numPartitions, 1, 100_000),
    offsetsRetentionMs: integer("offsetsRetentionMs", offsetsRetentionMs, -1, Number.MAX_SAFE_INTEGER),
    topicDefaults: checkedDefaults(topicDefaults),
  };
}

function allListeners({ kafka, advertise, listeners }: BrokerOptions): readonly ListenerSettings[] {
  if (listeners === undefined) {
    const address = { kafka: kafka ?? defaultPort };
    return [listenerSettings(advertise === undefined ? address : { ...address, advertise })];
  }
  if (kafka !== undefined || advertise !== undefined) {
    const message = "kafka and advertise are for one listener: say them of each of the listeners instead";
    throw invalid("listeners", message);
  }
  return listenersSettings(listeners);
}

/** Found out now, and not when the first topic is made. */
function checkedDefaults(given: Partial<TopicConfig>): TopicConfig {
  const config = topicConfig(given);
  requireCompression(config.compression);
  return config;
}
