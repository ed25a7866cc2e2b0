// What a broker can be told, and the bounds within which it works.
import { LogError } from "@strandlog/log";

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface BrokerOptions {
  /**
   * Where to listen for Kafka's clients: a port, or "HOST:PORT". Port 0 takes any that is free. Default
   * "127.0.0.1:9092".
   */
  readonly kafka?: number | string;
  /** What clients are told to connect to, as "HOST:PORT"; default: the address that they have connected to. */
  readonly advertise?: string;
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
  readonly listenOn: Address;
  readonly advertised: Address | undefined;
  readonly nodeId: number;
  readonly autoCreateTopics: boolean;
  readonly numPartitions: number;
  readonly offsetsRetentionMs: number;
}

const known = ["kafka", "advertise", "nodeId", "autoCreateTopics", "numPartitions", "offsetsRetentionMs"];
const defaultHost = "127.0.0.1";
const defaultPort = 9092;
const weekMs = 7 * 24 * 60 * 60 * 1000;

export function brokerSettings(options: BrokerOptions): BrokerSettings {
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw invalid(unknown, `unknown option "${unknown}"; known are ${known.join(", ")}`);
  const { kafka = defaultPort, advertise, nodeId = 1, autoCreateTopics = true, numPartitions = 1 } = options;
  const { offsetsRetentionMs = weekMs } = options;
  if (typeof autoCreateTopics !== "boolean") {
    throw invalid("autoCreateTopics", "autoCreateTopics must be true or false");
  }
  return {
    listenOn:
      typeof kafka === "number" ? addressOf("kafka", `${defaultHost}:${kafka}`) : addressOf("kafka", kafka),
    advertised: advertise === undefined ? undefined : addressOf("advertise", advertise),
    nodeId: integer("nodeId", nodeId, 0, 2 ** 31 - 1),
    autoCreateTopics,
    numPartitions: integer("numPartitions", numPartitions, 1, 100_000),
    offsetsRetentionMs: integer("offsetsRetentionMs", offsetsRetentionMs, -1, Number.MAX_SAFE_INTEGER),
  };
}

/** "HOST:PORT", with brackets around an IPv6 address. */
function addressOf(name: string, text: unknown): Address {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(String(text)) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || host === "" || Number(port) > 65_535) {
    throw invalid(name, `${name} must be a port or HOST:PORT, not ${JSON.stringify(text)}`);
  }
  return { host, port: Number(port) };
}

function integer(name: string, value: unknown, min: number, max: number): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max) return value;
  throw invalid(name, `${name} must be a whole number from ${min} to ${max}, not ${String(value)}`);
}

function invalid(name: string, message: string): LogError {
  return new LogError("INVALID_ARGUMENT", message, { details: { name } });
}
