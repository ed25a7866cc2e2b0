// What groups have committed: by Kafka's clients, by the library, and by both in turn.
import assert from "node:assert/strict";
import { test } from "node:test";
import { apis, ErrorCode } from "@strandlog/protocol";
import { Client, serve } from "./test-support.js";

interface Place {
  readonly committedOffset: number;
  readonly committedLeaderEpoch?: number;
  readonly committedMetadata?: string | null;
}

/** Of somebody outside of the group. */
const outside = { memberId: "", generationIdOrMemberEpoch: -1 };

async function commit(
  client: Client,
  version: number,
  groupId: string,
  places: Readonly<Record<number, Place>>,
  { topic = "orders", by = outside }: { topic?: string; by?: typeof outside } = {},
): Promise<number[]> {
  const partitions = Object.entries(places).map(([partition, place]) => ({
    partitionIndex: Number(partition),
    committedMetadata: null,
    ...place,
  }));
  const topics = [{ name: topic, partitions }];
  const response = await client.request(apis.offsetCommit, version, { groupId, ...by, topics });
  return (response.topics[0]?.partitions ?? []).map(({ errorCode }) => errorCode);
}

/** Up to version 7, then as one of several groups. */
async function fetch(client: Client, version: number, groupId: string, partitionIndexes: number[]) {
  const topics = [{ name: "orders", partitionIndexes }];
  const groups = [{ groupId, topics }];
  const response = await client.request(apis.offsetFetch, version, { groupId, topics, groups });
  const answered = version < 8 ? response : response.groups[0];
  assert.equal(answered?.errorCode, ErrorCode.NONE);
  return answered?.topics[0]?.partitions ?? [];
}

function fetched(partitionIndex: number, committedOffset: number, committedLeaderEpoch = -1, metadata = "") {
  return { partitionIndex, committedOffset, committedLeaderEpoch, metadata, errorCode: ErrorCode.NONE };
}

test("offsets, leader epochs and metadata come back as they were committed, in the oldest and the newest version", async (t) => {
  const { broker, log } = await serve(t);
  await log.topic("orders", { partitions: 3 });
  const client = await Client.connect(t, broker);
  const places = {
    0: { committedOffset: 5, committedLeaderEpoch: 3, committedMetadata: "noted" },
    1: { committedOffset: 0, committedMetadata: null },
  };
  assert.deepEqual(await commit(client, 2, "old", places), [ErrorCode.NONE, ErrorCode.NONE]);
  assert.deepEqual(await commit(client, 9, "new", places), [ErrorCode.NONE, ErrorCode.NONE]);
  for (const version of [1, 9]) {
    const epoch = version === 1 ? -1 : 3;
    assert.deepEqual(await fetch(client, version, "old", [0, 1, 2]), [
      fetched(0, 5, -1, "noted"),
      fetched(1, 0),
      fetched(2, -1),
    ]);
    assert.deepEqual(await fetch(client, version, "new", [1, 0]), [
      fetched(1, 0),
      fetched(0, 5, epoch, "noted"),
    ]);
  }
});

test("a commit may go back, and replaces what was noted before", async (t) => {
  const { broker, log } = await serve(t);
  await log.topic("orders");
  const client = await Client.connect(t, broker);
  await commit(client, 9, "group", {
    0: { committedOffset: 9, committedLeaderEpoch: 2, committedMetadata: "old" },
  });
  await commit(client, 9, "group", { 0: { committedOffset: 4 } });
  assert.deepEqual(await fetch(client, 9, "group", [0]), [fetched(0, 4)]);
});

test("who names no topics is answered all that the group has committed, and nothing of other groups", async (t) => {
  const { broker, log } = await serve(t);
  for (const name of ["orders", "bills", "unread"]) await log.topic(name, { partitions: 2 });
  const client = await Client.connect(t, broker);
  await commit(client, 9, "group", { 1: { committedOffset: 1 } });
  await commit(client, 9, "group", { 0: { committedOffset: 2 } }, { topic: "bills" });
  await commit(client, 9, "other", { 0: { committedOffset: 3 } }, { topic: "unread" });
  const all = [
    { name: "bills", partitions: [fetched(0, 2)] },
    { name: "orders", partitions: [fetched(1, 1)] },
  ];
  const old = await client.request(apis.offsetFetch, 2, { groupId: "group", topics: null, groups: [] });
  assert.deepEqual(old.topics, all);
  const groups = ["group", "other", "nobody"].map((groupId) => ({ groupId, topics: null }));
  const { groups: answered } = await client.request(apis.offsetFetch, 8, { groupId: "", topics: [], groups });
  assert.deepEqual(
    answered.map(({ groupId, topics }) => [groupId, topics]),
    [
      ["group", all],
      ["other", [{ name: "unread", partitions: [fetched(0, 3)] }]],
      ["nobody", []],
    ],
  );
});

test("for topics, partitions and groups that are not there nothing is committed", async (t) => {
  const { broker, log } = await serve(t);
  await log.topic("orders");
  const client = await Client.connect(t, broker);
  const long = "g".repeat(250);
  assert.deepEqual(await fetch(client, 9, "nobody", [0, 7]), [fetched(0, -1), fetched(7, -1)]);
  assert.deepEqual(await fetch(client, 9, long, [0]), [fetched(0, -1)]);
  const topics = [{ name: "nowhere", partitionIndexes: [0] }];
  const answered = await client.request(apis.offsetFetch, 7, { groupId: "group", topics, groups: [] });
  assert.deepEqual(answered.topics, [{ name: "nowhere", partitions: [fetched(0, -1)] }]);
});

