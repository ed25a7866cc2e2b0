// A group on a clock that only the test moves.
import assert from "node:assert/strict";
import { ErrorCode } from "@strandlog/protocol";
import { ManualClock } from "../test-support.js";
import { ConsumerGroup, type Identity } from "./consumer-group.js";
import type { Joining, JoinResult, SyncResult } from "./member.js";

export const sessionMs = 10_000;
export const rebalanceMs = 60_000;

export function protocols(...names: string[]): Joining["protocols"] {
  return names.map((name) => ({ name, metadata: Buffer.from(`${name} of mine`) }));
}

export class TestGroup {
  readonly clock: ManualClock = new ManualClock();
  /** How often the group has said that nobody is there any more. */
  idles = 0;
  readonly group: ConsumerGroup = new ConsumerGroup("group", this.clock, () => {
    this.idles++;
  });

  join(memberId: string, about: Partial<Joining> = {}, mustKnowId = false): Promise<JoinResult> {
    const usual: Joining = {
      instanceId: null,
      clientId: "client",
      clientHost: "/127.0.0.1",
      sessionTimeoutMs: sessionMs,
      rebalanceTimeoutMs: rebalanceMs,
      protocolType: "consumer",
      protocols: protocols("range"),
    };
    return this.group.join(memberId, { ...usual, ...about }, mustKnowId);
  }

  /** With these assignments, by member id, if it leads. */
  sync(
    joined: Pick<JoinResult, "memberId" | "generationId">,
    assigned: Readonly<Record<string, string>> = {},
    instanceId: string | null = null,
  ): Promise<SyncResult> {
    const assignments = new Map(Object.entries(assigned).map(([id, text]) => [id, Buffer.from(text)]));
    const identity = { memberId: joined.memberId, instanceId };
    return this.group.sync(identity, joined.generationId ?? -1, { type: null, name: null }, assignments);
  }

  heartbeat(joined: JoinResult, instanceId: string | null = null): number {
    return this.group.heartbeat({ memberId: joined.memberId, instanceId }, joined.generationId ?? -1);
  }

  mayCommit({ memberId, generationId }: JoinResult): number {
    return this.group.mayCommit(dynamic(memberId), generationId ?? -1);
  }

  leave(memberId: string): number {
    return this.group.leave(dynamic(memberId));
  }

  /** All have joined one generation, the first of them leads. */
  async joined(...abouts: Partial<Joining>[]): Promise<JoinResult[]> {
    const [leaderAbout, ...others] = abouts;
    const alone = await this.join("", leaderAbout);
    if (others.length === 0) return [alone];
    const waiting = others.map((about) => this.join("", about));
    const all = await Promise.all([this.join(alone.memberId, leaderAbout), ...waiting]);
    for (const { errorCode } of all) assert.equal(errorCode, ErrorCode.NONE);
    return all;
  }

  /** All have joined, and know what is assigned to them: "part 0" to the leader, "part 1" to the next. */
  async stable(...abouts: Partial<Joining>[]): Promise<JoinResult[]> {
    const all = await this.joined(...abouts);
    const assigned = Object.fromEntries(all.map(({ memberId }, n) => [memberId, `part ${n}`]));
    const synced = all.map((each, n) =>
      this.sync(each, n === 0 ? assigned : {}, abouts[n]?.instanceId ?? null),
    );
    assert.deepEqual(
      (await Promise.all(synced)).map(({ assignment }) => assignment.toString()),
      Object.values(assigned),
    );
    return all;
  }
}

export function dynamic(memberId: string): Identity {
  return { memberId, instanceId: null };
}

/** Whether a promise is pending once all that can run has run. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol("pending");
  const later = new Promise((resolve) => setImmediate(resolve, pending));
  return (await Promise.race([promise, later])) === pending;
}
