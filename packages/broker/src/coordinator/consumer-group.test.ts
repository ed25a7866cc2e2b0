// Who is in a group, who leads it, and how it gets from one generation to the next. Time is in timeouts.test.ts,
// members that keep their name in static-members.test.ts.
import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { test } from "node:test";
import { ErrorCode } from "@strandlog/protocol";
import { groupMembersMax } from "../limits.js";
import type { JoinResult } from "./member.js";
import { dynamic, isPending, protocols, sessionMs, TestGroup } from "./test-support.js";

test("the first to join leads and is told who the members are", async () => {
  const scene = new TestGroup();
  const joined = await scene.join("", { clientId: "alice" });
  assert.match(joined.memberId, /^alice-/);
  assert.deepEqual(joined, {
    errorCode: ErrorCode.NONE,
    memberId: joined.memberId,
    generationId: 1,
    protocolType: "consumer",
    protocolName: "range",
    leader: joined.memberId,
    members: [{ memberId: joined.memberId, groupInstanceId: null, metadata: Buffer.from("range of mine") }],
  });
  assert.equal(scene.group.state, "CompletingRebalance");
});

test("a client that must know its id is given one first, and is a member once it comes back with it", async () => {
  const scene = new TestGroup();
  const asked = await scene.join("", {}, true);
  assert.equal(asked.errorCode, ErrorCode.MEMBER_ID_REQUIRED);
  assert.equal(scene.group.members.length, 0);
  assert.equal(scene.group.state, "Empty");
  const joined = await scene.join(asked.memberId, {}, true);
  assert.equal(joined.errorCode, ErrorCode.NONE);
  assert.equal(joined.memberId, asked.memberId);
  assert.equal(scene.group.members.length, 1);
});

test("an id that was given out is good for one member: once it has left, the id is unknown", async () => {
  const scene = new TestGroup();
  const { memberId } = await scene.join("", {}, true);
  await scene.join(memberId, {}, true);
  scene.leave(memberId);
  assert.equal((await scene.join(memberId, {}, true)).errorCode, ErrorCode.UNKNOWN_MEMBER_ID);
});

test("an id that nobody comes back with expires, and the group goes if it has nobody else", async () => {
  const scene = new TestGroup();
  const { memberId } = await scene.join("", {}, true);
  assert.equal(scene.group.isIdle, false);
  scene.clock.advance(sessionMs - 1);
  assert.equal(scene.idles, 0);
  scene.clock.advance(1);
  assert.equal(scene.idles, 1);
  assert.equal((await scene.join(memberId, {}, true)).errorCode, ErrorCode.UNKNOWN_MEMBER_ID);
});

test("an id that was given to a dynamic member cannot be taken by a static one", async () => {
  const scene = new TestGroup();
  const { memberId } = await scene.join("", {}, true);
  const refused = await scene.join(memberId, { instanceId: "one" }, true);
  assert.equal(refused.errorCode, ErrorCode.UNKNOWN_MEMBER_ID);
  assert.equal((await scene.join(memberId, {}, true)).errorCode, ErrorCode.NONE);
});

test("a rebalance waits for those that were given an id, until they have joined, left or not come in time", async () => {
  for (const end of ["join", "leave", "expire"] as const) {
    const scene = new TestGroup();
    const [leader] = (await scene.stable({ sessionTimeoutMs: 3 * sessionMs })) as [JoinResult];
    const { memberId } = await scene.join("", {}, true);
    const again = scene.join(leader.memberId);
    assert.equal(await isPending(again), true);
    const other = end === "join" ? scene.join(memberId) : undefined;
    if (end === "leave") assert.equal(scene.leave(memberId), ErrorCode.NONE);
    if (end === "expire") scene.clock.advance(sessionMs);
    assert.equal((await again).generationId, 2);
    assert.equal((await again).members?.length, end === "join" ? 2 : 1);
    await other;
  }
});

test("giving back an id that was never used empties the group", async () => {
  const scene = new TestGroup();
  const { memberId } = await scene.join("", {}, true);
  assert.equal(scene.leave(memberId), ErrorCode.NONE);
  assert.equal(scene.idles, 1);
  assert.equal(scene.clock.timerCount, 0);
});

test("a second member makes the first join again, which it learns by its heartbeat", async () => {
  const scene = new TestGroup();
  const [first] = (await scene.stable({})) as [JoinResult];
  assert.equal(scene.heartbeat(first), ErrorCode.NONE);
  const second = scene.join("");
  assert.equal(await isPending(second), true);
  assert.equal(scene.group.state, "PreparingRebalance");
  assert.equal(scene.heartbeat(first), ErrorCode.REBALANCE_IN_PROGRESS);
  const again = await scene.join(first.memberId);
  assert.equal(again.generationId, 2);
  assert.equal(scene.heartbeat(again), ErrorCode.NONE);
  await second;
});

