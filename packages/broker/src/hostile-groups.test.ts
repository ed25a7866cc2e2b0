// What members of groups may say, and how many groups there may be.
import assert from "node:assert/strict";
import { test } from "node:test";
import { apis, ErrorCode } from "@strandlog/protocol";
import { GroupCoordinator } from "./coordinator/group-coordinator.js";
import {
  groupsMax,
  memberBytesMax,
  memberBytesModest,
  memberProtocolsMax,
  membersBytesMax,
} from "./limits.js";
import { Client, ManualClock, serve } from "./test-support.js";

function joining(groupId: string, ...metadata: number[]) {
  return {
    groupId,
    sessionTimeoutMs: 60_000,
    rebalanceTimeoutMs: 60_000,
    memberId: "",
    protocolType: "consumer",
    protocols: metadata.map((bytes, n) => ({ name: `p${n}`, metadata: Buffer.alloc(bytes) })),
  };
}

test("a member may know so many protocols and tell so much, and no more", async (t) => {
  const { broker } = await serve(t);
  const client = await Client.connect(t, broker);
  const join = async (...metadata: number[]) =>
    (await client.request(apis.joinGroup, 3, joining(`g${metadata.length}-${metadata[0]}`, ...metadata)))
      .errorCode;
  const { INVALID_REQUEST, NONE } = ErrorCode;
  assert.equal(await join(...Array(memberProtocolsMax).fill(1)), NONE);
  assert.equal(await join(...Array(memberProtocolsMax + 1).fill(1)), INVALID_REQUEST);
  assert.equal(await join(memberBytesMax - 2), NONE);
  assert.equal(await join(memberBytesMax - 1), INVALID_REQUEST);
  assert.equal(await join(memberBytesMax / 2, memberBytesMax / 2), INVALID_REQUEST);
});

test("when members hold much together, new ones may say little and be assigned little", async (t) => {
  const { broker } = await serve(t);
  const client = await Client.connect(t, broker);
  const join = (groupId: string, bytes: number) => client.request(apis.joinGroup, 3, joining(groupId, bytes));
  const many = membersBytesMax / memberBytesMax;
  for (let n = 0; n < many; n++)
    assert.equal((await join(`large-${n}`, memberBytesMax - 2)).errorCode, ErrorCode.NONE);
  assert.equal((await join("more", memberBytesMax - 2)).errorCode, ErrorCode.GROUP_MAX_SIZE_REACHED);
  const { errorCode, memberId, generationId } = await join("small", memberBytesModest - 2);
  assert.equal(errorCode, ErrorCode.NONE);
  const sync = (bytes: number) =>
    client.request(apis.syncGroup, 3, {
      groupId: "small",
      generationId,
      memberId,
      assignments: [{ memberId, assignment: Buffer.alloc(bytes) }],
    });
  assert.equal((await sync(memberBytesMax)).errorCode, ErrorCode.GROUP_MAX_SIZE_REACHED);
  assert.equal((await sync(memberBytesModest)).errorCode, ErrorCode.NONE);
});

test("of very many groups those make way in which nobody is yet", async () => {
  const groups = new GroupCoordinator(new ManualClock());
  const about = {
    instanceId: null,
    clientId: "client",
    clientHost: "/127.0.0.1",
    sessionTimeoutMs: 60_000,
    rebalanceTimeoutMs: 60_000,
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: Buffer.alloc(1) }],
  };
  await groups.open("with a member")?.join("", about, false);
  for (let n = 1; n < groupsMax; n++) await groups.open(`ghost ${n}`)?.join("", about, true);
  assert.equal(groups.all.length, groupsMax);
  assert.notEqual(groups.open("one more"), undefined);
  assert.deepEqual([groups.all.length, groups.find("ghost 1")], [groupsMax, undefined]);
  assert.equal(groups.find("with a member")?.state, "CompletingRebalance");
  const joins = groups.all.map((group) => group.join("", about, false));
  assert.equal(groups.open("and another"), undefined);
  groups.close();
  await Promise.all(joins);
});

test("offsets of topics that members do not subscribe to can be deleted", async (t) => {
  const { broker, log } = await serve(t);
  const [orders, jobs] = [await log.topic("orders"), await log.topic("jobs")];
  for (const topic of [orders, jobs]) await topic.commit("billing", new Map([[0, { offset: 1 }]]));
  const client = await Client.connect(t, broker);
  const metadata = Buffer.concat([Buffer.from("0001" + "00000001" + "0006", "hex"), Buffer.from("orders")]);
  const join = (protocolType: string, groupId: string) =>
    client.request(apis.joinGroup, 3, {
      ...joining(groupId),
      protocolType,
      protocols: [{ name: "range", metadata }],
    });
  await join("consumer", "billing");
  const forget = (groupId: string) => {
    const topics = ["orders", "jobs"].map((name) => ({ name, partitions: [{ partitionIndex: 0 }] }));
    return client.request(apis.offsetDelete, 0, { groupId, topics });
  };
  const { errorCode, topics } = await forget("billing");
  assert.equal(errorCode, ErrorCode.NONE);
  assert.deepEqual(
    topics.map(({ partitions }) => partitions[0]?.errorCode),
    [ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC, ErrorCode.NONE],
  );
  assert.deepEqual(
    [(await orders.committed("billing")).size, (await jobs.committed("billing")).size],
    [1, 0],
  );
  await join("connect", "workers");
  assert.equal((await forget("workers")).errorCode, ErrorCode.NON_EMPTY_GROUP);
});
