import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Topic } from "@strandlog/log";
import { apis, ErrorCode } from "@strandlog/protocol";
import { type Broker, type BrokerOptions, listen } from "../index.js";
import { Client, ManualClock, type Served, serve } from "../test-support.js";
import { startBroker } from "../testing/index.js";
import { TopicDirectory } from "../topic-directory.js";
import { GroupCoordinator } from "./group-coordinator.js";
import { OffsetExpiry } from "./offset-expiry.js";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const offsetsRetentionMs = 6 * hourMs;
const sessionTimeoutMs = 30 * minuteMs;

interface Stage extends Served {
  readonly clock: ManualClock;
  readonly client: Client;
  readonly orders: Topic;
  /** Lets time pass, and the broker look at what it has as often as it does. */
  pass(ms: number, meanwhile?: () => Promise<unknown>): Promise<void>;
}

async function staged(t: TestContext, options: BrokerOptions = { offsetsRetentionMs }): Promise<Stage> {
  const clock = new ManualClock();
  const { log, broker } = await serve(t, options, { clock });
  const orders = await log.topic("orders", { partitions: 2 });
  const client = await Client.connect(t, broker);
  const pass = async (ms: number, meanwhile?: () => Promise<unknown>): Promise<void> => {
    for (let leftMs = ms; leftMs > 0; leftMs -= 10 * minuteMs) {
      clock.advance(Math.min(leftMs, 10 * minuteMs));
      for (let n = 0; n < 5; n++) await client.ping();
      await meanwhile?.();
    }
  };
  return { log, broker, clock, client, orders, pass };
}

/** A member of "billing": answers what keeps it alive. */
async function join(client: Client): Promise<() => Promise<unknown>> {
  const about = {
    groupId: "billing",
    sessionTimeoutMs,
    rebalanceTimeoutMs: minuteMs,
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: Buffer.alloc(0) }],
  };
  const { memberId, generationId } = await client.request(apis.joinGroup, 3, { ...about, memberId: "" });
  const identity = { groupId: "billing", generationId, memberId };
  await client.request(apis.syncGroup, 3, { ...identity, assignments: [] });
  return async () => {
    const { errorCode } = await client.request(apis.heartbeat, 3, identity);
    assert.equal(errorCode, ErrorCode.NONE);
  };
}

const at = (offset: number, partition = 0) => new Map([[partition, { offset }]]);

test("what a group without members has committed goes, place by place, so long after the commit", async (t) => {
  const { orders, pass, log } = await staged(t);
  await orders.commit("billing", at(5, 0));
  await pass(3 * hourMs);
  await orders.commit("billing", at(6, 1));
  await pass(3 * hourMs - 10 * minuteMs);
  assert.deepEqual([...(await orders.committed("billing")).keys()], [0, 1]);
  await pass(20 * minuteMs);
  assert.deepEqual([...(await orders.committed("billing")).keys()], [1]);
  await pass(3 * hourMs);
  assert.deepEqual(await log.groups(), []);
});

test("a group keeps all while it has members, and for as long again once the last one has left", async (t) => {
  const { orders, pass, client, log } = await staged(t);
  await orders.commit("billing", at(5));
  const heartbeat = await join(client);
  await pass(20 * hourMs, heartbeat);
  assert.deepEqual(await log.groups(), ["billing"]);
  await pass(sessionTimeoutMs + offsetsRetentionMs - 20 * minuteMs);
  assert.deepEqual(await log.groups(), ["billing"]);
  await pass(40 * minuteMs);
  assert.deepEqual(await log.groups(), []);
});

test("members that come and go between two looks are not overlooked", async (t) => {
  const { orders, pass, client, log } = await staged(t);
  await orders.commit("billing", at(5));
  await pass(offsetsRetentionMs - 10 * minuteMs);
  await join(client);
  const { groups } = await client.request(apis.describeGroups, 3, {
    groups: ["billing"],
    includeAuthorizedOperations: false,
  });
  const [member] = groups[0]?.members ?? [];
  const members = [{ memberId: member?.memberId ?? "" }];
  await client.request(apis.leaveGroup, 3, { groupId: "billing", memberId: "", members });
  await pass(offsetsRetentionMs - 10 * minuteMs);
  assert.deepEqual(await log.groups(), ["billing"]);
  await pass(20 * minuteMs);
  assert.deepEqual(await log.groups(), []);
});

