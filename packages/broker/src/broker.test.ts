// The broker as its clients see it: the connection, topics, Produce and Fetch.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LogError } from "@strandlog/log";
import { apis, ErrorCode } from "@strandlog/protocol";
import { type Broker, listen } from "./index.js";
import { batchOf, Client, crc32c, fetchFrom, noId, produceTo, serve } from "./test-support.js";

test("a client of a version that is yet to come learns which there are", async (t) => {
  const { broker } = await serve(t);
  const client = await Client.connect(t, broker);
  client.socket.write(Buffer.from("0000000c" + "0012" + "0063" + "00000007" + "ffff" + "0000", "hex"));
  const { correlationId, body } = await client.receive(apis.apiVersions, 0);
  assert.equal(correlationId, 7);
  assert.equal(body.errorCode, ErrorCode.UNSUPPORTED_VERSION);
  assert.ok(body.apiKeys.some(({ apiKey }) => apiKey === apis.apiVersions.key));
});

test("every API that is advertised is there in every version that the schema has", async (t) => {
  const { broker } = await serve(t);
  const client = await Client.connect(t, broker);
  const { apiKeys } = await client.request(apis.apiVersions, 4, {
    clientSoftwareName: "test",
    clientSoftwareVersion: "1",
  });
  for (const { apiKey, minVersion, maxVersion } of apiKeys) {
    const api = Object.values(apis).find(({ key }) => key === apiKey);
    assert.equal(maxVersion, api?.versionMax);
    assert.ok(minVersion <= (api?.versionMin ?? -1));
  }
});

test("topics are made, described by name and by id, and deleted", async (t) => {
  const { broker, log } = await serve(t);
  const client = await Client.connect(t, broker);
  const wanted = { name: "orders", numPartitions: 3, replicationFactor: 1, assignments: [], configs: [] };
  const created = await client.request(apis.createTopics, 7, { topics: [wanted] });
  const topicId = created.topics[0]?.topicId ?? "";
  assert.equal((await log.existingTopic("orders")).topicId, topicId);
  const again = await client.request(apis.createTopics, 7, { topics: [wanted] });
  assert.equal(again.topics[0]?.errorCode, ErrorCode.TOPIC_ALREADY_EXISTS);

  for (const topic of [
    { name: "orders", topicId: noId },
    { name: null, topicId },
  ]) {
    const asked = {
      topics: [topic],
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: false,
    };
    const { topics, brokers } = await client.request(apis.metadata, 12, asked);
    assert.equal(topics[0]?.topicId, topicId);
    assert.deepEqual(
      topics[0]?.partitions.map(({ partitionIndex }) => partitionIndex),
      [0, 1, 2],
    );
    assert.deepEqual(
      brokers.map(({ host, port }) => ({ host, port })),
      [broker.address],
    );
  }

  const deleted = await client.request(apis.deleteTopics, 6, {
    topics: [{ topicId }],
    topicNames: [],
    timeoutMs: 1,
  });
  assert.equal(deleted.responses[0]?.errorCode, ErrorCode.NONE);
  assert.equal(await log.hasTopic("orders"), false);
});

