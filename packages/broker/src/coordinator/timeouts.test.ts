// What a group does about members that are silent: each test moves the clock itself.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ErrorCode } from "@strandlog/protocol";
import type { JoinResult } from "./member.js";
import { isPending, rebalanceMs, sessionMs, TestGroup } from "./test-support.js";

test("a member that is silent for its session timeout is out, and the others join again", async () => {
  const scene = new TestGroup();
  const [leader, silent] = (await scene.stable({ sessionTimeoutMs: 3 * sessionMs }, {})) as [
    JoinResult,
    JoinResult,
  ];
  scene.clock.advance(sessionMs - 1);
  assert.equal(scene.group.state, "Stable");
  scene.clock.advance(1);
  assert.equal(scene.heartbeat(silent), ErrorCode.UNKNOWN_MEMBER_ID);
  assert.equal(scene.heartbeat(leader), ErrorCode.REBALANCE_IN_PROGRESS);
  const again = await scene.join(leader.memberId);
  assert.equal(again.generationId, 3);
  assert.equal(again.members?.length, 1);
});

test("if the last member falls silent, the group goes", async () => {
  const scene = new TestGroup();
  await scene.stable({});
  scene.clock.advance(sessionMs);
  assert.equal(scene.group.state, "Empty");
  assert.equal(scene.idles, 1);
  assert.equal(scene.clock.timerCount, 0);
});

test("whatever a member asks keeps it alive: heartbeats, commits, joining and syncing again", async () => {
  const scene = new TestGroup();
  const [leader, follower] = (await scene.stable({ sessionTimeoutMs: 100 * sessionMs }, {})) as [
    JoinResult,
    JoinResult,
  ];
  for (const ask of [
    () => scene.heartbeat(follower),
    () => scene.mayCommit(follower),
    () => scene.join(follower.memberId),
    () => scene.sync(follower),
  ]) {
    scene.clock.advance(sessionMs - 1);
    await ask();
  }
  scene.clock.advance(sessionMs - 1);
  assert.equal(scene.group.state, "Stable");
  assert.equal(scene.heartbeat(leader), ErrorCode.NONE);
  scene.clock.advance(sessionMs);
  assert.equal(scene.heartbeat(leader), ErrorCode.REBALANCE_IN_PROGRESS);
});

test("who waits for the others to join is not silent, and has a whole session once it is answered", async () => {
  const scene = new TestGroup();
  const [leader] = (await scene.stable({ sessionTimeoutMs: 100 * sessionMs })) as [JoinResult];
  const waiting = scene.join("");
  scene.clock.advance(rebalanceMs - 1);
  assert.equal(await isPending(waiting), true);
  await scene.join(leader.memberId);
  const joined = await waiting;
  assert.equal(joined.errorCode, ErrorCode.NONE);
  scene.clock.advance(sessionMs - 1);
  assert.equal(scene.heartbeat(joined), ErrorCode.NONE);
});

test("who waits for the leader's assignment is not silent, and has a whole session once it is answered", async () => {
  const scene = new TestGroup();
  const [leader, follower] = (await scene.joined({ sessionTimeoutMs: 100 * sessionMs }, {})) as [
    JoinResult,
    JoinResult,
  ];
  const waiting = scene.sync(follower);
  scene.clock.advance(rebalanceMs - 1);
  assert.equal(await isPending(waiting), true);
  await scene.sync(leader, { [follower.memberId]: "part" });
  assert.equal((await waiting).assignment.toString(), "part");
  scene.clock.advance(sessionMs - 1);
  assert.equal(scene.heartbeat(follower), ErrorCode.NONE);
  assert.equal(scene.group.state, "Stable");
});

