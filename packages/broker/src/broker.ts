// The broker: it listens, hands each connection to a Connection, and lets go in good order. The log is the caller's:
// it stays open, and may be used beside the broker.
import { channel } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import type { Log } from "@strandlog/log";
import { ByteBudget } from "./byte-budget.js";
import type { Address } from "./checked.js";
import { Connection } from "./connection.js";
import type { BrokerContext, Report, ReportedEvent } from "./context.js";
import { GroupCoordinator } from "./coordinator/group-coordinator.js";
import { OffsetExpiry } from "./coordinator/offset-expiry.js";
import { ProducerIds } from "./coordinator/producer-ids.js";
import { TransactionCoordinator } from "./coordinator/transaction-coordinator.js";
import { connectionsMax, inFlightBytesMax, ownBytesMax } from "./limits.js";
import { type BrokerListener, Listener, type ListenerHost } from "./listener.js";
import { type BrokerOptions, brokerSettings } from "./options.js";
import { ReadMemory } from "./read-memory.js";
import { Authenticator } from "./security/index.js";
import { TopicDirectory } from "./topic-directory.js";

export interface Broker {
  /** Where it listens: the first of its listeners. */
  readonly address: Address;
  /** The same as "HOST:PORT", for clients' lists of brokers. */
  readonly bootstrap: string;
  /** All places where it listens, in the order of the options. */
  readonly listeners: readonly BrokerListener[];
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
  const hasUsers = settings.listeners.some(({ sasl }) => sasl !== undefined);
  const authenticator = hasUsers ? await Authenticator.open(log) : undefined;
  const topics = new TopicDirectory(log);
  const producerIds = new ProducerIds(log);
  const report: Report = (error, about) => failures.publish({ error, ...about });
  const transactions = new TransactionCoordinator(log, topics, producerIds, report);
  await transactions.load();
  const context: BrokerContext = {
    log,
    settings,
    topics,
    clusterId: await clusterIdOf(log),
    groups: new GroupCoordinator(log.clock),
    producerIds,
    transactions,
    budget: new ByteBudget(inFlightBytesMax, ownBytesMax),
    readMemory: new ReadMemory(),
    authenticator,
    report,
    ...more,
  };
  const expiry = new OffsetExpiry(log, context.topics, context.groups, settings.offsetsRetentionMs);
  const server = new KafkaServer(context, expiry);
  await server.listen();
  expiry.start();
  return server;
}

class KafkaServer implements Broker, ListenerHost {
  readonly #broker: BrokerContext;
  readonly #listeners: readonly [Listener, ...Listener[]];
  readonly #expiry: OffsetExpiry;
  readonly #connections = new Set<Connection>();
  #checking: { cancel(): void } | undefined;
  #closed: Promise<void> | undefined;

  constructor(broker: BrokerContext, expiry: OffsetExpiry) {
    this.#broker = broker;
    const listeners = broker.settings.listeners.map((settings) => new Listener(settings, this));
    this.#listeners = listeners as [Listener, ...Listener[]];
    this.#expiry = expiry;
  }

  get address(): Address {
    return this.#listeners[0].address;
  }

  get bootstrap(): string {
    return this.#listeners[0].bootstrap;
  }

  get listeners(): readonly BrokerListener[] {
    return this.#listeners;
  }

  /** All places, or none. */
  async listen(): Promise<void> {
    this.#checkSoon();
    try {
      for (const listener of this.#listeners) await listener.listen();
    } catch (error) {
      await this.close();
      throw error;
    }
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
    const closed = Promise.all(this.#listeners.map((listener) => listener.close()));
    this.#broker.groups.close();
    this.#broker.transactions.close();
    for (const connection of this.#connections) connection.drain();
    const impatience = this.#broker.log.clock.startTimer(drainMsMax, () => {
      for (const connection of this.#connections) connection.destroy();
    });
    await closed;
    impatience.cancel();
    await this.#expiry.close();
  }

  hasRoom(): boolean {
    return this.#listeners.reduce((sum, { connectionCount }) => sum + connectionCount, 0) < connectionsMax;
  }

  accept(socket: Socket, { settings, isLocal }: Listener): void {
    const advertised = settings.advertised ?? localAddressOf(socket);
    const isPrivate = isLocal || settings.tls !== undefined;
    const entrance = { advertised, mechanisms: settings.sasl, isLocal, isPrivate };
    const connection = new Connection(socket, entrance, this.#broker);
    this.#connections.add(connection);
    void connection.closed.then(() => this.#connections.delete(connection));
    if (this.#closed !== undefined) connection.destroy();
  }

  report(error: unknown, about: ReportedEvent): void {
    this.#broker.report(error, about);
  }

  nowMs(): number {
    return this.#broker.log.clock.elapsedMs();
  }

  #checkSoon(): void {
    const { clock } = this.#broker.log;
    this.#checking = clock.startTimer(checkMs, () => {
      const nowMs = clock.elapsedMs();
      for (const listener of this.#listeners) listener.check(nowMs);
      for (const connection of this.#connections) connection.check(nowMs);
      this.#checkSoon();
    });
  }
}

/** The address by which the client has found us will do for its other connections, too. */
function localAddressOf({ localAddress = "127.0.0.1", localPort = 0 }: Socket): Address {
  return { host: localAddress.replace(/^::ffff:(?=\d+\.)/, ""), port: localPort };
}

/** A cluster keeps its id as long as its log is there. */
async function clusterIdOf({ storage, clock }: Log): Promise<string> {
  const found = await storage.metadata.get(clusterKey);
  if (found !== undefined) return found.value;
  const made = clock.randomBytes(16).toString("base64url");
  if (!storage.manifest.readOnly) await storage.metadata.put(clusterKey, made);
  return made;
}
