// Groups as clients see them through a connection: membership, and what administrators ask. Offsets are in
// offsets.test.ts, the group itself in coordinator/.
import assert from "node:assert/strict";
import { test } from "node:test";
import { apis, ErrorCode } from "@strandlog/protocol";
import { Client, type Served, serve } from "./test-support.js";

const unauthorized = { includeAuthorizedOperations: false };
const metadata = Buffer.from("what it wants");

function joinOf(groupId: string, memberId: string, groupInstanceId: string | null = null) {
  return {
    groupId,
    sessionTimeoutMs: 60_000,
    rebalanceTimeoutMs: 60_000,
    memberId,
    groupInstanceId,
    protocolType: "consumer",
    protocols: [{ name: "range", metadata }],
  };
}

/** Somebody who is in the group, and has "all" assigned. */
async function stableMember(client: Client, groupId: string) {
  const joined = await client.request(apis.joinGroup, 3, joinOf(groupId, ""));
  const { memberId, generationId } = joined;
  const assignments = [{ memberId, assignment: Buffer.from("all") }];
  const synced = await client.request(apis.syncGroup, 0, { groupId, generationId, memberId, assignments });
  assert.equal(synced.errorCode, ErrorCode.NONE);
  return { memberId, generationId };
}

/** Somebody has joined through another connection, and waits for the others. */
async function untilRebalancing(client: Client, groupId: string): Promise<void> {
  for (let asked = 0; asked < 1000; asked++) {
    const { groups } = await client.request(apis.describeGroups, 0, { groups: [groupId], ...unauthorized });
    if (groups[0]?.groupState === "PreparingRebalance") return;
  }
  assert.fail("nobody joins");
}

async function commitFor({ log }: Served, group: string): Promise<void> {
  const topic = await log.topic("orders");
  await topic.commit(group, new Map([[0, { offset: 0 }]]));
}

test("in the oldest versions a member joins at once, syncs, beats and leaves", async (t) => {
  const { broker } = await serve(t);
  const client = await Client.connect(t, broker);
  const joined = await client.request(apis.joinGroup, 0, joinOf("group", ""));
  const { memberId, generationId } = joined;
  assert.equal(joined.errorCode, ErrorCode.NONE);
  assert.equal(joined.leader, memberId);
  assert.deepEqual(joined.members, [{ memberId, groupInstanceId: null, metadata }]);
  const me = { groupId: "group", memberId, generationId };
  const assignments = [{ memberId, assignment: Buffer.from("all") }];
  const synced = await client.request(apis.syncGroup, 0, { ...me, assignments });
  assert.equal(synced.assignment.toString(), "all");
  assert.equal((await client.request(apis.heartbeat, 0, me)).errorCode, ErrorCode.NONE);
  assert.equal((await client.request(apis.leaveGroup, 0, { ...me, members: [] })).errorCode, ErrorCode.NONE);
  assert.equal((await client.request(apis.heartbeat, 0, me)).errorCode, ErrorCode.UNKNOWN_MEMBER_ID);
});

