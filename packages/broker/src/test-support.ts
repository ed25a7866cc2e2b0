// A broker on a log in memory, and a client that sends whatever a test wants to send.
import { randomBytes } from "node:crypto";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { type Clock, type Log, type LogOptions, openLog, type Timer } from "@strandlog/log";
import { BatchBuilder } from "@strandlog/log/storage";
import { type Api, apis, decodeResponse, encodeRequest, FrameSplitter } from "@strandlog/protocol";
import { type Broker, type BrokerOptions, listen } from "./index.js";

export interface Served {
  readonly log: Log;
  readonly broker: Broker;
}

/** Both are closed when the test is over. */
export async function serve(
  t: TestContext,
  options: BrokerOptions = {},
  logOptions: LogOptions = {},
  location = "memory:",
): Promise<Served> {
  const log = await openLog(location, logOptions);
  const broker = await listen(log, options.listeners === undefined ? { kafka: 0, ...options } : options);
  t.after(async () => {
    await broker.close();
    await log.close();
  });
  return { log, broker };
}

/** What the broker reports while the test runs. */
export function reported(t: TestContext): unknown[] {
  return noted(t, (message) => message["error"]);
}

/** What has become of which client, of that. */
export function reportedEvents(t: TestContext): string[] {
  return noted(t, ({ event, client }) => `${event} ${client}`);
}

function noted<T>(t: TestContext, of: (message: Readonly<Record<string, unknown>>) => T): T[] {
  const all: T[] = [];
  const note = (message: unknown) => all.push(of(message as Record<string, unknown>));
  subscribe("strandlog:broker", note);
  t.after(() => unsubscribe("strandlog:broker", note));
  return all;
}

/** The broker's ends of the connections that the test makes, in order. */
export function accepted(t: TestContext): Socket[] {
  const sockets: Socket[] = [];
  const note = (message: unknown) => sockets.push((message as { socket: Socket }).socket);
  subscribe("net.server.socket", note);
  t.after(() => unsubscribe("net.server.socket", note));
  return sockets;
}

/** Time passes when the test says so. */
export class ManualClock implements Clock {
  #elapsedMs = 0;
  #alarms: { readonly dueMs: number; readonly callback: () => void }[] = [];

  now(): number {
    return Date.UTC(2026, 0, 1) + this.#elapsedMs;
  }
  elapsedMs(): number {
    return this.#elapsedMs;
  }
  randomBytes(count: number): Buffer {
    return randomBytes(count);
  }
  startTimer(delayMs: number, callback: () => void): Timer {
    const alarm = { dueMs: this.#elapsedMs + delayMs, callback };
    this.#alarms.push(alarm);
    return { cancel: () => this.#drop(alarm) };
  }

  get timerCount(): number {
    return this.#alarms.length;
  }

  /** Fires what becomes due on the way, each at its time. */
  advance(ms: number): void {
    const untilMs = this.#elapsedMs + ms;
    for (let next = this.#next(untilMs); next !== undefined; next = this.#next(untilMs)) {
      this.#drop(next);
      this.#elapsedMs = next.dueMs;
      next.callback();
    }
    this.#elapsedMs = untilMs;
  }

  #next(untilMs: number) {
    const due = this.#alarms.filter(({ dueMs }) => dueMs <= untilMs);
    return due.sort((one, other) => one.dueMs - other.dueMs)[0];
  }

  #drop(alarm: object): void {
    this.#alarms = this.#alarms.filter((each) => each !== alarm);
  }
}

/** The system may hold back an acknowledgement for 40 ms, or 200: a connection that pauses for less is not at rest. */
const tcpPauseMsMax = 250;

/** Stands for no topic. */
export const noId = "AAAAAAAAAAAAAAAAAAAAAA";

/** A batch as producers send it. */
export function batchOf(...values: string[]): Buffer {
  const builder = new BatchBuilder(128);
  for (const value of values) builder.append(null, value, undefined, 1000);
  return builder.seal({ baseOffset: 0, partitionLeaderEpoch: 0, compression: "none" });
}

export function produceTo(name: string, index: number, ...batches: Buffer[]): Asked<typeof apis.produce> {
  return { acks: -1, timeoutMs: 1000, topicData: [{ name, partitionData: [{ index, records: batches }] }] };
}

type Asked<A extends Api> = A["request"]["encodable"];

