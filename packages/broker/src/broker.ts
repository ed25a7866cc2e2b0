// The broker: it listens, hands each connection to a Connection, and lets go in good order. The log is the caller's:
// it stays open, and may be used beside the broker.

import { channel } from "node:diagnostics_channel";
import { createServer, type Server, type Socket } from "node:net";
import { type Log, LogError } from "@strandlog/log";
import { Connection } from "./connection.js";
import type { BrokerContext } from "./context.js";
import { GroupCoordinator } from "./coordinator/group-coordinator.js";
import { OffsetExpiry } from "./coordinator/offset-expiry.js";
import { ProducerIds } from "./coordinator/producer-ids.js";
import { connectionsMax } from "./limits.js";
import { type Address, type BrokerOptions, brokerSettings } from "./options.js";
import { TopicDirectory } from "./topic-directory.js";

export interface Broker {
  /** Where it listens. */
  readonly address: Address;
  /** The same as "HOST:PORT", for clients' lists of brokers. */
  readonly bootstrap: string;
  /** Takes no more requests, answers those it has, closes all connections. The log stays open. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const clusterKey = "broker/cluster-id";
const checkMs = 1000;
/** How long clients get to take their last answers. */
const drainMsMax = 5000;
const failures = channel("strandlog:broker");

/**
 * Serves a log to Kafka's clients.
 *
 * @throws LogError INVALID_ARGUMENT, IO if the address cannot be listened on.
 */
export async function listen(log: Log, options: BrokerOptions = {}): Promise<Broker> {
  return listenWith(log, options, {});
}

/** The same, with what tests add to it. */
export async function listenWith(
  log: Log,
  options: BrokerOptions,
  more: Pick<BrokerContext, "intercept">,
): Promise<Broker> {
  const settings = brokerSettings(options);
  const context: BrokerContext = {
    log,
    settings,
    topics: new TopicDirectory(log),
    clusterId: await clusterIdOf(log),
    groups: new GroupCoordinator(log.clock),
    producerIds: new ProducerIds(log),
    report: (error) => failures.publish({ error }),
    ...more,
  };
  const expiry = new OffsetExpiry(log, context.topics, context.groups, settings.offsetsRetentionMs);
  const server = new KafkaServer(context, expiry);
  await server.listen();
  expiry.start();
  return server;
}

class KafkaServer implements Broker {
  readonly #broker: BrokerContext;
  readonly #expiry: OffsetExpiry;
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  #checking: { cancel(): void } | undefined;
  #closed: Promise<void> | undefined;

  constructor(broker: BrokerContext, expiry: OffsetExpiry) {
    this.#broker = broker;
    this.#expiry = expiry;
    this.#server = createServer((socket) => this.#accept(socket));
    this.#server.maxConnections = connectionsMax;
  }

  get address(): Address {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new LogError("CLOSED", "the broker is closed");
    return { host: address.address, port: address.port };
  }

  get bootstrap(): string {
    const { host, port } = this.address;
    return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  }

  listen(): Promise<void> {
    const { host, port } = this.#broker.settings.listenOn;
    return new Promise((resolve, reject) => {
      const refuse = (cause: Error): void => {
        reject(new LogError("IO", `cannot listen on ${host}:${port}: ${cause.message}`, { cause }));
      };
      this.#server.once("error", refuse);
      this.#server.listen(port, host, () => {
        // From now on it is a connection that could not be accepted, for want of a descriptor perhaps.
        this.#server.off("error", refuse).on("error", this.#broker.report);
        this.#checkSoon();
        resolve();
      });
    });
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#checking?.cancel();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#broker.groups.close();
    for (const connection of this.#connections) connection.drain();
    const impatience = this.#broker.log.clock.startTimer(drainMsMax, () => {
      for (const connection of this.#connections) connection.destroy();
    });
    await closed;
    impatience.cancel();
    await this.#expiry.close();
  }

  #accept(socket: Socket): void {
    const connection = new Connection(socket, this.#advertisedTo(socket), this.#broker);
    this.#connections.add(connection);
    void connection.closed.then(() => this.#connections.delete(connection));
    if (this.#closed !== undefined) connection.destroy();
  }

  /** The address by which the client has found us will do for its other connections, too. */
  #advertisedTo({ localAddress = "127.0.0.1", localPort = 0 }: Socket): Address {
    const host = localAddress.replace(/^::ffff:(?=\d+\.)/, "");
    return this.#broker.settings.advertised ?? { host, port: localPort };
  }

  #checkSoon(): void {
    const { clock } = this.#broker.log;
    this.#checking = clock.startTimer(checkMs, () => {
      const nowMs = clock.elapsedMs();
      for (const connection of this.#connections) connection.check(nowMs);
      this.#checkSoon();
    });
  }
}

/** A cluster keeps its id as long as its log is there. */
async function clusterIdOf({ storage, clock }: Log): Promise<string> {
  const found = await storage.metadata.get(clusterKey);
  if (found !== undefined) return found.value;
  const made = clock.randomBytes(16).toString("base64url");
  if (!storage.manifest.readOnly) await storage.metadata.put(clusterKey, made);
  return made;
}