test("a broker that is started again knows which groups were in use, if they committed long ago", async (t) => {
  const { orders, pass, client, log, broker, clock } = await staged(t);
  await orders.commit("billing", at(5));
  await orders.commit("idle", at(5));
  const heartbeat = await join(client);
  await pass(5 * hourMs, heartbeat);
  await broker.close();
  const again: Broker = await listen(log, { kafka: 0, offsetsRetentionMs });
  t.after(() => again.close());
  const other = await Client.connect(t, again);
  const look = async (ms: number): Promise<string[]> => {
    for (let leftMs = ms; leftMs > 0; leftMs -= 10 * minuteMs) {
      clock.advance(10 * minuteMs);
      for (let n = 0; n < 5; n++) await other.ping();
    }
    return log.groups();
  };
  const notes = async () => (await log.storage.metadata.list("broker/group-used/")).length;
  assert.deepEqual([await look(2 * hourMs), await notes()], [["billing"], 1]);
  assert.deepEqual(await look(5 * hourMs), []);
  await look(20 * minuteMs);
  assert.equal(await notes(), 0);
});

test("a group that has consumers in the broker's process keeps all", async (t) => {
  const { orders, pass, log } = await staged(t);
  await orders.append({ value: "a" });
  const consumer = orders.consumer("billing");
  await consumer[Symbol.asyncIterator]().next();
  await pass(20 * hourMs);
  assert.deepEqual(await log.groups(), ["billing"]);
  await consumer.close();
});

test("where records go when they are consumed, groups are not forgotten", async (t) => {
  const { orders, pass, log } = await staged(t);
  const jobs = await log.topic("jobs", { cleanup: "consumed" });
  for (const topic of [orders, jobs]) await topic.commit("billing", at(0));
  await pass(20 * hourMs);
  assert.deepEqual(
    [(await orders.committed("billing")).size, (await jobs.committed("billing")).size],
    [0, 1],
  );
});

test("a broker that is told so keeps all offsets for ever", async (t) => {
  const { orders, pass, log } = await staged(t, { offsetsRetentionMs: -1 });
  await orders.commit("billing", at(5));
  await pass(20 * hourMs);
  assert.deepEqual(await log.groups(), ["billing"]);
});

test("a commit that comes while old ones go is not lost", async (t) => {
  const { orders, pass, log } = await staged(t);
  await orders.commit("billing", at(5));
  const { metadata } = log.storage;
  const list = metadata.list.bind(metadata);
  let commits = 0;
  await pass(offsetsRetentionMs - 10 * minuteMs);
  metadata.list = async (prefix) => {
    const found = await list(prefix);
    if (prefix === `group/${orders.topicId}/` && ++commits === 1) await orders.commit("billing", at(7));
    return found;
  };
  await pass(30 * minuteMs);
  assert.equal(commits > 1, true);
  assert.equal((await orders.committed("billing")).get(0)?.offset, 7);
});

test("where more groups have come and gone than are remembered, none goes at the next look", async (t) => {
  const { orders, clock, log } = await staged(t, { offsetsRetentionMs: -1 });
  const groups = new GroupCoordinator(clock);
  const expiry = new OffsetExpiry(log, new TopicDirectory(log), groups, offsetsRetentionMs);
  t.after(() => expiry.close());
  await orders.commit("billing", at(5));
  expiry.start();
  for (let n = 0; n <= 10_000; n++) groups.onEmpty(`storm-${n}`);
  const look = async (ms: number): Promise<string[]> => {
    clock.advance(ms);
    for (let n = 0; n < 20; n++) await new Promise((resolve) => setImmediate(resolve));
    return log.groups();
  };
  assert.deepEqual(await look(offsetsRetentionMs), ["billing"]);
  assert.deepEqual(await look(10 * minuteMs), []);
});

test("a week that a test's clock is put forward is a week for offsets, too", async () => {
  await using broker = await startBroker();
  const orders = await broker.log.topic("orders");
  await orders.commit("billing", at(5));
  broker.advance(6 * 24 * hourMs);
  assert.deepEqual(await broker.log.groups(), ["billing"]);
  broker.advance(2 * 24 * hourMs);
  while ((await broker.log.groups()).length > 0) await new Promise((resolve) => setImmediate(resolve));
});
