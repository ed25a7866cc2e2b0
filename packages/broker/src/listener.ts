// One place to listen, plain or TLS. A client is handed over when it may speak, which with TLS is after the handshake;
// until then it counts as a connection, and is let go if that takes too long.
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type Server as TlsServer } from "node:tls";
import { LogError } from "@strandlog/log";
import { type Address, addressText } from "./checked.js";
import type { ReportedEvent } from "./context.js";
import { connectionsMax, handshakeMsMax } from "./limits.js";
import type { ListenerSettings, TlsSettings } from "./listener-options.js";

/** A place where the broker listens. */
export interface BrokerListener {
  readonly name: string;
  readonly address: Address;
  /** The same as "HOST:PORT", for clients' lists of brokers. */
  readonly bootstrap: string;
}

/** Whom a listener works for. */
export interface ListenerHost {
  /** Whether one more connection may be let in. */
  hasRoom(): boolean;
  accept(socket: Socket, listener: Listener): void;
  report(error: unknown, about: ReportedEvent): void;
  nowMs(): number;
}

interface Greeting {
  readonly socket: Socket;
  readonly sinceMs: number;
}

export class Listener implements BrokerListener {
  readonly settings: ListenerSettings;
  readonly #host: ListenerHost;
  readonly #server: Server;
  readonly #tls: TlsServer | undefined;
  readonly #sockets = new Set<Socket>();
  /** TLS handshakes that are under way, by the address that a TLS socket and the one below it have in common. */
  readonly #greetings = new Map<string, Greeting>();

  constructor(settings: ListenerSettings, host: ListenerHost) {
    this.settings = settings;
    this.#host = host;
    this.#server = createServer((socket) => this.#enter(socket));
    this.#tls = settings.tls === undefined ? undefined : this.#tlsServer(settings.tls);
  }

  get name(): string {
    return this.settings.name;
  }

  get address(): Address {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new LogError("CLOSED", "the broker is closed");
    return { host: address.address, port: address.port };
  }

  /** It listens where only programs of this machine can connect to. */
  get isLocal(): boolean {
    const address = this.#server.address();
    return typeof address === "object" && /^(127\.|::1$)/.test(address?.address ?? "");
  }

  get bootstrap(): string {
    return addressText(this.address);
  }

  /** Connections, those included whose handshake is under way. */
  get connectionCount(): number {
    return this.#sockets.size;
  }

  listen(): Promise<void> {
    const { host, port } = this.settings.listenOn;
    return new Promise((resolve, reject) => {
      const refuse = (cause: Error): void => {
        const message = `cannot listen on ${addressText({ host, port })}: ${cause.message}`;
        reject(new LogError("IO", message, { cause }));
      };
      this.#server.once("error", refuse);
      this.#server.listen(port, host, () => {
        // From now on it is a connection that could not be accepted, for want of a descriptor perhaps.
        this.#server.off("error", refuse).on("error", (error) => {
          this.#host.report(error, { event: "connection-refused" });
        });
        resolve();
      });
    });
  }

  /** Lets nobody in any more; settles when the last connection has gone, which is their owner's matter. */
  close(): Promise<void> {
    for (const { socket } of this.#greetings.values()) socket.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  /** Lets those go whose handshake takes too long. */
  check(nowMs: number): void {
    for (const { socket, sinceMs } of this.#greetings.values()) {
      if (nowMs - sinceMs > handshakeMsMax) socket.destroy();
    }
  }

  #enter(socket: Socket): void {
    if (!this.#host.hasRoom()) {
      const error = new Error(`there are ${connectionsMax} connections, which is as many as there may be`);
      this.#host.report(error, { event: "connection-refused", client: socket.remoteAddress });
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    if (this.#tls === undefined) this.#host.accept(socket, this);
    else this.#greet(socket, this.#tls);
  }

  #greet(socket: Socket, tls: TlsServer): void {
    socket.on("error", () => undefined); // the TLS socket on top of it tells
    const client = clientOf(socket);
    const greeting = { socket, sinceMs: this.#host.nowMs() };
    this.#greetings.set(client, greeting);
    socket.once("close", () => {
      if (this.#greetings.get(client) === greeting) this.#greetings.delete(client);
    });
    tls.emit("connection", socket);
  }

  /** It does not listen itself: it is given connections, which can so be counted before they cost anything. */
  #tlsServer({ requestClientCert, ...pem }: TlsSettings): TlsServer {
    const asked = { requestCert: requestClientCert, rejectUnauthorized: requestClientCert };
    const server = createTlsServer({ ...pem, ...asked });
    server.on("secureConnection", (socket) => {
      this.#greetings.delete(clientOf(socket));
      this.#host.accept(socket, this);
    });
    server.on("tlsClientError", (error: NodeJS.ErrnoException, socket) => {
      const client = socket.remoteAddress;
      socket.destroy();
      // Who leaves in the middle of it, as those do who only look whether the port is open, is no news.
      if (error.code !== "ECONNRESET")
        this.#host.report(inPlainWords(error), { event: "handshake-failed", client });
    });
    return server;
  }
}

/** OpenSSL's words for bytes that are no TLS at all. */
const noTls: readonly unknown[] = [
  "ERR_SSL_WRONG_VERSION_NUMBER",
  "ERR_SSL_HTTP_REQUEST",
  "ERR_SSL_HTTPS_PROXY_REQUEST",
];

function inPlainWords(error: NodeJS.ErrnoException): Error {
  const message = `the client does not speak TLS, as it has to on this listener (${error.message.trim()})`;
  return noTls.includes(error.code) ? new Error(message, { cause: error }) : error;
}

function clientOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
