// What handlers work with: the log that is served, and the connection that asks.
import type { Log } from "@strandlog/log";
import type { Api, Request, ResponseOf } from "@strandlog/protocol";
import type { ByteBudget } from "./byte-budget.js";
import type { Address } from "./checked.js";
import type { GroupCoordinator } from "./coordinator/group-coordinator.js";
import type { ProducerIds } from "./coordinator/producer-ids.js";
import type { TransactionCoordinator } from "./coordinator/transaction-coordinator.js";
import type { BrokerSettings } from "./options.js";
import type { ReadMemory } from "./read-memory.js";
import type { Authentication, Authenticator } from "./security/index.js";
import type { TopicDirectory } from "./topic-directory.js";

export interface BrokerContext {
  readonly log: Log;
  readonly settings: BrokerSettings;
  readonly topics: TopicDirectory;
  readonly clusterId: string;
  readonly groups: GroupCoordinator;
  readonly producerIds: ProducerIds;
  readonly transactions: TransactionCoordinator;
  /** Of all connections together. */
  readonly budget: ByteBudget;
  readonly readMemory: ReadMemory;
  /** There if a listener asks who its clients are. */
  readonly authenticator: Authenticator | undefined;
  /** Told what has gone wrong, and what that has meant for which client, if for any. */
  readonly report: Report;
  /** In tests alone. */
  readonly intercept?: Intercept;
}

export type Report = (error: unknown, about?: ReportedEvent) => void;

/** What is published on the channel strandlog:broker, beside the error. */
export interface ReportedEvent {
  readonly event:
    | "connection-refused"
    | "handshake-failed"
    | "authentication-failed"
    /** It was closed for what it had sent, or for what came of that. */
    | "connection-failed";
  /** Its address. */
  readonly client?: string | undefined;
}

/** A client's connection. */
export interface Session {
  /** Where clients of this listener are told to connect to. */
  readonly advertised: Address;
  /** The client's address. */
  readonly clientHost: string;
  /** Aborted when the client is not to wait any longer: it is gone, or the broker closes. */
  readonly signal: AbortSignal;
  /** Nobody will read an answer. */
  readonly isGone: boolean;
  /**
   * How many of these bytes the answer in the making may take, of what all connections together may hold. They are
   * kept for it until it is there, or this is asked again.
   */
  readonly reserve: (bytes: number) => number;
  /** What to do when the answer in the making has left: nobody reads its bytes any more. Not done if it never leaves. */
  readonly whenSent: (action: () => void) => void;
  /** Its listener lets in only programs of this machine. */
  readonly isLocal: boolean;
  /** Nobody on the network hears what is said: it stays in this machine, or is TLS. */
  readonly isPrivate: boolean;
  /** How far the client has come in saying who it is, if its listener asks. */
  readonly authentication: Authentication | undefined;
}

/**
 * An answer, or what to do when it is this request's turn to be answered: responses leave in the order of their
 * requests, and the next request is begun as soon as the handler has settled. Undefined: no response.
 */
export type Answer<Body> = Body | undefined | (() => Promise<Body | undefined>);

/** An answer that is being made already. If that fails before its turn has come, nobody else is to hear of it. */
export function underway<Body>(answer: Promise<Body>): () => Promise<Body> {
  answer.catch(() => undefined);
  return () => answer;
}

/** A body whose type only its handler knows. */
export type AnyBody = Readonly<Record<string, unknown>>;

export interface Handler {
  readonly api: Api;
  /** The lowest version that is advertised; the highest is the schema's. */
  readonly advertisedFrom: number;
  readonly handle: (request: Request, session: Session, broker: BrokerContext) => Promise<Answer<AnyBody>>;
}

/** Comes between a connection and the handler, which it may call or not: so tests make requests fail. */
export type Intercept = (
  handler: Handler,
  request: Request,
  session: Session,
  broker: BrokerContext,
) => Promise<Answer<AnyBody>>;

type Handle<A extends Api> = (
  request: Request<A>,
  session: Session,
  broker: BrokerContext,
) => Answer<ResponseOf<A>> | Promise<Answer<ResponseOf<A>>>;

/** Ties a handler to its API's types. */
export function handler<A extends Api>(
  api: A,
  handle: Handle<A>,
  advertisedFrom: number = api.versionMin,
): Handler {
  return {
    api,
    advertisedFrom,
    handle: async (request, session, broker) =>
      handle(request as Request<A>, session, broker) as Answer<AnyBody>,
  };
}
