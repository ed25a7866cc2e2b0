// Requests that are well formed and mean harm: whatever they ask for, they get an answer, and nobody else notices.
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { apis, ErrorCode } from "@strandlog/protocol";
import { createdPartitionsMax, fetchWaitMsMax } from "./limits.js";
import {
  accepted,
  batchOf,
  Client,
  countWatches,
  creationOf,
  fetchFrom,
  hold,
  ManualClock,
  noId,
  produceTo,
  serve,
} from "./test-support.js";

const int32Max = 2 ** 31 - 1;
const int32Min = -(2 ** 31);

function metadataOf(names: readonly string[], allowAutoTopicCreation = false) {
  return {
    topics: names.map((name) => ({ name, topicId: noId })),
    allowAutoTopicCreation,
    includeClusterAuthorizedOperations: false,
    includeTopicAuthorizedOperations: false,
  };
}

function fetchOf(topic: string) {
  return { topic, topicId: noId, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 }] };
}

test("a Fetch is answered whatever its limits are, with one batch at least", async (t) => {
  const { broker, log } = await serve(t);
  const topic = await log.topic("orders");
  for (const value of ["a", "b"]) await topic.append({ value });
  const client = await Client.connect(t, broker);
  for (const maxBytes of [int32Min, -1, 0, 1, int32Max]) {
    for (const partitionMaxBytes of [int32Min, -1, 0, 1, int32Max]) {
      for (const minBytes of [int32Min, -1, int32Max]) {
        for (const maxWaitMs of [int32Min, -1]) {
          const limits = { maxBytes, partitionMaxBytes, minBytes, maxWaitMs };
          const { responses } = await client.request(apis.fetch, 12, fetchFrom("orders", 0, limits));
          const { errorCode, records } = responses[0]?.partitions[0] ?? {};
          assert.equal(errorCode, ErrorCode.NONE);
          assert.ok((records?.length ?? 0) > 0, JSON.stringify(limits));
        }
      }
    }
  }
});

test("a Fetch does not wait for more than it may get, nor longer than anybody may wait", async (t) => {
  const clock = new ManualClock();
  const { broker, log } = await serve(t, {}, { clock });
  const topic = await log.topic("orders");
  await topic.append({ value: "a".repeat(1000) });
  const [client, other] = [await Client.connect(t, broker), await Client.connect(t, broker)];
  const patient = { minBytes: int32Max, maxWaitMs: int32Max };
  await client.request(apis.fetch, 12, fetchFrom("orders", 0, { ...patient, maxBytes: 500 }));
  const timers = clock.timerCount;
  client.send(apis.fetch, 12, fetchFrom("orders", 0, patient));
  await other.until(() => clock.timerCount > timers);
  clock.advance(fetchWaitMsMax);
  const { body } = await client.receive(apis.fetch, 12);
  assert.ok((body.responses[0]?.partitions[0]?.records?.length ?? 0) > 1000);
});

test("a Fetch of very many partitions, or of one very many times, is parked and let go like any other", async (t) => {
  const warnings: Error[] = [];
  const note = (warning: Error) => warnings.push(warning);
  process.on("warning", note);
  t.after(() => process.off("warning", note));
  const { broker, log } = await serve(t);
  const topic = await log.topic("orders", { partitions: 100 });
  const [client, other] = [await Client.connect(t, broker), await Client.connect(t, broker)];
  const watches = countWatches(log);
  const partitions = Array.from({ length: 5000 }, (_, n) => ({
    partition: n % 100,
    fetchOffset: 0,
    partitionMaxBytes: 1,
  }));
  const topics = [{ topic: "orders", topicId: noId, partitions }];
  client.send(apis.fetch, 12, { maxWaitMs: 60_000, minBytes: 1, topics, forgottenTopicsData: [] });
  await other.until(() => watches.count > 0);
  assert.equal(watches.count, 100);
  await topic.append({ value: "a", partition: 7 });
  const { body } = await client.receive(apis.fetch, 12);
  assert.equal(body.responses[0]?.partitions.length, 5000);
  assert.equal(watches.count, 0);
  assert.deepEqual(warnings, []);
});

