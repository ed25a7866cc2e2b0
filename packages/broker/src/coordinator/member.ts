// A member of a consumer group: what it has told about itself, what it was assigned, and what it waits for.
import type { Timer } from "@strandlog/log";

export interface Protocol {
  readonly name: string;
  /** Opaque: only the group's leader reads it. */
  readonly metadata: Buffer;
}

/** What a client says of itself when it joins. */
export interface Joining {
  /** Of a static member: stays the same when the client restarts. */
  readonly instanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly protocolType: string;
  /** The one it likes best comes first. */
  readonly protocols: readonly Protocol[];
}

export interface JoinResult {
  readonly errorCode: number;
  readonly memberId: string;
  readonly generationId?: number;
  readonly protocolType?: string | null;
  readonly protocolName?: string | null;
  readonly leader?: string;
  /** The leader is to change nothing: what it has assigned before is in force. */
  readonly skipAssignment?: boolean;
  /** Only the leader learns who the others are. */
  readonly members?: readonly { memberId: string; groupInstanceId: string | null; metadata: Buffer }[];
}

export interface SyncResult {
  readonly errorCode: number;
  readonly assignment: Buffer;
  readonly protocolType?: string | null;
  readonly protocolName?: string | null;
}

export function protocolBytes(protocols: readonly Protocol[]): number {
  return protocols.reduce((sum, { name, metadata }) => sum + name.length + metadata.length, 0);
}

export const noAssignment: Buffer = Buffer.alloc(0);

export class Member {
  readonly id: string;
  about: Joining;
  assignment: Buffer = noAssignment;
  /** Knows the generation that it is in, and has not asked for its assignment yet. */
  mustSync = false;
  /** Ends it when nothing has been heard for the session timeout. */
  session: Timer | undefined;
  #join: ((result: JoinResult) => void) | undefined;
  #sync: ((result: SyncResult) => void) | undefined;

  constructor(id: string, about: Joining) {
    this.id = id;
    this.about = about;
  }

  /** What it has said and been assigned, in bytes. */
  get bytes(): number {
    return protocolBytes(this.about.protocols) + this.assignment.length;
  }
  get isJoining(): boolean {
    return this.#join !== undefined;
  }
  get isSyncing(): boolean {
    return this.#sync !== undefined;
  }

  /** A client that asks again no longer waits for its first answer. */
  awaitJoin(stale: JoinResult): Promise<JoinResult> {
    this.#join?.(stale);
    return new Promise((resolve) => {
      this.#join = resolve;
    });
  }

  joined(result: JoinResult): void {
    this.#join?.(result);
    this.#join = undefined;
  }

  awaitSync(stale: SyncResult): Promise<SyncResult> {
    this.#sync?.(stale);
    return new Promise((resolve) => {
      this.#sync = resolve;
    });
  }

  synced(result: SyncResult): void {
    this.#sync?.(result);
    this.#sync = undefined;
  }

  metadataFor(protocol: string): Buffer {
    return this.about.protocols.find(({ name }) => name === protocol)?.metadata ?? noAssignment;
  }

  /** Whether it says the same as before. */
  matches(protocols: readonly Protocol[]): boolean {
    const known = this.about.protocols;
    return (
      known.length === protocols.length &&
      known.every(
        ({ name, metadata }, n) => name === protocols[n]?.name && metadata.equals(protocols[n].metadata),
      )
    );
  }
}
