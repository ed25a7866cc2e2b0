// How far a connection has come in saying who its client is. On a listener with SASL nothing else is answered before;
// and whoever is refused is told so, and let go. It may be done again later (KIP-368), by the same user.
import { ErrorCode } from "@strandlog/protocol";
import { authenticationMsMax } from "../limits.js";
import type { SaslMechanism } from "../listener-options.js";
import type { Authenticator } from "./authenticator.js";
import { type Exchange, exchangeOf } from "./exchange.js";

export interface AuthenticationHost {
  readonly authenticator: Authenticator;
  nowMs(): number;
  isGone(): boolean;
  /** Told that somebody was refused, and who it said it was. */
  refused(message: string): void;
}

interface Answer {
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly authBytes: Buffer;
}

const nothing = Buffer.alloc(0);

export class Authentication {
  readonly mechanisms: readonly SaslMechanism[];
  readonly #host: AuthenticationHost;
  #mechanism: SaslMechanism | undefined;
  #exchange: Exchange | undefined;
  #user: string | undefined;
  #sinceMs: number;
  #isRefused = false;

  constructor(mechanisms: readonly SaslMechanism[], host: AuthenticationHost) {
    this.mechanisms = mechanisms;
    this.#host = host;
    this.#sinceMs = host.nowMs();
  }

  /** Whether the client may ask for whatever it likes. */
  get isDone(): boolean {
    return this.#user !== undefined && this.#mechanism === undefined && !this.#isRefused;
  }

  /** Who the client is, as far as that is known. */
  get user(): string | undefined {
    return this.#user;
  }

  /** Nothing that the client may still send is looked at. */
  get isRefused(): boolean {
    return this.#isRefused;
  }

  isOverdue(nowMs: number): boolean {
    return !this.isDone && nowMs - this.#sinceMs > authenticationMsMax;
  }

  /** The client chooses how it will say who it is. Answers an error code. */
  handshake(mechanism: string): number {
    const chosen = this.mechanisms.find((each) => each === mechanism);
    if (this.#mechanism !== undefined) return this.#refuse(ErrorCode.ILLEGAL_SASL_STATE);
    if (chosen === undefined) return this.#refuse(ErrorCode.UNSUPPORTED_SASL_MECHANISM);
    if (this.isDone) this.#sinceMs = this.#host.nowMs();
    this.#mechanism = chosen;
    this.#exchange = exchangeOf(chosen, this.#host.authenticator, () => this.#host.isGone());
    return ErrorCode.NONE;
  }

  async authenticate(token: Buffer): Promise<Answer> {
    const [mechanism, exchange] = [this.#mechanism, this.#exchange];
    if (mechanism === undefined || exchange === undefined) {
      const errorCode = this.#refuse(ErrorCode.ILLEGAL_SASL_STATE);
      return { errorCode, errorMessage: "a SaslHandshake has to come first", authBytes: nothing };
    }
    const reply = await exchange(token);
    if (reply.kind === "more") {
      this.#exchange = reply.next;
      return accepted(reply.token);
    }
    if (reply.kind === "done" && (this.#user ?? reply.user) === reply.user) {
      this.#user = reply.user;
      this.#mechanism = undefined;
      this.#exchange = undefined;
      return accepted(reply.token);
    }
    const who = reply.user === undefined ? "" : ` of ${JSON.stringify(reply.user.slice(0, 255))}`;
    this.#host.refused(`authentication${who} by ${mechanism} was refused`);
    // The same whatever is wrong, so that nobody learns what is right.
    const errorMessage = `authentication by ${mechanism} failed: user or password are wrong`;
    const errorCode = this.#refuse(ErrorCode.SASL_AUTHENTICATION_FAILED);
    return { errorCode, errorMessage, authBytes: nothing };
  }

  #refuse(errorCode: number): number {
    this.#isRefused = true;
    return errorCode;
  }
}

function accepted(authBytes: Buffer): Answer {
  return { errorCode: ErrorCode.NONE, errorMessage: null, authBytes };
}
