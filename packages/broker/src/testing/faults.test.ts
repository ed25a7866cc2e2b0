import assert from "node:assert/strict";
import { test } from "node:test";
import { apis, ErrorCode } from "@strandlog/protocol";
import { batchOf, Client, creationOf, fetchFrom, noId, produceTo } from "../test-support.js";
import { startBroker, type TestBroker } from "./index.js";
import type { RequestFault } from "./request-fault.js";

async function produce(client: Client, value: string, topic = "orders"): Promise<number | undefined> {
  const { responses } = await client.request(apis.produce, 9, produceTo(topic, 0, batchOf(value)));
  return responses[0]?.partitionResponses[0]?.errorCode;
}

async function valuesIn({ log }: TestBroker, topic = "orders"): Promise<string[]> {
  const values: string[] = [];
  for await (const { value } of (await log.topic(topic)).read()) values.push(String(value));
  return values;
}

const notLeader = { error: "NOT_LEADER_OR_FOLLOWER" } as const;

test("the requests that a fault is for get its error, and nothing of them is done", async (t) => {
  await using broker = await startBroker();
  await broker.log.topic("orders");
  const client = await Client.connect(t, broker);
  const fault = broker.faults.add({ api: "Produce", skip: 1, times: 2, action: notLeader });
  const codes = [];
  for (const value of "abcde") codes.push(await produce(client, value));
  const { NONE, NOT_LEADER_OR_FOLLOWER } = ErrorCode;
  assert.deepEqual(codes, [NONE, NOT_LEADER_OR_FOLLOWER, NOT_LEADER_OR_FOLLOWER, NONE, NONE]);
  assert.deepEqual([fault.count, await valuesIn(broker)], [2, ["a", "d", "e"]]);
});

test("a fault for a topic lets requests about others pass, by name and by id", async (t) => {
  await using broker = await startBroker();
  const { topicId } = await broker.log.topic("orders");
  await broker.log.topic("other");
  const client = await Client.connect(t, broker);
  const add = (api: RequestFault["api"], error: "UNKNOWN_SERVER_ERROR" | "FENCED_LEADER_EPOCH") =>
    broker.faults.add({ api, topic: "orders", times: Number.POSITIVE_INFINITY, action: { error } });
  const faults = [add("Produce", "UNKNOWN_SERVER_ERROR"), add("Fetch", "FENCED_LEADER_EPOCH")];
  assert.equal(await produce(client, "a", "other"), ErrorCode.NONE);
  assert.equal(await produce(client, "a"), ErrorCode.UNKNOWN_SERVER_ERROR);
  const fetch = async (version: number, topic: string, id: string) => {
    const asked = fetchFrom(topic, 0);
    const topics = asked.topics.map((each) => ({ ...each, topicId: id }));
    const { responses } = await client.request(apis.fetch, version, { ...asked, topics });
    return responses[0]?.partitions[0]?.errorCode;
  };
  assert.equal(await fetch(12, "other", noId), ErrorCode.NONE);
  assert.equal(await fetch(12, "orders", noId), ErrorCode.FENCED_LEADER_EPOCH);
  assert.equal(await fetch(13, "", topicId), ErrorCode.FENCED_LEADER_EPOCH);
  assert.deepEqual(
    faults.map(({ count }) => count),
    [1, 2],
  );

  const metadata = broker.faults.add({
    api: "Metadata",
    topic: "orders",
    action: { error: "LEADER_NOT_AVAILABLE" },
  });
  const all = {
    topics: null,
    includeClusterAuthorizedOperations: false,
    includeTopicAuthorizedOperations: false,
  };
  const none = await client.request(apis.metadata, 9, { ...all, topics: [] });
  assert.deepEqual([none.topics, metadata.count], [[], 0]);
  const { topics, brokers } = await client.request(apis.metadata, 9, all);
  const { LEADER_NOT_AVAILABLE } = ErrorCode;
  assert.deepEqual(
    topics.map(({ name, errorCode }) => [name, errorCode]),
    [
      ["orders", LEADER_NOT_AVAILABLE],
      ["other", LEADER_NOT_AVAILABLE],
    ],
  );
  assert.deepEqual(
    brokers.map(({ port }) => port),
    [broker.address.port],
  );
});

test("a connection that is dropped before leaves nothing done, one dropped after leaves it done", async (t) => {
  await using broker = await startBroker();
  await broker.log.topic("orders");
  for (const drop of ["before", "after"] as const) {
    const client = await Client.connect(t, broker);
    const fault = broker.faults.add({ api: "Produce", action: { drop } });
    client.send(apis.produce, 9, produceTo("orders", 0, batchOf(drop)));
    await client.closed();
    assert.equal(fault.count, 1);
  }
  assert.deepEqual(await valuesIn(broker), ["after"]);

  const client = await Client.connect(t, broker);
  broker.faults.add({ api: "CreateTopics", action: { drop: "after" } });
  client.send(apis.createTopics, 7, creationOf("made"));
  await client.closed();
  assert.ok(await broker.log.hasTopic("made"));
});

