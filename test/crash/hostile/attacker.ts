// A connection of a client that means harm, and what it gets.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type Api, decodeResponse, encodeRequest, FrameSplitter } from "@strandlog/protocol";

/** A broker that has not answered or closed by then has been stopped by what it was sent. */
const answerMsMax = 60_000;
const answerBytesMax = 2 ** 30;

export class Attacker {
  readonly socket: Socket;
  readonly #splitter = new FrameSplitter(answerBytesMax);
  readonly #frames: Buffer[] = [];
  #correlationId = 0;
  #happened: () => void = () => undefined;
  isClosed = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.isClosed = true;
      this.#happened();
    });
    socket.on("data", (chunk: Buffer) => {
      this.#frames.push(...this.#splitter.push(chunk));
      this.#happened();
    });
  }

  static async at(port: number): Promise<Attacker> {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    return new Attacker(socket);
  }

  send<A extends Api>(api: A, apiVersion: number, body: A["request"]["encodable"]): void {
    const header = { apiVersion, correlationId: ++this.#correlationId, clientId: "attacker" };
    this.socket.write(Buffer.concat(encodeRequest(api, header, body)));
  }

  async ask<A extends Api>(
    api: A,
    apiVersion: number,
    body: A["request"]["encodable"],
  ): Promise<A["response"]["decoded"]> {
    this.send(api, apiVersion, body);
    return this.#answer(api, apiVersion);
  }

  /** One after the other, without waiting. */
  async askAll<A extends Api>(
    api: A,
    apiVersion: number,
    bodies: readonly A["request"]["encodable"][],
  ): Promise<A["response"]["decoded"][]> {
    for (const body of bodies) this.send(api, apiVersion, body);
    const answers: A["response"]["decoded"][] = [];
    while (answers.length < bodies.length) answers.push(await this.#answer(api, apiVersion));
    return answers;
  }

  async #answer<A extends Api>(api: A, apiVersion: number): Promise<A["response"]["decoded"]> {
    const frame = await this.frame();
    if (frame === undefined) throw new Error(`${api.name} was not answered: the connection was closed`);
    return decodeResponse(api, apiVersion, frame).body;
  }

  /** Undefined if the connection is closed before there is one. */
  async frame(): Promise<Buffer | undefined> {
    await this.#until(() => this.#frames.length > 0 || this.isClosed);
    return this.#frames.shift();
  }

  /** Throws unless the broker closes the connection, or has an answer. */
  async refused(): Promise<void> {
    await this.#until(() => this.isClosed || this.#frames.length > 0);
  }

  async closed(): Promise<void> {
    await this.#until(() => this.isClosed);
  }

  /** Sends as much as the broker takes until it takes nothing for a while; answers how much that was. */
  async push(bytes: Buffer, patienceMs: number): Promise<number> {
    const before = this.socket.bytesWritten;
    for (let at = 0; at < bytes.length && !this.isClosed; at += 65_536) {
      if (this.socket.write(bytes.subarray(at, at + 65_536))) continue;
      const waiting = new AbortController();
      const timer = setTimeout(() => waiting.abort(), patienceMs);
      const isTaken = await once(this.socket, "drain", { signal: waiting.signal }).then(
        () => true,
        () => false,
      );
      clearTimeout(timer);
      if (!isTaken) break;
    }
    return this.socket.bytesWritten - before;
  }

  end(): void {
    this.socket.destroy();
  }

  async #until(isSo: () => boolean): Promise<void> {
    const end = performance.now() + answerMsMax;
    while (!isSo()) {
      const leftMs = end - performance.now();
      if (leftMs <= 0) throw new Error(`neither an answer nor the end within ${answerMsMax} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#happened = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}