test("in the newest versions a member gets its id first, and every answer names protocol and members", async (t) => {
  const { broker } = await serve(t);
  const client = await Client.connect(t, broker);
  const refused = await client.request(apis.joinGroup, 9, joinOf("group", ""));
  assert.equal(refused.errorCode, ErrorCode.MEMBER_ID_REQUIRED);
  assert.equal(refused.protocolName, null);
  const { memberId } = refused;
  const joined = await client.request(apis.joinGroup, 9, joinOf("group", memberId));
  const { errorCode, generationId, protocolType, protocolName, leader, skipAssignment } = joined;
  assert.deepEqual(
    { errorCode, generationId, protocolType, protocolName, leader, skipAssignment },
    {
      errorCode: ErrorCode.NONE,
      generationId: 1,
      protocolType: "consumer",
      protocolName: "range",
      leader: memberId,
      skipAssignment: false,
    },
  );
  const me = { groupId: "group", memberId, generationId };
  const assignments = [{ memberId, assignment: Buffer.from("all") }];
  const sync = (name: string) =>
    client.request(apis.syncGroup, 5, { ...me, protocolType: "consumer", protocolName: name, assignments });
  assert.equal((await sync("sticky")).errorCode, ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
  const synced = await sync("range");
  assert.deepEqual(
    [synced.protocolType, synced.protocolName, synced.assignment.toString()],
    ["consumer", "range", "all"],
  );
  assert.equal((await client.request(apis.heartbeat, 4, me)).errorCode, ErrorCode.NONE);
  const leaving = { groupId: "group", members: [{ memberId }, { memberId: "stranger" }], memberId: "" };
  const left = await client.request(apis.leaveGroup, 5, leaving);
  assert.equal(left.errorCode, ErrorCode.NONE);
  assert.deepEqual(left.members, [
    { memberId, groupInstanceId: null, errorCode: ErrorCode.NONE },
    { memberId: "stranger", groupInstanceId: null, errorCode: ErrorCode.UNKNOWN_MEMBER_ID },
  ]);
});

test("two connections rebalance: the join of one is answered once the other has joined again", async (t) => {
  const { broker } = await serve(t);
  const [one, other] = [await Client.connect(t, broker), await Client.connect(t, broker)];
  const first = await stableMember(one, "group");
  other.send(apis.joinGroup, 3, joinOf("group", ""));
  await untilRebalancing(one, "group");
  const beat = await one.request(apis.heartbeat, 0, { groupId: "group", ...first });
  assert.equal(beat.errorCode, ErrorCode.REBALANCE_IN_PROGRESS);
  const leader = await one.request(apis.joinGroup, 3, joinOf("group", first.memberId));
  const follower = (await other.receive(apis.joinGroup, 3)).body;
  assert.deepEqual([leader.generationId, follower.generationId], [2, 2]);
  assert.equal(follower.leader, leader.memberId);
  other.send(apis.syncGroup, 0, { groupId: "group", ...follower, assignments: [] });
  const assignments = [{ memberId: follower.memberId, assignment: Buffer.from("half") }];
  await one.request(apis.syncGroup, 0, { groupId: "group", ...leader, assignments });
  assert.equal((await other.receive(apis.syncGroup, 0)).body.assignment.toString(), "half");
});

test("a static leader that comes back is told to skip the assignment, by its name it is removed", async (t) => {
  const { broker } = await serve(t);
  const client = await Client.connect(t, broker);
  const { memberId, generationId } = await client.request(apis.joinGroup, 9, joinOf("group", "", "one"));
  const before = { groupId: "group", memberId, groupInstanceId: "one", generationId };
  await client.request(apis.syncGroup, 5, { ...before, assignments: [] });
  const back = await client.request(apis.joinGroup, 9, joinOf("group", "", "one"));
  assert.equal(back.skipAssignment, true);
  assert.equal((await client.request(apis.heartbeat, 4, before)).errorCode, ErrorCode.FENCED_INSTANCE_ID);
  const members = [{ memberId: "", groupInstanceId: "one" }];
  const left = await client.request(apis.leaveGroup, 3, { groupId: "group", memberId: "", members });
  assert.equal(left.members[0]?.errorCode, ErrorCode.NONE);
});

test("what cannot be joined is refused for its reason", async (t) => {
  const { broker } = await serve(t);
  const client = await Client.connect(t, broker);
  const codeOf = async (version: number, change: object) =>
    (await client.request(apis.joinGroup, version, { ...joinOf("group", ""), ...change })).errorCode;
  assert.equal(await codeOf(3, { groupId: "" }), ErrorCode.INVALID_GROUP_ID);
  assert.equal(await codeOf(3, { groupId: "g".repeat(250) }), ErrorCode.INVALID_GROUP_ID);
  assert.equal(await codeOf(3, { sessionTimeoutMs: 99 }), ErrorCode.INVALID_SESSION_TIMEOUT);
  assert.equal(await codeOf(3, { sessionTimeoutMs: 1_800_001 }), ErrorCode.INVALID_SESSION_TIMEOUT);
  assert.equal(await codeOf(3, { memberId: "stranger" }), ErrorCode.UNKNOWN_MEMBER_ID);
  assert.equal(await codeOf(9, { protocols: [] }), ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
  const { groups } = await client.request(apis.listGroups, 5, { statesFilter: [], typesFilter: [] });
  assert.deepEqual(groups, []);
});

test("closing the broker answers those that wait in a group", async (t) => {
  const { broker } = await serve(t);
  const [one, other] = [await Client.connect(t, broker), await Client.connect(t, broker)];
  await stableMember(one, "group");
  other.send(apis.joinGroup, 3, joinOf("group", ""));
  await untilRebalancing(one, "group");
  await broker.close();
  assert.equal((await other.receive(apis.joinGroup, 3)).body.errorCode, ErrorCode.NOT_COORDINATOR);
});

test("groups are listed with their state, those that have only committed as well, and by state if asked", async (t) => {
  const served = await serve(t);
  const client = await Client.connect(t, served.broker);
  await commitFor(served, "idle");
  await stableMember(client, "busy");
  const list = async (version: number, statesFilter: string[], typesFilter: string[] = []) => {
    const { groups } = await client.request(apis.listGroups, version, { statesFilter, typesFilter });
    return groups;
  };
  const busy = { groupId: "busy", protocolType: "consumer", groupState: "Stable", groupType: "classic" };
  const idle = { groupId: "idle", protocolType: "consumer", groupState: "Empty", groupType: "classic" };
  assert.deepEqual(await list(5, []), [busy, idle]);
  assert.deepEqual(
    (await list(0, [])).map(({ groupId, protocolType }) => [groupId, protocolType]),
    [
      ["busy", "consumer"],
      ["idle", "consumer"],
    ],
  );
  assert.deepEqual(await list(5, ["Stable"]), [busy]);
  assert.deepEqual(await list(5, ["empty", "Dead"]), [idle]);
  assert.deepEqual(await list(5, ["PreparingRebalance"]), []);
  assert.deepEqual(await list(5, [], ["Classic"]), [busy, idle]);
  assert.deepEqual(await list(5, [], ["consumer"]), []);
});

test("groups are described: a stable one with its members, one that has only committed, one that is not there", async (t) => {
  const served = await serve(t);
  const client = await Client.connect(t, served.broker);
  await commitFor(served, "idle");
  const { memberId } = await stableMember(client, "busy");
  for (const version of [0, 5]) {
    const asked = ["busy", "idle", "nowhere"];
    const { groups } = await client.request(apis.describeGroups, version, { groups: asked, ...unauthorized });
    const [busy, ...others] = groups;
    assert.deepEqual(
      [busy?.errorCode, busy?.groupState, busy?.protocolType, busy?.protocolData],
      [ErrorCode.NONE, "Stable", "consumer", "range"],
    );
    assert.deepEqual(busy?.members, [
      {
        memberId,
        groupInstanceId: null,
        clientId: "test",
        clientHost: "/127.0.0.1",
        memberMetadata: metadata,
        memberAssignment: Buffer.from("all"),
      },
    ]);
    assert.deepEqual(
      others.map(({ errorCode, groupState, members }) => [errorCode, groupState, members.length]),
      [
        [ErrorCode.NONE, "Empty", 0],
        [ErrorCode.NONE, "Dead", 0],
      ],
    );
  }
});

test("groups are deleted unless somebody is in them, a client or one of the library's consumers", async (t) => {
  const served = await serve(t);
  const client = await Client.connect(t, served.broker);
  for (const group of ["idle", "busy", "awaited", "read"]) await commitFor(served, group);
  const member = await stableMember(client, "busy");
  await client.request(apis.joinGroup, 9, joinOf("awaited", ""));
  const topic = await served.log.topic("orders");
  await topic.append({ value: "a" });
  await using consumer = topic.consumer("read");
  await consumer.next();
  const remove = async (version: number, ...groupsNames: string[]) => {
    const { results } = await client.request(apis.deleteGroups, version, { groupsNames });
    return Object.fromEntries(results.map(({ groupId, errorCode }) => [groupId, errorCode]));
  };
  assert.deepEqual(await remove(2, "idle", "busy", "awaited", "read", "nowhere"), {
    idle: ErrorCode.NONE,
    busy: ErrorCode.NON_EMPTY_GROUP,
    awaited: ErrorCode.NONE,
    read: ErrorCode.NON_EMPTY_GROUP,
    nowhere: ErrorCode.GROUP_ID_NOT_FOUND,
  });
  assert.deepEqual(await served.log.groups(), ["busy", "read"]);
  await client.request(apis.leaveGroup, 0, { groupId: "busy", memberId: member.memberId, members: [] });
  assert.deepEqual(await remove(0, "busy"), { busy: ErrorCode.NONE });
});

test("a coordinator is found for any group and transaction: it is the broker that was asked", async (t) => {
  const { broker } = await serve(t, { nodeId: 7 });
  const client = await Client.connect(t, broker);
  const place = { nodeId: 7, ...broker.address };
  const first = await client.request(apis.findCoordinator, 0, { key: "group", coordinatorKeys: [] });
  const { errorCode, nodeId, host, port } = first;
  assert.deepEqual({ errorCode, nodeId, host, port }, { errorCode: ErrorCode.NONE, ...place });
  const find = async (keyType: number) =>
    (await client.request(apis.findCoordinator, 4, { key: "", keyType, coordinatorKeys: ["a", "b"] }))
      .coordinators;
  for (const keyType of [0, 1]) {
    assert.deepEqual(
      await find(keyType),
      ["a", "b"].map((key) => ({ key, ...place, errorCode: ErrorCode.NONE, errorMessage: null })),
    );
  }
  assert.deepEqual(
    (await find(9)).map((each) => each.errorCode),
    [ErrorCode.INVALID_REQUEST, ErrorCode.INVALID_REQUEST],
  );
});