test("once all have joined again there is a next generation: one leads and knows all, the others know who leads", async () => {
  const scene = new TestGroup();
  const [leader, follower] = (await scene.joined({}, {})) as [JoinResult, JoinResult];
  assert.deepEqual([leader.generationId, follower.generationId], [2, 2]);
  assert.deepEqual([leader.leader, follower.leader], [leader.memberId, leader.memberId]);
  assert.deepEqual(
    leader.members?.map(({ memberId }) => memberId),
    [leader.memberId, follower.memberId],
  );
  assert.deepEqual(follower.members, []);
});

test("if the leader goes, another one leads the next generation", async () => {
  const scene = new TestGroup();
  const [leader, follower] = (await scene.stable({}, {})) as [JoinResult, JoinResult];
  assert.equal(scene.leave(leader.memberId), ErrorCode.NONE);
  assert.equal(scene.heartbeat(follower), ErrorCode.REBALANCE_IN_PROGRESS);
  const again = await scene.join(follower.memberId);
  assert.equal(again.leader, follower.memberId);
  assert.equal(again.members?.length, 1);
});

test("the leader's SyncGroup gives each its assignment, and nothing to those that it does not name", async () => {
  const scene = new TestGroup();
  const [leader, one, other] = (await scene.joined({}, {}, {})) as [JoinResult, JoinResult, JoinResult];
  const waiting = [scene.sync(one), scene.sync(other)];
  assert.equal(await isPending(Promise.race(waiting)), true);
  const synced = scene.sync(leader, { [leader.memberId]: "a", [one.memberId]: "b" });
  const results = await Promise.all([synced, ...waiting]);
  assert.deepEqual(
    results.map(({ errorCode, assignment }) => [errorCode, assignment.toString()]),
    [
      [ErrorCode.NONE, "a"],
      [ErrorCode.NONE, "b"],
      [ErrorCode.NONE, ""],
    ],
  );
  assert.deepEqual([results[1]?.protocolType, results[1]?.protocolName], ["consumer", "range"]);
  assert.equal(scene.group.state, "Stable");
});

test("who syncs after the leader has its assignment at once, and again if it asks again", async () => {
  const scene = new TestGroup();
  const [leader, follower] = (await scene.joined({}, {})) as [JoinResult, JoinResult];
  await scene.sync(leader, { [follower.memberId]: "late" });
  for (const _ of ["first", "again"]) {
    assert.equal((await scene.sync(follower)).assignment.toString(), "late");
  }
});

test("in a stable group, what the leader syncs changes nothing any more", async () => {
  const scene = new TestGroup();
  const [leader] = (await scene.stable({}, {})) as [JoinResult];
  const again = await scene.sync(leader, { [leader.memberId]: "other" });
  assert.equal(again.assignment.toString(), "part 0");
});

test("who syncs while the group is joining has to join, too; so has who waits for its assignment then", async () => {
  const scene = new TestGroup();
  const [leader, follower] = (await scene.joined({}, {})) as [JoinResult, JoinResult];
  const waiting = scene.sync(follower);
  const newcomer = scene.join("");
  assert.equal((await waiting).errorCode, ErrorCode.REBALANCE_IN_PROGRESS);
  assert.equal((await scene.sync(leader)).errorCode, ErrorCode.REBALANCE_IN_PROGRESS);
  const joined = [scene.join(leader.memberId), scene.join(follower.memberId), newcomer];
  assert.deepEqual(
    (await Promise.all(joined)).map(({ generationId }) => generationId),
    [3, 3, 3],
  );
});

test("a follower that joins again unchanged is told its generation, and nobody else notices", async () => {
  const scene = new TestGroup();
  const [leader, follower] = (await scene.stable({}, {})) as [JoinResult, JoinResult];
  assert.deepEqual(await scene.join(follower.memberId), follower);
  assert.equal(scene.group.state, "Stable");
  assert.equal(scene.heartbeat(leader), ErrorCode.NONE);
});

test("a leader that joins again, or a follower that wants something else, starts a rebalance", async () => {
  for (const [who, about] of [
    [0, {}],
    [1, { protocols: [{ name: "range", metadata: Buffer.from("other topics") }] }],
    [1, { protocols: protocols("range", "sticky") }],
  ] as const) {
    const scene = new TestGroup();
    const all = (await scene.stable({}, {})) as [JoinResult, JoinResult];
    const again = scene.join(all[who].memberId, about);
    assert.equal(await isPending(again), true);
    assert.equal(scene.heartbeat(all[1 - who] as JoinResult), ErrorCode.REBALANCE_IN_PROGRESS);
    await scene.join((all[1 - who] as JoinResult).memberId);
    assert.equal((await again).generationId, 3);
  }
});

