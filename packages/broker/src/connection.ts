// One client's connection. Requests are begun in the order in which they arrive, each as soon as the one before it has
// taken its place (appends keep their order), and answered in that order too. What has been received and not yet
// answered is bounded: beyond that nothing more is read, and the client has to wait.
import type { Socket } from "node:net";
import {
  type Api,
  apis,
  decodeRequest,
  decodeRequestHeader,
  encodeResponse,
  FrameSplitter,
} from "@strandlog/protocol";
import type { Answer, AnyBody, BrokerContext, Session } from "./context.js";
import { handlerOf, versionsForNewer } from "./handlers/index.js";
import { idleMsMax, partialMsMax, pipelinedBytesMax, pipelinedMax, requestBytesMax } from "./limits.js";

/** A request that has been begun. */
interface Begun {
  readonly answer: Answer<AnyBody>;
  readonly frameBytes: number;
  encode(body: AnyBody): Buffer[];
}

export class Connection {
  readonly #socket: Socket;
  readonly #session: Session;
  readonly #broker: BrokerContext;
  readonly #gone = new AbortController();
  readonly #splitter = new FrameSplitter(requestBytesMax);
  readonly #frames: Buffer[] = [];
  readonly #begun: Begun[] = [];
  #pipelined = 0;
  #pipelinedBytes = 0;
  #isBeginning = false;
  #isAnswering = false;
  #isDraining = false;
  #lastReceivedMs: number;
  readonly closed: Promise<void>;

  constructor(socket: Socket, advertised: Session["advertised"], broker: BrokerContext) {
    this.#socket = socket;
    this.#broker = broker;
    this.#session = { advertised, clientHost: socket.remoteAddress ?? "", signal: this.#gone.signal };
    this.#lastReceivedMs = broker.log.clock.elapsedMs();
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        this.#gone.abort();
        resolve();
      });
    });
    socket.setNoDelay(true);
    socket.on("error", () => undefined); // "close" follows
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
  }

  /** Closes it if the client has been silent, or in the middle of a request, for too long. */
  check(nowMs: number): void {
    const silentMs = nowMs - this.#lastReceivedMs;
    const allowedMs = this.#splitter.pendingBytes > 0 && !this.#socket.isPaused() ? partialMsMax : idleMsMax;
    if (silentMs > allowedMs && this.#pipelined === 0) this.#socket.destroy();
  }

  /** Takes no more requests; closes once those that it has are answered. */
  drain(): void {
    this.#isDraining = true;
    this.#socket.pause();
    if (this.#pipelined === 0) this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    this.#lastReceivedMs = this.#broker.log.clock.elapsedMs();
    try {
      for (const frame of this.#splitter.push(chunk)) {
        this.#frames.push(frame);
        this.#pipelined++;
        this.#pipelinedBytes += frame.length;
      }
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (this.#isFull()) this.#socket.pause();
    if (!this.#isBeginning) void this.#begin().catch((error: unknown) => this.#fail(error));
  }

  async #begin(): Promise<void> {
    this.#isBeginning = true;
    try {
      for (let frame = this.#frames.shift(); frame !== undefined; frame = this.#frames.shift()) {
        const begun = await this.#beginOne(frame);
        this.#begun.push(begun);
        if (!this.#isAnswering) void this.#answer().catch((error: unknown) => this.#fail(error));
      }
    } finally {
      this.#isBeginning = false;
    }
  }

  async #beginOne(frame: Buffer): Promise<Begun> {
    const { apiKey, apiVersion, correlationId } = decodeRequestHeader(frame);
    const handler = handlerOf(apiKey);
    const isKnown =
      handler !== undefined && apiVersion >= handler.api.versionMin && apiVersion <= handler.api.versionMax;
    if (!isKnown) {
      if (apiKey !== apis.apiVersions.key) throw new Error(`no API ${apiKey} of version ${apiVersion}`);
      const body = versionsForNewer();
      const encode = (): Buffer[] => encodeResponse(apis.apiVersions as Api, 0, correlationId, body);
      return { answer: body, frameBytes: frame.length, encode };
    }
    const answer = await handler.handle(decodeRequest(handler.api, frame), this.#session, this.#broker);
    return {
      answer,
      frameBytes: frame.length,
      encode: (body) => encodeResponse(handler.api, apiVersion, correlationId, body),
    };
  }

  async #answer(): Promise<void> {
    this.#isAnswering = true;
    try {
      for (let begun = this.#begun.shift(); begun !== undefined; begun = this.#begun.shift()) {
        const { answer, frameBytes, encode } = begun;
        const body = typeof answer === "function" ? await answer() : answer;
        if (this.#socket.destroyed) return;
        if (body !== undefined && !this.#send(encode(body))) await this.#drained();
        this.#pipelined--;
        this.#pipelinedBytes -= frameBytes;
        if (this.#isDraining) {
          if (this.#pipelined === 0) this.#socket.end();
        } else if (this.#socket.isPaused() && !this.#isFull()) this.#socket.resume();
      }
    } finally {
      this.#isAnswering = false;
    }
  }

  /** False if the client does not read as fast as it asks. */
  #send(chunks: readonly Buffer[]): boolean {
    const socket = this.#socket;
    let isTaken = true;
    socket.cork();
    for (const chunk of chunks) isTaken = socket.write(chunk);
    socket.uncork();
    return isTaken;
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#socket.off("drain", done).off("close", done);
        resolve();
      };
      this.#socket.on("drain", done).on("close", done);
    });
  }

  #isFull(): boolean {
    return this.#pipelined >= pipelinedMax || this.#pipelinedBytes >= pipelinedBytesMax;
  }

  /** Whatever has gone wrong, the client cannot be told in a way that it would understand. */
  #fail(error: unknown): void {
    if (!this.#socket.destroyed) this.#broker.report(error);
    this.#socket.destroy();
  }
}
