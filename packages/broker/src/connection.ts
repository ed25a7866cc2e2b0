// One client's connection. Requests are begun in the order in which they arrive, each as soon as the one before it has
// taken its place (appends keep their order), and answered in that order too. What has been begun and not yet answered
// is bounded: beyond that nothing more is taken out of what has arrived, nothing more is read, and the client has to
// wait. So is what all connections hold together. On a listener with SASL a client has to say first who it is.
import type { Socket } from "node:net";
import {
  type Api,
  apis,
  decodeRequest,
  decodeRequestHeader,
  encodeResponse,
  FrameSplitter,
} from "@strandlog/protocol";
import type { Holder } from "./byte-budget.js";
import type { Answer, AnyBody, BrokerContext, Session } from "./context.js";
import { handlerOf, versionsForNewer } from "./handlers/index.js";
import {
  answerBytesMin,
  answerMsMaxWhenShort,
  idleMsMax,
  ownBytesMax,
  partialMsMax,
  pipelinedBytesMax,
  pipelinedMax,
  requestBytesMax,
  requestsInTurn,
  sendMsMax,
  unauthenticatedBytesMax,
} from "./limits.js";
import type { SaslMechanism } from "./listener-options.js";
import { Authentication } from "./security/index.js";
import { othersTurn } from "./turns.js";

/** Undefined: no response. */
type Response = readonly Buffer[] | undefined;

/** A request that has been begun, and what it takes until it is answered. */
interface Begun {
  readonly response: Response | (() => Promise<Response>);
  readonly bytes: number;
}

/** What a connection has of the listener by which it has come. */
export interface Entrance {
  readonly advertised: Session["advertised"];
  readonly mechanisms: readonly SaslMechanism[] | undefined;
  readonly isLocal: Session["isLocal"];
  readonly isPrivate: Session["isPrivate"];
}

/** What is answered while it is not known who the client is. */
const answeredToAnybody: readonly number[] = [
  apis.apiVersions.key,
  apis.saslHandshake.key,
  apis.saslAuthenticate.key,
];

export class Connection implements Holder {
  readonly #socket: Socket;
  readonly #session: Session;
  readonly #broker: BrokerContext;
  readonly #over = new AbortController();
  readonly #splitter = new FrameSplitter(requestBytesMax);
  /** What has arrived while requests were being begun: one chunk, since reading pauses then. */
  readonly #arrived: Buffer[] = [];
  #arrivedBytes = 0;
  readonly #begun: Begun[] = [];
  /** Of requests that have been begun, the one that is being answered among them. */
  #pipelined = 0;
  #pipelinedBytes = 0;
  /** What an answer takes that was made when its turn had come. */
  #answerBytes = 0;
  /** What to do when that has left. */
  #whenSent: (() => void)[] = [];
  /** All of it together. */
  #heldBytes = 0;
  #isBeginning = false;
  #isAnswering = false;
  #isDraining = false;
  /** Whatever is still here of the client's is not worth beginning. */
  #isCutOff = false;
  #roomMade: () => void = () => undefined;
  #lastActiveMs: number;
  /** Since when there has been a part of a request, and an answer that the client does not take. */
  #partialSinceMs: number | undefined;
  #sendingSinceMs: number | undefined;
  /** Since when it has waited for the next answer. */
  #waitingSinceMs = 0;
  readonly closed: Promise<void>;