test("a topic is made when it is asked for, if the client wants that and the broker is told so", async (t) => {
  const { broker, log } = await serve(t, { numPartitions: 2 });
  const client = await Client.connect(t, broker);
  const asked = (name: string, allowAutoTopicCreation: boolean) => ({
    topics: [{ topicId: noId, name }],
    allowAutoTopicCreation,
    includeClusterAuthorizedOperations: false,
    includeTopicAuthorizedOperations: false,
  });
  const refused = await client.request(apis.metadata, 9, asked("orders", false));
  assert.equal(refused.topics[0]?.errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  const made = await client.request(apis.metadata, 9, asked("orders", true));
  assert.equal(made.topics[0]?.partitions.length, 2);
  const illegal = await client.request(apis.metadata, 9, asked("../orders", true));
  assert.equal(illegal.topics[0]?.errorCode, ErrorCode.INVALID_TOPIC_EXCEPTION);
  assert.deepEqual(await log.topics(), ["orders"]);

  const { broker: strict } = await serve(t, { autoCreateTopics: false });
  const other = await Client.connect(t, strict);
  const missing = await other.request(apis.metadata, 9, asked("orders", true));
  assert.equal(missing.topics[0]?.errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
});

test("batches are stored as they come, and fetched as they are stored", async (t) => {
  const { broker, log } = await serve(t);
  const topic = await log.topic("orders");
  await topic.append({ value: "from the library" });
  const client = await Client.connect(t, broker);
  const batch = batchOf("a", "b");
  const { responses } = await client.request(apis.produce, 9, produceTo("orders", 0, Buffer.from(batch)));
  assert.equal(responses[0]?.partitionResponses[0]?.baseOffset, 1);
  const fetched = await client.request(apis.fetch, 12, fetchFrom("orders", 2));
  const [partition] = fetched.responses[0]?.partitions ?? [];
  assert.deepEqual(partition?.records?.subarray(16), batch.subarray(16));
  assert.equal(partition?.highWatermark, 3);
});

test("requests on one connection are answered in order, also when an earlier one has to wait", async (t) => {
  const { broker, log } = await serve(t);
  await log.topic("orders");
  const [client, other] = [await Client.connect(t, broker), await Client.connect(t, broker)];
  client.send(apis.fetch, 12, fetchFrom("orders", 0, { maxWaitMs: 60_000 }));
  client.send(apis.produce, 9, produceTo("orders", 0, batchOf("own")));
  const fetched = await client.receive(apis.fetch, 12);
  assert.equal(fetched.correlationId, 1);
  assert.ok((fetched.body.responses[0]?.partitions[0]?.records?.length ?? 0) > 0);
  assert.equal((await client.receive(apis.produce, 9)).correlationId, 2);
  assert.ok(other.socket.writable);
});

test("a fetch waits for as many bytes as it wants, and no longer than it wants", async (t) => {
  const { broker, log } = await serve(t);
  const topic = await log.topic("orders");
  const client = await Client.connect(t, broker);
  const empty = await client.request(apis.fetch, 12, fetchFrom("orders", 0, { maxWaitMs: 10 }));
  assert.equal(empty.responses[0]?.partitions[0]?.records?.length, 0);
  client.send(apis.fetch, 12, fetchFrom("orders", 0, { maxWaitMs: 60_000, minBytes: 200 }));
  await topic.append({ value: "a".repeat(50) });
  await topic.append({ value: "b".repeat(50) });
  const { body } = await client.receive(apis.fetch, 12);
  assert.ok((body.responses[0]?.partitions[0]?.records?.length ?? 0) > 200);
});

test("offsets that are gone or not there yet are out of range; a topic that is not there is unknown", async (t) => {
  const { broker, log } = await serve(t);
  const topic = await log.topic("orders");
  for (const value of ["a", "b", "c"]) await topic.append({ value });
  await topic.partition(0).deleteRecords(2);
  const client = await Client.connect(t, broker);
  const codeOf = async (name: string, offset: number) => {
    const { responses } = await client.request(apis.fetch, 12, fetchFrom(name, offset, { maxWaitMs: 0 }));
    return responses[0]?.partitions[0]?.errorCode;
  };
  assert.equal(await codeOf("orders", 1), ErrorCode.OFFSET_OUT_OF_RANGE);
  assert.equal(await codeOf("orders", 2), ErrorCode.NONE);
  assert.equal(await codeOf("orders", 3), ErrorCode.NONE);
  assert.equal(await codeOf("orders", 4), ErrorCode.OFFSET_OUT_OF_RANGE);
  assert.equal(await codeOf("orders", -1), ErrorCode.OFFSET_OUT_OF_RANGE);
  assert.equal(await codeOf("nowhere", 0), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
});

test("a batch that must not be stored is refused, each for its reason, and nothing of it is there", async (t) => {
  const { broker, log } = await serve(t);
  const topic = await log.topic("orders", { maxMessageBytes: 1000 });
  const client = await Client.connect(t, broker);
  const changed = (change: (batch: Buffer) => void): Buffer => {
    const batch = batchOf("a");
    change(batch);
    return batch;
  };
  const cases: [Buffer[], number][] = [
    [[], ErrorCode.CORRUPT_MESSAGE],
    [[changed((batch) => batch.writeUInt8(0xff, batch.length - 1))], ErrorCode.CORRUPT_MESSAGE],
    [[changed((batch) => batch.writeInt32BE(9999, 8))], ErrorCode.CORRUPT_MESSAGE],
    [[changed((batch) => batch.writeInt8(1, 16))], ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT],
    [[changed((batch) => batch.writeInt32BE(5, 57))], ErrorCode.INVALID_RECORD],
    [[changed((batch) => batch.writeInt16BE(0x20, 21))], ErrorCode.INVALID_RECORD],
    [[changed((batch) => batch.writeInt16BE(0x10, 21))], ErrorCode.INVALID_RECORD],
    [[changed((batch) => batch.writeBigInt64BE(7n, 43))], ErrorCode.INVALID_RECORD],
    [[batchOf("a"), batchOf("b")], ErrorCode.INVALID_RECORD],
    [[batchOf("a".repeat(1000))], ErrorCode.MESSAGE_TOO_LARGE],
  ];
  for (const [batches, expected] of cases) {
    const { responses } = await client.request(apis.produce, 9, produceTo("orders", 0, ...batches));
    assert.equal(responses[0]?.partitionResponses[0]?.errorCode, expected);
  }
  const { responses } = await client.request(apis.produce, 9, produceTo("orders", 7, batchOf("a")));
  assert.equal(responses[0]?.partitionResponses[0]?.errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  assert.equal((await topic.partition(0).describe()).logEndOffset, 0);
});

test("producers get ids that are never given twice, whatever becomes of the broker", async (t) => {
  const { broker, log } = await serve(t);
  const ask = async (one: Broker) => {
    const client = await Client.connect(t, one);
    return client.request(apis.initProducerId, 4, { transactionalId: null, transactionTimeoutMs: 1000 });
  };
  const given = await Promise.all([ask(broker), ask(broker), ask(broker)]);
  await broker.close();
  const again = await listen(log, { kafka: 0 });
  t.after(() => again.close());
  given.push(await ask(again));
  assert.equal(new Set(given.map(({ producerId }) => producerId)).size, 4);
  assert.ok(
    given.every(({ producerEpoch, errorCode }) => producerEpoch === 0 && errorCode === ErrorCode.NONE),
  );
});

test("without knowing which ids were given, none is given", async (t) => {
  const { broker, log } = await serve(t);
  await log.storage.metadata.put("broker/producer-ids", "many");
  const client = await Client.connect(t, broker);
  const asked = { transactionalId: null, transactionTimeoutMs: 1000 };
  const { errorCode, producerId } = await client.request(apis.initProducerId, 4, asked);
  assert.deepEqual([errorCode, producerId], [ErrorCode.UNKNOWN_SERVER_ERROR, -1]);
  assert.equal((await log.storage.metadata.get("broker/producer-ids"))?.value, "many");
});

test("what an idempotent producer sends again is answered as the first time, and stored once", async (t) => {
  const { broker, log } = await serve(t);
  const topic = await log.topic("orders");
  const client = await Client.connect(t, broker);
  const send = async (sequence: number) => {
    const batch = batchOf("a");
    batch.writeBigInt64BE(7n, 43);
    batch.writeInt16BE(0, 51);
    batch.writeInt32BE(sequence, 53);
    batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
    const { responses } = await client.request(apis.produce, 9, produceTo("orders", 0, batch));
    const { errorCode, baseOffset } = responses[0]?.partitionResponses[0] ?? {};
    return [errorCode, baseOffset];
  };
  assert.deepEqual(await send(0), [ErrorCode.NONE, 0]);
  assert.deepEqual(await send(1), [ErrorCode.NONE, 1]);
  assert.deepEqual(await send(0), [ErrorCode.NONE, 0]);
  assert.deepEqual(await send(3), [ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, -1]);
  assert.equal((await topic.partition(0).describe()).logEndOffset, 2);
});

test("where a topic wants the time of the append, a producer is told it, and all who read see it", async (t) => {
  const { broker, log } = await serve(t);
  const topic = await log.topic("orders", { timestampType: "append" });
  await log.topic("other");
  const client = await Client.connect(t, broker);
  const produce = async (version: number, name: string) => {
    const { responses } = await client.request(apis.produce, version, produceTo(name, 0, batchOf("a", "b")));
    return responses[0]?.partitionResponses[0]?.logAppendTimeMs;
  };
  const before = log.clock.now();
  const told = [await produce(3, "orders"), await produce(11, "orders")];
  assert.ok(told.every((time = 0) => time >= before && time <= log.clock.now()));
  const times: number[] = [];
  for await (const { timestamp } of topic.read()) times.push(timestamp);
  assert.deepEqual(times, [told[0], told[0], told[1], told[1]]);
  assert.equal(await produce(9, "other"), -1);
});

test("without acks there is no response; an error ends the connection", async (t) => {
  const { broker, log } = await serve(t);
  const topic = await log.topic("orders");
  const client = await Client.connect(t, broker);
  client.send(apis.produce, 9, { ...produceTo("orders", 0, batchOf("a")), acks: 0 });
  const { body } = await (async () => {
    client.send(apis.listOffsets, 1, {
      replicaId: -1,
      isolationLevel: 0,
      topics: [{ name: "orders", partitions: [{ partitionIndex: 0, timestamp: -2 }] }],
    });
    return client.receive(apis.listOffsets, 1);
  })();
  assert.equal(body.topics[0]?.partitions[0]?.offset, 0);
  assert.equal((await topic.partition(0).describe()).logEndOffset, 1);
  client.send(apis.produce, 9, { ...produceTo("nowhere", 0, batchOf("a")), acks: 0 });
  await client.closed();
});

test("offsets are found by time, at both ends, and where the highest timestamp is", async (t) => {
  const { broker, log } = await serve(t);
  const topic = await log.topic("orders");
  for (const timestamp of [1000, 3000, 5000, 5000, 2000]) await topic.append({ value: "x", timestamp });
  const client = await Client.connect(t, broker);
  const find = async (timestamp: number) => {
    const partitions = [{ partitionIndex: 0, timestamp }];
    const asked = { replicaId: -1, isolationLevel: 0, topics: [{ name: "orders", partitions }] };
    const { topics } = await client.request(apis.listOffsets, 8, asked);
    const { errorCode, offset, timestamp: found } = topics[0]?.partitions[0] ?? {};
    assert.equal(errorCode, ErrorCode.NONE);
    return [offset, found];
  };
  assert.deepEqual(await find(-1), [5, -1]);
  assert.deepEqual(await find(-2), [0, -1]);
  assert.deepEqual(await find(-3), [2, 5000]);
  assert.deepEqual(await find(-4), [0, -1]);
  assert.deepEqual(await find(2500), [1, 3000]);
  assert.deepEqual(await find(6000), [-1, -1]);
});

test("closing answers what has been asked, and leaves the log open", async (t) => {
  const { broker, log } = await serve(t);
  const topic = await log.topic("orders");
  const client = await Client.connect(t, broker);
  client.send(apis.produce, 9, produceTo("orders", 0, batchOf("a")));
  assert.equal((await client.receive(apis.produce, 9)).correlationId, 1);
  await broker.close();
  await client.closed();
  await broker.close();
  assert.equal((await topic.append({ value: "b" })).offset, 1);
});

test("options that are unknown or out of bounds are refused by name, and an address that is taken is told", async (t) => {
  const { broker, log } = await serve(t);
  for (const [options, name] of [
    [{ port: 1 }, /port/],
    [{ kafka: "nowhere" }, /kafka/],
    [{ kafka: 70_000 }, /kafka/],
    [{ advertise: "here" }, /advertise/],
    [{ nodeId: -1 }, /nodeId/],
    [{ numPartitions: 0 }, /numPartitions/],
    [{ autoCreateTopics: 1 }, /autoCreateTopics/],
    [{ topicDefaults: { retentionMs: -2 } }, /retentionMs/],
    [{ topicDefaults: { partitions: 2 } }, /numPartitions/],
  ] as const) {
    await assert.rejects(listen(log, options as object), name);
  }
  await assert.rejects(listen(log, { kafka: broker.bootstrap }), (error) => {
    return error instanceof LogError && error.code === "IO" && error.message.includes(broker.bootstrap);
  });
});