test("topic ids that nobody knows take one search, however many they are", async (t) => {
  const { broker, log } = await serve(t);
  const known = await log.topic("orders");
  const { metadata } = log.storage;
  const list = metadata.list.bind(metadata);
  let searches = 0;
  metadata.list = (prefix) => {
    searches++;
    return list(prefix);
  };
  const client = await Client.connect(t, broker);
  const ids = Array.from({ length: 200 }, (_, n) => Buffer.alloc(16, n + 1).toString("base64url"));
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 }];
  const topics = [...ids, known.topicId].map((topicId) => ({ topic: "", topicId, partitions }));
  const { responses } = await client.request(apis.fetch, 13, {
    maxWaitMs: 0,
    minBytes: 1,
    topics,
    forgottenTopicsData: [],
  });
  const codes = responses.map((each) => each.partitions[0]?.errorCode);
  assert.deepEqual(new Set(codes.slice(0, -1)), new Set([ErrorCode.UNKNOWN_TOPIC_ID]));
  assert.equal(codes.at(-1), ErrorCode.NONE);
  assert.equal(searches, 1);
});

test("nothing more is read for a client that has left", async (t) => {
  const sockets = accepted(t);
  const { broker, log } = await serve(t);
  await log.topic("orders");
  const held = hold(log, "read");
  const client = await Client.connect(t, broker);
  const partition = { partition: 0, fetchOffset: 0, partitionMaxBytes: 1 };
  const topics = [{ topic: "orders", topicId: noId, partitions: Array(100).fill(partition) }];
  client.send(apis.fetch, 12, { maxWaitMs: 60_000, minBytes: 1, topics, forgottenTopicsData: [] });
  const other = await Client.connect(t, broker);
  await other.until(() => held.count === 1);
  client.socket.destroy();
  await other.until(() => sockets[0]?.destroyed === true);
  held.letGo();
  for (let n = 0; n < 5; n++) await other.ping();
  assert.equal(held.count, 1);
});

test("a request about very many topics or partitions leaves others their turn", async (t) => {
  const sockets = accepted(t);
  const { broker, log } = await serve(t);
  await log.topic("orders");
  const { storage } = log;
  const read = storage.read.bind(storage);
  const get = storage.metadata.get.bind(storage.metadata);
  let steps = 0;
  storage.read = (...args) => {
    steps++;
    return read(...args);
  };
  storage.metadata.get = (key) => {
    steps++;
    return get(key);
  };
  const [client, other] = [await Client.connect(t, broker), await Client.connect(t, broker)];
  const names = Array.from({ length: 6000 }, (_, n) => `t${n}`);
  const partitions = [{ partitionIndex: 0, timestamp: -1 }];
  const requests = [
    () => client.request(apis.metadata, 9, metadataOf(names)),
    () =>
      client.request(apis.listOffsets, 8, {
        replicaId: -1,
        isolationLevel: 0,
        topics: names.map((name) => ({ name, partitions })),
      }),
    () => {
      const topicData = names.map((name) => ({ name, partitionData: [{ index: 0, records: null }] }));
      return client.request(apis.produce, 9, { acks: 1, timeoutMs: 1, topicData });
    },
    () => client.request(apis.fetch, 12, { ...fetchFrom("", 0), topics: names.map(fetchOf) }),
    () => {
      const partitions = names.flatMap(() => fetchOf("orders").partitions);
      const topics = [{ topic: "orders", topicId: noId, partitions }];
      return client.request(apis.fetch, 12, { ...fetchFrom("", 0), topics });
    },
  ];
  for (const [n, request] of requests.entries()) {
    steps = 0;
    const answered = request();
    await other.until(() => sockets[0]?.bytesRead === client.socket.bytesWritten);
    await other.ping();
    assert.ok(steps < names.length, `request ${n}: ${steps} of ${names.length}`);
    await answered;
    assert.ok(steps >= names.length);
  }
});