test("members that have not joined again within the rebalance timeout are dropped", async () => {
  const scene = new TestGroup();
  const patient = { sessionTimeoutMs: 100 * sessionMs };
  const [leader, follower] = (await scene.stable(patient, patient)) as [JoinResult, JoinResult];
  const again = scene.join(follower.memberId, { ...patient, protocols: [range("changed")] });
  scene.clock.advance(rebalanceMs - 1);
  assert.equal(scene.heartbeat(leader), ErrorCode.REBALANCE_IN_PROGRESS);
  assert.equal(await isPending(again), true);
  scene.clock.advance(1);
  assert.equal(scene.heartbeat(leader), ErrorCode.UNKNOWN_MEMBER_ID);
  const joined = await again;
  assert.deepEqual([joined.generationId, joined.leader, joined.members?.length], [3, follower.memberId, 1]);
});

test("the longest rebalance timeout among the members counts", async () => {
  const scene = new TestGroup();
  const patient = { sessionTimeoutMs: 100 * sessionMs };
  const slow = { ...patient, rebalanceTimeoutMs: 2 * rebalanceMs };
  const [leader] = (await scene.stable(slow, patient)) as [JoinResult, JoinResult];
  const newcomer = scene.join("");
  scene.clock.advance(2 * rebalanceMs - 1);
  assert.equal(scene.heartbeat(leader), ErrorCode.REBALANCE_IN_PROGRESS);
  assert.equal(await isPending(newcomer), true);
  scene.clock.advance(1);
  assert.equal((await newcomer).members?.length, 1);
});

test("if the leader does not sync in time it is dropped, and those that wait for it join again", async () => {
  const scene = new TestGroup();
  const patient = { sessionTimeoutMs: 100 * sessionMs };
  const [leader, follower] = (await scene.joined(patient, patient)) as [JoinResult, JoinResult];
  const waiting = scene.sync(follower);
  scene.clock.advance(rebalanceMs - 1);
  assert.equal(scene.heartbeat(leader), ErrorCode.NONE);
  scene.clock.advance(1);
  assert.equal((await waiting).errorCode, ErrorCode.REBALANCE_IN_PROGRESS);
  assert.equal(scene.heartbeat(leader), ErrorCode.UNKNOWN_MEMBER_ID);
  const again = await scene.join(follower.memberId, patient);
  assert.deepEqual([again.generationId, again.leader], [3, follower.memberId]);
});

test("a follower that does not fetch its assignment in time is dropped, although the leader has synced", async () => {
  const scene = new TestGroup();
  const patient = { sessionTimeoutMs: 100 * sessionMs };
  const [leader, absent] = (await scene.joined(patient, patient)) as [JoinResult, JoinResult];
  await scene.sync(leader);
  scene.clock.advance(rebalanceMs - 1);
  assert.equal(scene.heartbeat(absent), ErrorCode.NONE);
  scene.clock.advance(1);
  assert.equal(scene.heartbeat(absent), ErrorCode.UNKNOWN_MEMBER_ID);
  assert.equal(scene.heartbeat(leader), ErrorCode.REBALANCE_IN_PROGRESS);
});

test("when all have synced in time, the group stays as it is", async () => {
  const scene = new TestGroup();
  const patient = { sessionTimeoutMs: 100 * sessionMs };
  const [leader, follower] = (await scene.joined(patient, patient)) as [JoinResult, JoinResult];
  await scene.sync(leader);
  scene.clock.advance(rebalanceMs - 1);
  await scene.sync(follower);
  scene.clock.advance(rebalanceMs);
  assert.equal(scene.group.state, "Stable");
  assert.equal(scene.group.members.length, 2);
});

test("a group whose last member leaves while somebody was given an id waits for that one only", async () => {
  const scene = new TestGroup();
  const [leader] = (await scene.stable({})) as [JoinResult];
  const { memberId } = await scene.join("", {}, true);
  scene.leave(leader.memberId);
  scene.clock.advance(0);
  assert.equal(scene.group.state, "Empty");
  assert.equal(scene.idles, 0);
  const joined = await scene.join(memberId);
  assert.deepEqual([joined.errorCode, joined.leader], [ErrorCode.NONE, memberId]);
});

function range(text: string) {
  return { name: "range", metadata: Buffer.from(text) };
}