  constructor(socket: Socket, { mechanisms, ...entrance }: Entrance, broker: BrokerContext) {
    this.#socket = socket;
    this.#broker = broker;
    const authentication = mechanisms === undefined ? undefined : this.#authenticationBy(mechanisms);
    if (authentication !== undefined) this.#splitter.frameBytesMax = unauthenticatedBytesMax;
    this.#session = {
      ...entrance,
      clientHost: socket.remoteAddress ?? "",
      signal: this.#over.signal,
      get isGone() {
        return socket.destroyed;
      },
      reserve: (bytes) => this.#reserve(bytes),
      whenSent: (action) => this.#whenSent.push(action),
      authentication,
    };
    this.#lastActiveMs = broker.log.clock.elapsedMs();
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        this.#over.abort();
        this.#roomMade();
        broker.budget.drop(this);
        resolve();
      });
    });
    socket.setNoDelay(true);
    socket.on("error", () => undefined); // "close" follows
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
  }

  /** Closes it if the client has been silent, in the middle of a request, or of an answer, for too long. */
  check(nowMs: number): void {
    const isIdle = this.#pipelined === 0 && nowMs - this.#lastActiveMs > idleMsMax;
    const isPartial = nowMs - (this.#partialSinceMs ?? nowMs) > partialMsMax;
    const isStuck = nowMs - (this.#sendingSinceMs ?? nowMs) > sendMsMax;
    const isUnknown = this.#session.authentication?.isOverdue(nowMs) ?? false;
    if (isIdle || isPartial || isStuck || isUnknown || this.#isInTheWay(nowMs)) this.destroy();
  }

  /** Others need the memory that it holds, and nothing comes of that. */
  #isInTheWay(nowMs: number): boolean {
    if (!this.#broker.budget.isShort || this.#heldBytes <= ownBytesMax) return false;
    return this.#pipelined > 0 && nowMs - this.#waitingSinceMs > answerMsMaxWhenShort;
  }

  /** There is room again for what the client has to say. */
  goOn(): void {
    if (this.#splitter.pendingBytes > 0) this.#partialSinceMs ??= this.#nowMs;
    if (!this.#isBeginning) this.#socket.resume();
  }

  /** Takes no more requests; closes once those that it has are answered, which is now for those that wait. */
  drain(): void {
    this.#isDraining = true;
    this.#over.abort();
    this.#endIfDone();
  }

  destroy(): void {
    this.#isCutOff = true;
    this.#socket.destroy();
  }

  get #nowMs(): number {
    return this.#broker.log.clock.elapsedMs();
  }

  #authenticationBy(mechanisms: readonly SaslMechanism[]): Authentication {
    const { authenticator } = this.#broker;
    if (authenticator === undefined) throw new Error("there is nobody to ask about users");
    return new Authentication(mechanisms, {
      authenticator,
      nowMs: () => this.#nowMs,
      isGone: () => this.#socket.destroyed,
      refused: (message) => {
        const about = { event: "authentication-failed", client: this.#session.clientHost } as const;
        if (!this.#socket.destroyed) this.#broker.report(new Error(message), about);
      },
    });
  }

  #receive(chunk: Buffer): void {
    if (this.#isDraining || this.#isCutOff) return; // only read so that the end is noticed
    this.#lastActiveMs = this.#nowMs;
    this.#arrived.push(chunk);
    this.#arrivedBytes += chunk.length;
    this.#account();
    if (this.#isBeginning) this.#socket.pause();
    else void this.#begin().catch((error: unknown) => this.#fail(error));
  }

  async #begin(): Promise<void> {
    this.#isBeginning = true;
    try {
      let count = 0;
      for (let chunk = this.#arrived.shift(); chunk !== undefined; chunk = this.#arrived.shift()) {
        for (const frame of this.#splitter.push(chunk)) {
          this.#partialSinceMs = undefined;
          this.#broker.budget.received(this);
          if (++count % requestsInTurn === 0) await othersTurn();
          while (this.#isFull()) await this.#room();
          if (this.#isCutOff) return;
          await this.#beginOne(frame);
          if (this.#session.authentication?.isRefused) return this.drain();
        }
        this.#arrivedBytes -= chunk.length;
        this.#account();
        if (this.#splitter.pendingBytes > 0) this.#partialSinceMs ??= this.#nowMs;
        if (this.#arrived.length === 0) this.#readOn();
      }
    } finally {
      this.#isBeginning = false;
      this.#endIfDone();
    }
  }

  /** Unless all connections together hold so much that this one has to wait, which is not its fault. */
  #readOn(): void {
    if (this.#isDraining || this.#broker.budget.mayGoOn(this, this.#splitter.pendingBytes > 0)) {
      this.#socket.resume();
    } else {
      this.#socket.pause();
      this.#partialSinceMs = undefined;
    }
  }

  /** Tells what it holds. */
  #account(): void {
    if (this.#socket.destroyed) return; // it holds nothing any more
    const receiving = this.#arrivedBytes + this.#splitter.pendingBytes;
    this.#heldBytes = receiving + this.#pipelinedBytes + this.#answerBytes;
    this.#broker.budget.hold(this, this.#heldBytes);
  }

  async #beginOne(frame: Buffer): Promise<void> {
    if (this.#pipelined === 0) this.#waitingSinceMs = this.#nowMs;
    this.#pipelined++;
    this.#pipelinedBytes += frame.length;
    const { apiKey, apiVersion, correlationId } = decodeRequestHeader(frame);
    const { authentication } = this.#session;
    if (authentication?.isDone === false && !answeredToAnybody.includes(apiKey)) {
      throw new Error(`API ${apiKey} before it is known who the client is`);
    }
    const handler = handlerOf(apiKey);
    const isKnown =
      handler !== undefined && apiVersion >= handler.api.versionMin && apiVersion <= handler.api.versionMax;
    if (isKnown) {
      const { intercept } = this.#broker;
      const request = decodeRequest(handler.api, frame);
      const answer = await (intercept === undefined
        ? handler.handle(request, this.#session, this.#broker)
        : intercept(handler, request, this.#session, this.#broker));
      this.#push(frame, answer, (body) => encodeResponse(handler.api, apiVersion, correlationId, body));
    } else {
      if (apiKey !== apis.apiVersions.key) throw new Error(`no API ${apiKey} of version ${apiVersion}`);
      const encode = (body: AnyBody) => encodeResponse(apis.apiVersions as Api, 0, correlationId, body);
      this.#push(frame, versionsForNewer(), encode);
    }
    if (authentication === undefined) return;
    this.#splitter.frameBytesMax = authentication.isDone ? requestBytesMax : unauthenticatedBytesMax;
  }

  /** An answer that is there waits as bytes, which can be counted. */
  #push(frame: Buffer, answer: Answer<AnyBody>, encode: (body: AnyBody) => Buffer[]): void {
    if (this.#socket.destroyed) return;
    const encoded = (body: AnyBody | undefined): Response => (body === undefined ? undefined : encode(body));
    let bytes = frame.length;
    if (typeof answer === "function") {
      this.#begun.push({ response: async () => encoded(await answer()), bytes });
    } else {
      const response = encoded(answer);
      for (const chunk of response ?? []) bytes += chunk.length;
      this.#pipelinedBytes += bytes - frame.length;
      this.#begun.push({ response, bytes });
    }
    this.#account();
    if (!this.#isAnswering) void this.#answer().catch((error: unknown) => this.#fail(error));
  }

  async #answer(): Promise<void> {
    this.#isAnswering = true;
    try {
      for (let begun = this.#begun.shift(); begun !== undefined; begun = this.#begun.shift()) {
        const { response: ready } = begun;
        const response = typeof ready === "function" ? await this.#made(ready) : ready;
        const whenSent = this.#whenSent;
        this.#whenSent = [];
        if (this.#socket.destroyed) return;
        if (response !== undefined && !this.#send(response, whenSent)) await this.#taken();
        this.#pipelined--;
        this.#pipelinedBytes -= begun.bytes;
        this.#answerBytes = 0;
        this.#account();
        this.#lastActiveMs = this.#nowMs;
        this.#waitingSinceMs = this.#lastActiveMs;
        this.#roomMade();
      }
    } finally {
      this.#isAnswering = false;
    }
    this.#endIfDone();
  }

  #reserve(bytes: number): number {
    const left = this.#broker.budget.left + this.#answerBytes;
    this.#answerBytes = Math.min(bytes, Math.max(answerBytesMin, left));
    this.#account();
    return this.#answerBytes;
  }

  async #made(make: () => Promise<Response>): Promise<Response> {
    const response = await make();
    this.#answerBytes = 0;
    for (const chunk of response ?? []) this.#answerBytes += chunk.length;
    this.#account();
    return response;
  }

  /** False if the client does not read as fast as it asks. */
  #send(chunks: readonly Buffer[], whenSent: readonly (() => void)[]): boolean {
    const socket = this.#socket;
    let isTaken = true;
    socket.cork();
    const sent = (error?: Error | null): void => {
      if (error == null) for (const action of whenSent) action();
    };
    for (const [index, chunk] of chunks.entries())
      isTaken = index === chunks.length - 1 ? socket.write(chunk, sent) : socket.write(chunk);
    socket.uncork();
    return isTaken;
  }

  /** Settles when what has been sent has left, or never will. */
  async #taken(): Promise<void> {
    this.#sendingSinceMs = this.#nowMs;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.#socket.off("drain", done).off("close", done);
        resolve();
      };
      this.#socket.on("drain", done).on("close", done);
    });
    this.#sendingSinceMs = undefined;
  }

  #isFull(): boolean {
    if (this.#socket.destroyed) return false; // nobody waits for answers
    return this.#pipelined >= pipelinedMax || this.#pipelinedBytes >= pipelinedBytesMax;
  }

  #room(): Promise<void> {
    return new Promise((resolve) => {
      this.#roomMade = resolve;
    });
  }

  #endIfDone(): void {
    if (!this.#isDraining || this.#pipelined > 0 || this.#isBeginning) return;
    this.#socket.end();
    this.#socket.resume(); // so that the client's end is noticed
  }

  /** Whatever has gone wrong, the client cannot be told in a way that it would understand. */
  #fail(error: unknown): void {
    const about = { event: "connection-failed", client: this.#session.clientHost } as const;
    if (!this.#socket.destroyed) this.#broker.report(error, about);
    this.destroy();
  }
}