test("a topic is described once, however often a request names it", async (t) => {
  const { broker, log } = await serve(t);
  const { topicId } = await log.topic("orders", { partitions: 1000 });
  const client = await Client.connect(t, broker);
  const asked = metadataOf(Array(5000).fill("orders"));
  const { topics } = await client.request(apis.metadata, 12, asked);
  assert.deepEqual(
    topics.map(({ name, partitions }) => [name, partitions.length]),
    [["orders", 1000]],
  );
  const ids = Array(5000).fill({ name: null, topicId });
  assert.equal((await client.request(apis.metadata, 12, { ...asked, topics: ids })).topics.length, 1);
});

test("one request makes only so many partitions", async (t) => {
  const { broker, log } = await serve(t, { numPartitions: 100 });
  const client = await Client.connect(t, broker);
  const both = [...creationOf("one", createdPartitionsMax).topics, ...creationOf("two", 1).topics];
  const created = await client.request(apis.createTopics, 7, { topics: both });
  assert.deepEqual(
    created.topics.map(({ errorCode }) => errorCode),
    [ErrorCode.POLICY_VIOLATION, ErrorCode.POLICY_VIOLATION],
  );
  const names = Array.from({ length: createdPartitionsMax / 100 + 1 }, (_, n) => `t${n}`);
  const { topics } = await client.request(apis.metadata, 9, metadataOf(names, true));
  assert.ok(topics.every(({ errorCode }) => errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION));
  assert.deepEqual(await log.topics(), []);
  const modest = await client.request(apis.createTopics, 7, creationOf("one", createdPartitionsMax));
  assert.equal(modest.topics[0]?.errorCode, ErrorCode.NONE);

  const { broker: generous } = await serve(t, { numPartitions: createdPartitionsMax + 1 });
  const other = await Client.connect(t, generous);
  const made = await other.request(apis.metadata, 9, metadataOf(["one"], true));
  assert.equal(made.topics[0]?.partitions.length, createdPartitionsMax + 1);
  const usual = await other.request(apis.createTopics, 7, creationOf("two", -1));
  assert.equal(usual.topics[0]?.errorCode, ErrorCode.NONE);
});

test("names that lead elsewhere are no topics, and leave nothing on the disk", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "strandlog-test-"));
  const { broker, log } = await serve(t, {}, {}, join(directory, "data"));
  t.after(() => rm(directory, { recursive: true }));
  const client = await Client.connect(t, broker);
  const names = [
    "",
    ".",
    "..",
    "../evil",
    "a/b",
    "/tmp/evil",
    "a\\b",
    "a\0b",
    "ä",
    "a b",
    "__x",
    "a".repeat(250),
  ];
  const before = (await readdir(directory, { recursive: true })).sort();
  const unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
  for (const name of names) {
    const described = await client.request(apis.metadata, 9, metadataOf([name], true));
    assert.equal(described.topics[0]?.errorCode, ErrorCode.INVALID_TOPIC_EXCEPTION, name);
    const created = await client.request(apis.createTopics, 7, creationOf(name));
    assert.equal(created.topics[0]?.errorCode, ErrorCode.INVALID_TOPIC_EXCEPTION, name);
    const produced = await client.request(apis.produce, 9, produceTo(name, 0, batchOf("a")));
    assert.equal(produced.responses[0]?.partitionResponses[0]?.errorCode, unknown, name);
    const fetched = await client.request(apis.fetch, 12, fetchFrom(name, 0));
    assert.equal(fetched.responses[0]?.partitions[0]?.errorCode, unknown, name);
    const deleted = await client.request(apis.deleteTopics, 5, {
      topicNames: [name],
      topics: [],
      timeoutMs: 1,
    });
    assert.equal(deleted.responses[0]?.errorCode, unknown, name);
    const committed = await client.request(apis.offsetCommit, 8, {
      groupId: "../../evil",
      generationIdOrMemberEpoch: -1,
      memberId: "",
      topics: [{ name, partitions: [{ partitionIndex: 0, committedOffset: 0, committedMetadata: null }] }],
    });
    assert.equal(committed.topics[0]?.partitions[0]?.errorCode, unknown, name);
  }
  assert.deepEqual((await readdir(directory, { recursive: true })).sort(), before);
  assert.deepEqual(await log.topics(), []);
});
