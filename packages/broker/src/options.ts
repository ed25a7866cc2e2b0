// What a broker can be told, and the bounds within which it works.
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
}

/** The options, all of them there and checked. */
export interface BrokerSettings {
  /** One at least. */
  readonly listeners: readonly ListenerSettings[];
  readonly nodeId: number;
  readonly autoCreateTopics: boolean;
  readonly numPartitions: number;
  readonly offsetsRetentionMs: number;
}

const known = [
  "kafka",
  "advertise",
  "listeners",
  "nodeId",
  "autoCreateTopics",
  "numPartitions",
  "offsetsRetentionMs",
];
const defaultPort = 9092;
const weekMs = 7 * 24 * 60 * 60 * 1000;

export function brokerSettings(options: BrokerOptions): BrokerSettings {
  refuseUnknown(options, known);
  const { nodeId = 1, autoCreateTopics = true, numPartitions = 1 } = options;
  const { offsetsRetentionMs = weekMs } = options;
  if (typeof autoCreateTopics !== "boolean") {
    throw invalid("autoCreateTopics", "autoCreateTopics must be true or false");
  }
  return {
    listeners: allListeners(options),
    nodeId: integer("nodeId", nodeId, 0, 2 ** 31 - 1),
    autoCreateTopics,
    numPartitions: integer("numPartitions", numPartitions, 1, 100_000),
    offsetsRetentionMs: integer("offsetsRetentionMs", offsetsRetentionMs, -1, Number.MAX_SAFE_INTEGER),
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