test("a request that is delayed is done at once, and answered when the broker's clock says so", async (t) => {
  await using broker = await startBroker();
  await broker.log.topic("orders");
  const [client, other] = [await Client.connect(t, broker), await Client.connect(t, broker)];
  const fault = broker.faults.add({ api: "Produce", action: { delayMs: 600_000 } });
  let isAnswered = false;
  const answered = produce(client, "a").then(() => {
    isAnswered = true;
  });
  await fault.struck();
  while ((await valuesIn(broker)).length === 0) await other.ping();
  for (let n = 0; n < 20; n++) await other.ping();
  assert.equal(isAnswered, false);
  broker.advance(600_000);
  await answered;
});

test("a broker that closes does not wait for the end of a delay", async (t) => {
  const broker = await startBroker();
  await broker.log.topic("orders");
  const client = await Client.connect(t, broker);
  const fault = broker.faults.add({ api: "Produce", action: { delayMs: 600_000 } });
  const answered = produce(client, "a");
  await fault.struck();
  await broker.close();
  assert.equal(await answered, ErrorCode.NONE);
});

test("an error that nobody would read ends the connection", async (t) => {
  await using broker = await startBroker();
  await broker.log.topic("orders");
  const client = await Client.connect(t, broker);
  broker.faults.add({ api: "Produce", action: notLeader });
  client.send(apis.produce, 9, { ...produceTo("orders", 0, batchOf("a")), acks: 0 });
  await client.closed();
  assert.deepEqual(await valuesIn(broker), []);
});

test("the fault that was added first strikes, and what it lets pass is for the next", async (t) => {
  await using broker = await startBroker();
  await broker.log.topic("orders");
  const client = await Client.connect(t, broker);
  broker.faults.add({ api: "Produce", action: { error: "KAFKA_STORAGE_ERROR" } });
  broker.faults.add({ api: "Produce", action: notLeader });
  const { KAFKA_STORAGE_ERROR, NONE, NOT_LEADER_OR_FOLLOWER } = ErrorCode;
  const codes = [await produce(client, "a"), await produce(client, "b"), await produce(client, "c")];
  assert.deepEqual(codes, [KAFKA_STORAGE_ERROR, NOT_LEADER_OR_FOLLOWER, NONE]);
});

test("faults are forgotten one by one, all at once, and with a reset; who waits for one is told", async (t) => {
  await using broker = await startBroker();
  const client = await Client.connect(t, broker);
  const forgetting = [
    (fault: { remove(): void }) => fault.remove(),
    () => broker.faults.clear(),
    () => broker.reset(),
  ];
  for (const forget of forgetting) {
    const fault = broker.faults.add({ api: "Produce", action: notLeader });
    const waited = assert.rejects(fault.struck(), { code: "CLOSED", message: /forgotten after 0 requests/ });
    await forget(fault);
    await waited;
    await assert.rejects(fault.struck(), { code: "CLOSED" });
    await broker.log.topic("orders");
    assert.equal(await produce(client, "a"), ErrorCode.NONE);
  }
});

test("one may wait until a fault has struck for the second time", async (t) => {
  await using broker = await startBroker();
  await broker.log.topic("orders");
  const client = await Client.connect(t, broker);
  const fault = broker.faults.add({ api: "Produce", times: 2, action: notLeader });
  const twice = fault.struck(2).then(() => fault.count);
  await produce(client, "a");
  await fault.struck();
  await produce(client, "b");
  assert.equal(await twice, 2);
  await fault.struck(2);
});

test("a fault that makes no sense is refused by name", async () => {
  await using broker = await startBroker();
  const action = notLeader;
  const cases: readonly [unknown, RegExp][] = [
    [null, /must be an object/],
    [{ api: "Produce", action, count: 1 }, /unknown fault option "count"; known are api, topic/],
    [{ api: "produce", action }, /there is no API "produce"; there are AddOffsetsToTxn, /],
    [{ api: "Heartbeat", topic: "orders", action }, /requests of Heartbeat name none/],
    [{ api: "Produce", topic: 7, action }, /"7" is no topic/],
    [{ api: "Produce", skip: -1, action }, /skip must be a whole number, not -1/],
    [{ api: "Produce", times: 0, action }, /times must be a whole number from 1 on/],
    [{ api: "Produce" }, /an? action must be an object/],
    [{ api: "Produce", action: {} }, /an action is one of error, delayMs, drop/],
    [{ api: "Produce", action: { error: "NONE" } }, /"NONE" is none of Kafka's errors/],
    [{ api: "Produce", action: { error: "toString" } }, /"toString" is none of Kafka's errors/],
    [{ api: "Produce", action: { error: "NOT_COORDINATOR", delayMs: 1 } }, /an action is one of/],
    [{ api: "Produce", action: { delayMs: 1.5 } }, /delayMs must be a whole number/],
    [{ api: "Produce", action: { drop: "during" } }, /drop is "before" or "after", not "during"/],
    [{ api: "Produce", action: { close: true } }, /unknown action "close"/],
  ];
  for (const [fault, message] of cases) {
    assert.throws(() => broker.faults.add(fault as RequestFault), { code: "INVALID_ARGUMENT", message });
  }
});
