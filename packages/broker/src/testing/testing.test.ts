import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { apis, ErrorCode } from "@strandlog/protocol";
import { Client } from "../test-support.js";
import { AdvancingClock } from "./advancing-clock.js";
import { startBroker } from "./index.js";

test("a test's broker listens on a port of its own, and its log is at hand", async (t) => {
  await using one = await startBroker();
  await using other = await startBroker({ numPartitions: 4 });
  assert.notEqual(one.bootstrap, other.bootstrap);
  await (await one.log.topic("orders")).append({ value: "a" });
  const client = await Client.connect(t, one);
  const asked = {
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ name: "orders", partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
  };
  const { topics } = await client.request(apis.listOffsets, 8, asked);
  assert.equal(topics[0]?.partitions[0]?.offset, 1);
});

test("a reset leaves nothing of topics and groups", async () => {
  await using broker = await startBroker();
  const topic = await broker.log.topic("orders");
  await topic.append({ value: "a" });
  await topic.commit("billing", new Map([[0, { offset: 1 }]]));
  await broker.reset();
  assert.deepEqual([await broker.log.topics(), await broker.log.groups()], [[], []]);
  assert.equal((await (await broker.log.topic("orders")).append({ value: "a" })).offset, 0);
});

test("a session that would time out in a minute does so when the clock is put forward", async (t) => {
  await using broker = await startBroker();
  const client = await Client.connect(t, broker);
  const join = {
    groupId: "billing",
    sessionTimeoutMs: 60_000,
    rebalanceTimeoutMs: 60_000,
    memberId: "",
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: Buffer.alloc(0) }],
  };
  const { memberId, generationId } = await client.request(apis.joinGroup, 3, join);
  const beat = async () =>
    (await client.request(apis.heartbeat, 4, { groupId: "billing", generationId, memberId })).errorCode;
  assert.equal(await beat(), ErrorCode.NONE);
  broker.advance(59_000);
  assert.equal(await beat(), ErrorCode.NONE);
  broker.advance(61_000);
  assert.equal(await beat(), ErrorCode.UNKNOWN_MEMBER_ID);
});

test("the clock goes forward only, and by numbers", async () => {
  await using broker = await startBroker();
  for (const ms of [-1, Number.NaN, Number.POSITIVE_INFINITY, "60", undefined]) {
    const message = `the clock goes forward by a number of milliseconds, not by ${ms}`;
    assert.throws(() => broker.advance(ms as number), { code: "INVALID_ARGUMENT", message });
  }
});

test("retention comes when the clock is put forward", async () => {
  await using broker = await startBroker();
  const topic = await broker.log.topic("orders", { retentionMs: 3_600_000 });
  await topic.append({ value: "old" });
  broker.advance(3_000_000);
  await topic.append({ value: "new" });
  broker.advance(3_000_000);
  await topic.retain();
  assert.equal((await topic.partition(0).describe()).logStartOffset, 1);
});

test("a directory keeps what a test's broker has taken", async (t) => {
  const storage = mkdtempSync(join(tmpdir(), "strandlog-test-broker-"));
  t.after(() => rmSync(storage, { recursive: true }));
  for (const expected of [0, 1]) {
    await using broker = await startBroker({ storage });
    assert.equal((await (await broker.log.topic("orders")).append({ value: "a" })).offset, expected);
  }
});

test("a broker that cannot listen leaves no log open behind it", async (t) => {
  const storage = mkdtempSync(join(tmpdir(), "strandlog-test-broker-"));
  t.after(() => rmSync(storage, { recursive: true }));
  await using taken = await startBroker();
  await assert.rejects(startBroker({ storage, kafka: taken.bootstrap }), /cannot listen/);
  await using broker = await startBroker({ storage });
  assert.ok(broker.address.port > 0);
});

test("a clock that is put forward calls its timers in order, those included that they start", () => {
  const clock = new AdvancingClock();
  const calls: string[] = [];
  const startedMs = clock.elapsedMs();
  clock.startTimer(50_000, () => calls.push(`late ${Math.round((clock.elapsedMs() - startedMs) / 1000)}`));
  clock.startTimer(10_000, () => {
    calls.push(`early ${Math.round((clock.elapsedMs() - startedMs) / 1000)}`);
    clock.startTimer(10_000, () => calls.push("from a timer"));
  });
  clock.startTimer(20_000, () => calls.push("cancelled")).cancel();
  clock.advance(5000);
  assert.deepEqual(calls, []);
  clock.advance(45_000);
  assert.deepEqual(calls, ["early 10", "from a timer", "late 50"]);
});
