// Members that keep a name of their own, so that one that restarts is the same member as before.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ErrorCode } from "@strandlog/protocol";
import type { JoinResult } from "./member.js";
import { isPending, protocols, rebalanceMs, sessionMs, TestGroup } from "./test-support.js";

const one = { instanceId: "one" };
const two = { instanceId: "two", sessionTimeoutMs: 100 * sessionMs };

test("a static member joins at once, also where others must know their id first", async () => {
  const scene = new TestGroup();
  const joined = await scene.join("", one, true);
  assert.equal(joined.errorCode, ErrorCode.NONE);
  assert.match(joined.memberId, /^one-/);
  assert.equal(joined.members?.[0]?.groupInstanceId, "one");
});

test("a static member that comes back unchanged to a stable group goes on where it was, without a rebalance", async () => {
  const scene = new TestGroup();
  const [leader, follower] = (await scene.stable({ sessionTimeoutMs: 100 * sessionMs }, one)) as [
    JoinResult,
    JoinResult,
  ];
  scene.clock.advance(sessionMs - 1);
  const back = await scene.join("", one, true);
  assert.equal(back.errorCode, ErrorCode.NONE);
  assert.notEqual(back.memberId, follower.memberId);
  assert.equal(back.generationId, follower.generationId);
  assert.equal(back.leader, leader.memberId);
  assert.equal(back.skipAssignment, false);
  scene.clock.advance(sessionMs - 1);
  assert.equal((await scene.sync(back, {}, "one")).assignment.toString(), "part 1");
  assert.equal(scene.heartbeat(leader), ErrorCode.NONE);
  assert.equal(scene.group.members.length, 2);
});

test("a leader that comes back still leads, and is told that nothing is to be assigned", async () => {
  const scene = new TestGroup();
  const [leader, follower] = (await scene.stable(one, {})) as [JoinResult, JoinResult];
  assert.equal(leader.skipAssignment, undefined);
  const back = await scene.join("", one);
  assert.equal(back.leader, back.memberId);
  assert.equal(back.members?.length, 2);
  assert.equal(back.skipAssignment, true);
  assert.equal((await scene.sync(back, {}, "one")).assignment.toString(), "part 0");
  const changed = scene.join(follower.memberId, { protocols: protocols("range", "sticky") });
  const again = await scene.join(back.memberId, one);
  assert.equal(again.leader, back.memberId);
  assert.equal(again.skipAssignment, undefined);
  assert.equal((await changed).leader, back.memberId);
});

test("whoever has the id from before is fenced, whatever it asks", async () => {
  const scene = new TestGroup();
  const [, before] = (await scene.stable({}, one)) as [JoinResult, JoinResult];
  const back = await scene.join("", one);
  const identity = { memberId: before.memberId, instanceId: "one" };
  assert.equal(scene.heartbeat(before, "one"), ErrorCode.FENCED_INSTANCE_ID);
  assert.equal((await scene.sync(before, {}, "one")).errorCode, ErrorCode.FENCED_INSTANCE_ID);
  assert.equal((await scene.join(before.memberId, one)).errorCode, ErrorCode.FENCED_INSTANCE_ID);
  assert.equal(scene.group.mayCommit(identity, 2), ErrorCode.FENCED_INSTANCE_ID);
  assert.equal(scene.group.leave(identity), ErrorCode.FENCED_INSTANCE_ID);
  assert.equal(scene.heartbeat(before), ErrorCode.UNKNOWN_MEMBER_ID);
  assert.equal(scene.heartbeat(back, "one"), ErrorCode.NONE);
  scene.clock.advance(sessionMs - 1);
  assert.equal(scene.group.members.length, 2);
});

test("a join that still waits is fenced when its instance comes back", async () => {
  const scene = new TestGroup();
  const [leader] = (await scene.stable({})) as [JoinResult];
  const before = scene.join("", one);
  const back = scene.join("", one);
  assert.equal((await before).errorCode, ErrorCode.FENCED_INSTANCE_ID);
  assert.equal(await isPending(back), true);
  assert.equal((await scene.join(leader.memberId)).members?.length, 2);
  assert.equal((await back).generationId, 2);
});

test("a sync that still waits is fenced when its instance comes back, and all join again", async () => {
  const scene = new TestGroup();
  const [leader, before] = (await scene.joined({}, one)) as [JoinResult, JoinResult];
  const waiting = scene.sync(before, {}, "one");
  const back = scene.join("", one);
  assert.equal((await waiting).errorCode, ErrorCode.FENCED_INSTANCE_ID);
  assert.equal(scene.heartbeat(leader), ErrorCode.REBALANCE_IN_PROGRESS);
  assert.equal((await scene.join(leader.memberId)).generationId, 3);
  assert.equal((await back).generationId, 3);
});

