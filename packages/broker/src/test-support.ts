// A broker on a log in memory, and a client that sends whatever a test wants to send.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { type Log, type LogOptions, openLog } from "@strandlog/log";
import { type Api, decodeResponse, encodeRequest, FrameSplitter } from "@strandlog/protocol";
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
): Promise<Served> {
  const log = await openLog("memory:", logOptions);
  t.after(() => log.close());
  const broker = await listen(log, { kafka: 0, ...options });
  t.after(() => broker.close());
  return { log, broker };
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

  static async connect(t: TestContext, { address }: Broker): Promise<Client> {
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