test("what cannot be committed is refused, each for its reason, and the rest is committed", async (t) => {
  const { broker, log } = await serve(t);
  await log.topic("orders", { partitions: 3 });
  const client = await Client.connect(t, broker);
  const codes = await commit(client, 9, "group", {
    0: { committedOffset: 1, committedMetadata: "m".repeat(4097) },
    1: { committedOffset: 1, committedMetadata: "m".repeat(4096) },
    2: { committedOffset: -1 },
    3: { committedOffset: 1 },
  });
  assert.deepEqual(codes, [
    ErrorCode.OFFSET_METADATA_TOO_LARGE,
    ErrorCode.NONE,
    ErrorCode.INVALID_COMMIT_OFFSET_SIZE,
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ]);
  const [long, kept] = await fetch(client, 9, "group", [0, 1]);
  assert.deepEqual([long?.committedOffset, kept?.metadata?.length], [-1, 4096]);
  const place = { 0: { committedOffset: 1 } };
  assert.deepEqual(await commit(client, 9, "group", place, { topic: "nowhere" }), [
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ]);
  for (const groupId of ["", "g".repeat(250)]) {
    assert.deepEqual(await commit(client, 9, groupId, place), [ErrorCode.INVALID_GROUP_ID]);
  }
});

test("a group with members takes commits of its members only, one without takes those of anybody outside", async (t) => {
  const { broker, log } = await serve(t);
  await log.topic("orders");
  const client = await Client.connect(t, broker);
  const place = { 0: { committedOffset: 1 } };
  const stranger = { memberId: "stranger", generationIdOrMemberEpoch: 1 };
  const { memberId } = await client.request(apis.joinGroup, 3, {
    groupId: "group",
    sessionTimeoutMs: 60_000,
    memberId: "",
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: Buffer.from("x") }],
  });
  const by = { memberId, generationIdOrMemberEpoch: 1 };
  assert.deepEqual(await commit(client, 9, "group", place, { by }), [ErrorCode.REBALANCE_IN_PROGRESS]);
  await client.request(apis.syncGroup, 0, { groupId: "group", generationId: 1, memberId, assignments: [] });
  assert.deepEqual(await commit(client, 9, "group", place, { by }), [ErrorCode.NONE]);
  assert.deepEqual(
    await commit(client, 9, "group", place, { by: { memberId, generationIdOrMemberEpoch: 0 } }),
    [ErrorCode.ILLEGAL_GENERATION],
  );
  assert.deepEqual(await commit(client, 9, "group", place, { by: stranger }), [ErrorCode.UNKNOWN_MEMBER_ID]);
  assert.deepEqual(await commit(client, 9, "group", place), [ErrorCode.UNKNOWN_MEMBER_ID]);
  await client.request(apis.leaveGroup, 0, { groupId: "group", memberId, members: [] });
  assert.deepEqual(await commit(client, 9, "group", place, { by }), [ErrorCode.ILLEGAL_GENERATION]);
  assert.deepEqual(await commit(client, 9, "group", place), [ErrorCode.NONE]);
});

test("committed offsets are deleted partition by partition, unless the group has members or is not there", async (t) => {
  const { broker, log } = await serve(t);
  await log.topic("orders", { partitions: 3 });
  const client = await Client.connect(t, broker);
  const forget = async (groupId: string, name: string, ...partitionIndexes: number[]) => {
    const topics = [{ name, partitions: partitionIndexes.map((partitionIndex) => ({ partitionIndex })) }];
    const { errorCode, topics: answered } = await client.request(apis.offsetDelete, 0, { groupId, topics });
    return [errorCode, ...(answered[0]?.partitions ?? []).map((each) => each.errorCode)];
  };
  await commit(client, 9, "group", { 0: { committedOffset: 1 }, 1: { committedOffset: 2 } });
  assert.deepEqual(await forget("nobody", "orders", 0), [ErrorCode.GROUP_ID_NOT_FOUND]);
  assert.deepEqual(await forget("group", "nowhere", 0), [0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]);
  assert.deepEqual(await forget("group", "orders", 0, 2, 3), [0, 0, 0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]);
  assert.deepEqual(await fetch(client, 9, "group", [0, 1]), [fetched(0, -1), fetched(1, 2)]);
  await client.request(apis.joinGroup, 3, {
    groupId: "group",
    sessionTimeoutMs: 60_000,
    memberId: "",
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: Buffer.from("x") }],
  });
  assert.deepEqual(await forget("group", "orders", 1), [0, ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC]);
  assert.deepEqual(await fetch(client, 9, "group", [1]), [fetched(1, 2)]);
});

test("where a Kafka client has got to, the library's consumer goes on, and the other way round", async (t) => {
  const { broker, log } = await serve(t);
  const topic = await log.topic("orders");
  for (const value of ["a", "b", "c", "d", "e"]) await topic.append({ value });
  const client = await Client.connect(t, broker);
  await commit(client, 9, "group", { 0: { committedOffset: 2 } });

  const consumer = topic.consumer("group", { commit: "explicit" });
  assert.equal((await consumer.next()).value?.value?.toString(), "c");
  assert.equal((await consumer.next()).value?.value?.toString(), "d");
  await consumer.commit();
  assert.deepEqual(await fetch(client, 9, "group", [0]), [fetched(0, 4)]);
  await consumer.close();

  await commit(client, 9, "group", { 0: { committedOffset: 1, committedMetadata: "back" } });
  await using again = topic.consumer("group");
  assert.equal((await again.next()).value?.value?.toString(), "b");
});