interface FetchLimits {
  readonly maxWaitMs?: number;
  readonly minBytes?: number;
  readonly maxBytes?: number;
  readonly partitionMaxBytes?: number;
}

export function fetchFrom(
  topic: string,
  fetchOffset: number,
  limits: FetchLimits = {},
): Asked<typeof apis.fetch> {
  const { partitionMaxBytes = 1_000_000, ...more } = limits;
  const topics = [{ topic, topicId: noId, partitions: [{ partition: 0, fetchOffset, partitionMaxBytes }] }];
  return { maxWaitMs: 0, minBytes: 1, topics, forgottenTopicsData: [], ...more };
}

/** Holds up whoever calls the storage so, and counts them. */
export function hold(
  { storage }: Log,
  method: "read" | "createPartitions",
): { count: number; letGo(): void } {
  const call = storage[method].bind(storage) as (...args: unknown[]) => Promise<never>;
  let letGo!: () => void;
  const released = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const held = { count: 0, letGo };
  storage[method] = async (...args: unknown[]) => {
    held.count++;
    await released;
    return call(...args);
  };
  return held;
}

/** How many wait for a partition to grow. */
export function countWatches({ storage }: Log): { readonly count: number } {
  const watch = storage.watch.bind(storage);
  const watches = { count: 0 };
  storage.watch = async (...args) => {
    watches.count++;
    await watch(...args).finally(() => watches.count--);
  };
  return watches;
}

/** Of a topic. */
export function creationOf(name: string, numPartitions = 1): Asked<typeof apis.createTopics> {
  return { topics: [{ name, numPartitions, replicationFactor: 1, assignments: [], configs: [] }] };
}

export class Client {
  readonly socket: Socket;
  readonly #splitter = new FrameSplitter(2 ** 30);
  readonly #frames: Buffer[] = [];
  #correlationId = 0;
  #arrived: () => void = () => undefined;
  isClosed = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.isClosed = true;
      this.#arrived();
    });
    socket.on("data", (chunk) => {
      this.#frames.push(...this.#splitter.push(chunk));
      this.#arrived();
    });
  }

  static async connect(t: TestContext, { address }: Pick<Broker, "address">): Promise<Client> {
    const socket = connect(address.port, address.host);
    await once(socket, "connect");
    t.after(() => socket.destroy());
    return new Client(socket);
  }

  /** Sends a request and does not wait. */
  send<A extends Api>(api: A, apiVersion: number, body: A["request"]["encodable"]): void {
    const header = { apiVersion, correlationId: ++this.#correlationId, clientId: "test" };
    for (const chunk of encodeRequest(api, header, body)) this.socket.write(chunk);
  }

  /** The next response, whatever it answers. */
  async receive<A extends Api>(
    api: A,
    apiVersion: number,
  ): Promise<{ readonly correlationId: number; readonly body: A["response"]["decoded"] }> {
    return decodeResponse(api, apiVersion, await this.frame());
  }

  async request<A extends Api>(
    api: A,
    apiVersion: number,
    body: A["request"]["encodable"],
  ): Promise<A["response"]["decoded"]> {
    this.send(api, apiVersion, body);
    return (await this.receive(api, apiVersion)).body;
  }

  /** Asks for the smallest thing there is. */
  async ping(): Promise<void> {
    await this.request(apis.apiVersions, 0, {} as never);
  }

  /** Gives the broker time, by asking, until something has come about. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await this.ping();
  }

  /** Gives the broker time until one of its ends of connections neither takes nor gives any more. */
  async untilAtRest(socket: Socket): Promise<void> {
    let [before, sinceMs, pings] = [-1, 0, 0];
    while (pings < 20 || performance.now() - sinceMs < tcpPauseMsMax) {
      const moved = socket.bytesRead + socket.bytesWritten;
      if (moved !== before) [before, sinceMs, pings] = [moved, performance.now(), 0];
      await this.ping();
      pings++;
    }
  }

  async frame(): Promise<Buffer> {
    for (;;) {
      const frame = this.#frames.shift();
      if (frame !== undefined) return frame;
      if (this.isClosed) throw new Error("the broker has closed the connection");
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
    }
  }

  /** Settles when the broker has closed the connection. */
  async closed(): Promise<void> {
    while (!this.isClosed) {
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
    }
  }
}

/** The plain definition, bit by bit. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) * 0x82f6_3b78);
  }
  return ~crc >>> 0;
}