test("before the leader has decided, each may ask again for what it was told; a change starts over", async () => {
  const scene = new TestGroup();
  const [leader, follower] = (await scene.joined({}, {})) as [JoinResult, JoinResult];
  assert.deepEqual(await scene.join(leader.memberId), leader);
  assert.deepEqual(await scene.join(follower.memberId), follower);
  assert.equal(scene.group.state, "CompletingRebalance");
  const changed = scene.join(follower.memberId, { protocols: protocols("range", "sticky") });
  assert.equal(await isPending(changed), true);
  assert.equal(scene.group.state, "PreparingRebalance");
  scene.group.close();
});

test("the protocol is the one that most members like best, of those that all members know", async () => {
  const scene = new TestGroup();
  const joined = await scene.joined(
    { protocols: protocols("sticky", "range", "hash") },
    { protocols: protocols("own", "hash", "range") },
    { protocols: protocols("hash", "range") },
  );
  assert.deepEqual(
    joined.map(({ protocolName }) => protocolName),
    ["hash", "hash", "hash"],
  );
  assert.deepEqual(
    joined[0]?.members?.map(({ metadata }) => metadata.toString()),
    ["hash of mine", "hash of mine", "hash of mine"],
  );
});

test("who has no protocol in common with the group, or is of another type, or names none, is kept out", async () => {
  const scene = new TestGroup();
  const [leader] = (await scene.stable({})) as [JoinResult];
  for (const about of [
    { protocols: protocols("sticky") },
    { protocolType: "connect" },
    { protocolType: "" },
    { protocols: [] },
  ]) {
    const { errorCode } = await scene.join("", about);
    assert.equal(errorCode, ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
  }
  assert.equal(scene.group.state, "Stable");
  const empty = await new TestGroup().join("", { protocolType: "" });
  assert.equal(empty.errorCode, ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
  const named = (type: string | null, name: string | null) =>
    scene.group.sync(dynamic(leader.memberId), 1, { type, name }, new Map());
  assert.equal((await named("consumer", "range")).errorCode, ErrorCode.NONE);
  assert.equal((await named("connect", "range")).errorCode, ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
  assert.equal((await named("consumer", "sticky")).errorCode, ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
});

test("a group that is empty again takes members of another type", async () => {
  const scene = new TestGroup();
  scene.leave((await scene.join("")).memberId);
  const joined = await scene.join("", { protocolType: "connect", protocols: protocols("eager") });
  assert.deepEqual([joined.protocolType, joined.protocolName], ["connect", "eager"]);
});

test("who speaks of another generation is told so, and nothing happens", async () => {
  const scene = new TestGroup();
  const [leader] = (await scene.joined({})) as [JoinResult];
  for (const generationId of [0, 2, -1]) {
    const other = { ...leader, generationId };
    assert.equal(scene.heartbeat(other), ErrorCode.ILLEGAL_GENERATION);
    assert.equal((await scene.sync(other)).errorCode, ErrorCode.ILLEGAL_GENERATION);
    assert.equal(scene.mayCommit(other), ErrorCode.ILLEGAL_GENERATION);
  }
  assert.equal(scene.group.state, "CompletingRebalance");
});

test("who is not a member is told so", async () => {
  const scene = new TestGroup();
  const [leader] = (await scene.stable({})) as [JoinResult];
  const stranger = { ...leader, memberId: "stranger" };
  assert.equal((await scene.join("stranger")).errorCode, ErrorCode.UNKNOWN_MEMBER_ID);
  assert.equal((await scene.sync(stranger)).errorCode, ErrorCode.UNKNOWN_MEMBER_ID);
  assert.equal(scene.heartbeat(stranger), ErrorCode.UNKNOWN_MEMBER_ID);
  assert.equal(scene.mayCommit(stranger), ErrorCode.UNKNOWN_MEMBER_ID);
  assert.equal(scene.leave("stranger"), ErrorCode.UNKNOWN_MEMBER_ID);
  assert.equal(scene.leave(""), ErrorCode.UNKNOWN_MEMBER_ID);
});

test("when the last has left the group is empty, lets go of all timers, and says so", async () => {
  const scene = new TestGroup();
  const [leader, follower] = (await scene.stable({}, {})) as [JoinResult, JoinResult];
  scene.leave(follower.memberId);
  assert.equal(scene.idles, 0);
  scene.leave(leader.memberId);
  assert.equal(scene.group.state, "Empty");
  assert.equal(scene.idles, 1);
  assert.equal(scene.clock.timerCount, 0);
});

test("who leaves while it waits is answered, and the others go on without it", async () => {
  const scene = new TestGroup();
  const [leader, follower] = (await scene.stable({}, {})) as [JoinResult, JoinResult];
  const joining = scene.join(leader.memberId);
  scene.leave(leader.memberId);
  assert.equal((await joining).errorCode, ErrorCode.UNKNOWN_MEMBER_ID);
  const newcomer = scene.join("");
  const again = await scene.join(follower.memberId);
  assert.equal(again.generationId, 3);
  const syncing = scene.sync(await newcomer);
  scene.leave((await newcomer).memberId);
  assert.equal((await syncing).errorCode, ErrorCode.UNKNOWN_MEMBER_ID);
  assert.equal((await scene.join(follower.memberId)).generationId, 4);
});

test("a group takes as many members as it may have, those that were given an id included", async () => {
  const scene = new TestGroup();
  const [leader] = (await scene.joined({})) as [JoinResult];
  const waiting = Array.from({ length: groupMembersMax - 2 }, () => scene.join(""));
  const last = await scene.join("", {}, true);
  assert.equal(last.errorCode, ErrorCode.MEMBER_ID_REQUIRED);
  assert.equal((await scene.join("")).errorCode, ErrorCode.GROUP_MAX_SIZE_REACHED);
  const all = [scene.join(leader.memberId), scene.join(last.memberId), ...waiting];
  assert.equal((await Promise.all(all))[0]?.members?.length, groupMembersMax);
  assert.equal((await scene.join("")).errorCode, ErrorCode.GROUP_MAX_SIZE_REACHED);
  assert.equal((await scene.join(leader.memberId)).errorCode, ErrorCode.NONE);
});

test("members commit unless the assignment is yet to come; strangers only while nobody is in the group", async () => {
  const scene = new TestGroup();
  const outside = { errorCode: 0, memberId: "", generationId: -1 };
  assert.equal(scene.mayCommit(outside), ErrorCode.NONE);
  const [leader] = (await scene.joined({})) as [JoinResult];
  assert.equal(scene.mayCommit(leader), ErrorCode.REBALANCE_IN_PROGRESS);
  await scene.sync(leader);
  assert.equal(scene.mayCommit(leader), ErrorCode.NONE);
  assert.equal(scene.mayCommit(outside), ErrorCode.UNKNOWN_MEMBER_ID);
  const newcomer = scene.join("");
  assert.equal(scene.mayCommit(leader), ErrorCode.NONE);
  scene.leave(leader.memberId);
  scene.leave((await newcomer).memberId);
  assert.equal(scene.mayCommit(outside), ErrorCode.NONE);
  assert.equal(scene.mayCommit(leader), ErrorCode.UNKNOWN_MEMBER_ID);
});

test("closing answers everybody who waits, and leaves no timer behind", async () => {
  const joining = new TestGroup();
  await joining.stable({});
  const join = joining.join("");
  await joining.join("", {}, true);
  joining.group.close();
  assert.equal((await join).errorCode, ErrorCode.NOT_COORDINATOR);
  const syncing = new TestGroup();
  const [, follower] = (await syncing.joined({}, {})) as [JoinResult, JoinResult];
  const sync = syncing.sync(follower);
  syncing.group.close();
  assert.equal((await sync).errorCode, ErrorCode.NOT_COORDINATOR);
  assert.deepEqual([joining.clock.timerCount, syncing.clock.timerCount], [0, 0]);
});

test("who asks again while it waits is answered once, the request before it is sent away", async () => {
  const scene = new TestGroup();
  const [leader, follower] = (await scene.stable({}, {})) as [JoinResult, JoinResult];
  const stale = scene.join(leader.memberId);
  const current = scene.join(leader.memberId);
  assert.equal((await stale).errorCode, ErrorCode.REBALANCE_IN_PROGRESS);
  assert.equal(await isPending(current), true);
  const followed = await scene.join(follower.memberId);
  assert.equal((await current).generationId, 3);

  const staleSync = scene.sync(followed);
  const currentSync = scene.sync(followed);
  assert.equal((await staleSync).errorCode, ErrorCode.REBALANCE_IN_PROGRESS);
  assert.equal(await isPending(currentSync), true);
  await scene.sync(await current, { [follower.memberId]: "new" });
  assert.equal((await currentSync).assignment.toString(), "new");
});

test("each rebalance is published with its group, generation and how many are in it", async (t) => {
  const messages: unknown[] = [];
  const note = (message: unknown) => messages.push(message);
  subscribe("strandlog:rebalance", note);
  t.after(() => unsubscribe("strandlog:rebalance", note));
  const scene = new TestGroup();
  const { memberId } = await scene.join("");
  scene.leave(memberId);
  assert.deepEqual(messages, [
    { group: "group", generation: 1, members: 1 },
    { group: "group", generation: 2, members: 0 },
  ]);
});