test("a static member that comes back with other wishes starts a rebalance", async () => {
  const scene = new TestGroup();
  const [leader] = (await scene.stable({}, one)) as [JoinResult];
  const metadata = Buffer.from("other topics");
  const back = scene.join("", { ...one, protocols: [{ name: "range", metadata }] });
  assert.equal(await isPending(back), true);
  assert.equal(scene.heartbeat(leader), ErrorCode.REBALANCE_IN_PROGRESS);
  const again = await scene.join(leader.memberId);
  assert.deepEqual(
    again.members?.map(({ metadata }) => metadata.toString()),
    ["range of mine", "other topics"],
  );
  await back;
});

test("a static member that misses a rebalance stays in the group until its session ends", async () => {
  const scene = new TestGroup();
  const patient = { sessionTimeoutMs: 100 * sessionMs };
  const [leader] = (await scene.stable(patient, two)) as [JoinResult];
  const again = scene.join(leader.memberId, patient);
  scene.clock.advance(rebalanceMs);
  const joined = await again;
  assert.deepEqual(
    joined.members?.map(({ groupInstanceId }) => groupInstanceId),
    [null, "two"],
  );
  await scene.sync(joined);
  scene.clock.advance(rebalanceMs);
  assert.equal(scene.group.state, "Stable");
  scene.clock.advance(100 * sessionMs - 2 * rebalanceMs - 1);
  assert.equal(scene.heartbeat(joined), ErrorCode.NONE);
  scene.clock.advance(1);
  assert.equal(scene.heartbeat(joined), ErrorCode.REBALANCE_IN_PROGRESS);
});

test("one that missed its sync in one generation and the next one altogether stays, too", async () => {
  const scene = new TestGroup();
  const patient = { sessionTimeoutMs: 100 * sessionMs };
  const [leader] = (await scene.joined(patient, two)) as [JoinResult];
  await scene.sync(leader);
  const again = scene.join(leader.memberId, patient);
  scene.clock.advance(rebalanceMs);
  await scene.sync(await again);
  scene.clock.advance(rebalanceMs);
  assert.equal(scene.group.state, "Stable");
  assert.equal(scene.group.members.length, 2);
});

test("if only static members are in the group and all miss the rebalance, it goes on when one of them is there", async () => {
  const scene = new TestGroup();
  const gone = { ...one, sessionTimeoutMs: 100 * sessionMs };
  const [leader, follower] = (await scene.stable(gone, two)) as [JoinResult, JoinResult];
  assert.equal(scene.group.leave({ memberId: "", instanceId: "one" }), ErrorCode.NONE);
  scene.clock.advance(2 * rebalanceMs);
  assert.equal(scene.group.state, "PreparingRebalance");
  const back = await scene.join(follower.memberId, two);
  assert.deepEqual([back.generationId, back.leader], [3, follower.memberId]);
  assert.notEqual(back.leader, leader.memberId);
});

test("a static member is removed by its name alone, and then it is unknown", async () => {
  const scene = new TestGroup();
  const [member] = (await scene.stable(one)) as [JoinResult];
  const leave = (memberId: string, instanceId: string) => scene.group.leave({ memberId, instanceId });
  assert.equal(leave("", "nobody"), ErrorCode.UNKNOWN_MEMBER_ID);
  assert.equal(leave("stranger", "one"), ErrorCode.FENCED_INSTANCE_ID);
  assert.equal(leave("", "one"), ErrorCode.NONE);
  assert.equal(scene.idles, 1);
  assert.equal(leave("", "one"), ErrorCode.UNKNOWN_MEMBER_ID);
  assert.equal(scene.heartbeat(member, "one"), ErrorCode.UNKNOWN_MEMBER_ID);
});

test("a static member that forgets to say its name stays what it was", async () => {
  const scene = new TestGroup();
  const [leader, member] = (await scene.stable({}, one)) as [JoinResult, JoinResult];
  const again = scene.join(member.memberId, { protocols: protocols("range", "sticky") });
  await scene.join(leader.memberId);
  assert.equal((await again).errorCode, ErrorCode.NONE);
  assert.equal(scene.group.leave({ memberId: member.memberId, instanceId: null }), ErrorCode.NONE);
  const back = scene.join("", one);
  await scene.join(leader.memberId);
  assert.equal((await back).errorCode, ErrorCode.NONE);
});

test("a static member that has joined and does not sync in time is dropped like any other", async () => {
  const scene = new TestGroup();
  const [leader, silent] = (await scene.joined({ sessionTimeoutMs: 100 * sessionMs }, two)) as [
    JoinResult,
    JoinResult,
  ];
  await scene.sync(leader);
  scene.clock.advance(rebalanceMs);
  assert.equal(scene.heartbeat(leader), ErrorCode.REBALANCE_IN_PROGRESS);
  assert.equal(scene.heartbeat(silent, "two"), ErrorCode.UNKNOWN_MEMBER_ID);
});
