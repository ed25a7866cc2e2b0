// Topics' settings, partitions and records, as administrators change them.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { apis, ErrorCode } from "@strandlog/protocol";
import { Client, noId, serve } from "./test-support.js";
import { startBroker } from "./testing/index.js";

const topicType = 2;

function wanted(name: string, configs: Record<string, string | null>, numPartitions = 1) {
  const list = Object.entries(configs).map(([key, value]) => ({ name: key, value }));
  return { name, numPartitions, replicationFactor: -1, assignments: [], configs: list };
}

async function configsOf(client: Client, resourceName: string, keys: string[] | null = null) {
  const asked = { resourceType: topicType, resourceName, configurationKeys: keys };
  const { results } = await client.request(apis.describeConfigs, 4, { resources: [asked] });
  assert.equal(results[0]?.errorCode, ErrorCode.NONE);
  return new Map(results[0]?.configs.map((config) => [config.name, config]));
}

test("a topic is made with configs by Kafka's names, and they are its settings", async (t) => {
  const { broker, log } = await serve(t);
  const client = await Client.connect(t, broker);
  const configs = {
    "cleanup.policy": "consumed",
    "compression.type": "gzip",
    "max.message.bytes": "5000",
    "message.timestamp.type": "LogAppendTime",
    "min.insync.replicas": "1",
    "retention.bytes": "1000000",
    "retention.ms": "9223372036854775807",
    "segment.bytes": "65536",
    "segment.ms": null,
    "strandlog.durability": "os",
  };
  const { topics } = await client.request(apis.createTopics, 7, { topics: [wanted("orders", configs, 2)] });
  assert.equal(topics[0]?.errorCode, ErrorCode.NONE);
  assert.equal(topics[0]?.configs?.find(({ name }) => name === "segment.bytes")?.value, "65536");
  assert.deepEqual((await log.existingTopic("orders")).config, {
    partitions: 2,
    durability: "os",
    compression: "gzip",
    cleanup: "consumed",
    timestampType: "append",
    retentionMs: Number.MAX_SAFE_INTEGER,
    retentionBytes: 1_000_000,
    deleteRetentionMs: 86_400_000,
    segmentBytes: 65_536,
    segmentMs: 604_800_000,
    maxMessageBytes: 5000,
  });
});

test("configs that are unknown, fixed or out of bounds are refused, and no topic is made", async (t) => {
  const { broker, log } = await serve(t);
  const client = await Client.connect(t, broker);
  for (const [configs, message] of [
    [{ "no.such.config": "1" }, /unknown topic config "no.such.config"/],
    [{ "message.timestamp.type": "append" }, /CreateTime, LogAppendTime/],
    [{ "cleanup.policy": "compact,consumed" }, /delete, consumed, compact, compact,delete/],
    [{ "min.cleanable.dirty.ratio": "0.1" }, /always 0.5/],
    [{ "min.insync.replicas": "2" }, /always 1/],
    [{ "segment.bytes": "many" }, /whole number/],
    [{ "segment.bytes": "5" }, /segmentBytes/],
    [{ "retention.ms": "-2" }, /retentionMs/],
  ] as const) {
    const { topics } = await client.request(apis.createTopics, 7, { topics: [wanted("orders", configs)] });
    assert.equal(topics[0]?.errorCode, ErrorCode.INVALID_CONFIG);
    assert.match(topics[0]?.errorMessage ?? "", message);
  }
  for (const [topic, expected] of [
    [{ ...wanted("orders", {}), numPartitions: 0 }, ErrorCode.INVALID_PARTITIONS],
    [{ ...wanted("orders", {}), replicationFactor: 3 }, ErrorCode.INVALID_REPLICATION_FACTOR],
    [wanted("..", {}), ErrorCode.INVALID_TOPIC_EXCEPTION],
    [wanted("__consumer_offsets", {}), ErrorCode.INVALID_TOPIC_EXCEPTION],
  ] as const) {
    const { topics } = await client.request(apis.createTopics, 7, { topics: [topic] });
    assert.equal(topics[0]?.errorCode, expected);
  }
  assert.deepEqual(await log.topics(), []);
});

test("what is only to be validated changes nothing", async (t) => {
  const { broker, log } = await serve(t);
  const client = await Client.connect(t, broker);
  const make = { topics: [wanted("orders", {})], validateOnly: true };
  assert.equal((await client.request(apis.createTopics, 7, make)).topics[0]?.errorCode, ErrorCode.NONE);
  assert.equal(await log.hasTopic("orders"), false);
  const topic = await log.topic("orders");
  const again = await client.request(apis.createTopics, 7, make);
  assert.equal(again.topics[0]?.errorCode, ErrorCode.TOPIC_ALREADY_EXISTS);
  const configs = [{ name: "retention.ms", value: "1000", configOperation: 0 }];
  const resources = [{ resourceType: topicType, resourceName: "orders", configs }];
  const altered = await client.request(apis.incrementalAlterConfigs, 1, { resources, validateOnly: true });
  assert.equal(altered.responses[0]?.errorCode, ErrorCode.NONE);
  const grown = {
    topics: [{ name: "orders", count: 4, assignments: null }],
    timeoutMs: 1,
    validateOnly: true,
  };
  const { results } = await client.request(apis.createPartitions, 3, grown);
  assert.equal(results[0]?.errorCode, ErrorCode.NONE);
  assert.deepEqual([topic.config.retentionMs, topic.partitionCount], [-1, 1]);
});

test("configs are described with where they come from, and those that are asked for alone", async (t) => {
  const { broker, log } = await serve(t);
  await log.topic("orders", { retentionMs: 1000 });
  const client = await Client.connect(t, broker);
  const all = await configsOf(client, "orders");
  const { value, configSource, readOnly, configType } = all.get("retention.ms") ?? {};
  assert.deepEqual([value, configSource, readOnly, configType], ["1000", 1, false, 5]);
  assert.equal(all.get("segment.bytes")?.configSource, 5);
  assert.equal(all.get("min.insync.replicas")?.readOnly, true);
  assert.deepEqual([...(await configsOf(client, "orders", ["retention.ms"])).keys()], ["retention.ms"]);
  const ask = async (resourceType: number, resourceName: string) => {
    const resources = [{ resourceType, resourceName, configurationKeys: null }];
    return (await client.request(apis.describeConfigs, 1, { resources })).results[0];
  };
  assert.equal((await ask(topicType, "nowhere"))?.errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  assert.equal((await ask(4, "1"))?.configs.find(({ name }) => name === "num.partitions")?.value, "1");
  assert.equal((await ask(4, "2"))?.errorCode, ErrorCode.INVALID_REQUEST);
  assert.equal((await ask(8, "1"))?.errorCode, ErrorCode.INVALID_REQUEST);
});

test("topics that clients make get what the broker was told, unless the client says otherwise", async (t) => {
  const { broker, log } = await serve(t, { topicDefaults: { retentionMs: 5000, durability: "os" } });
  const client = await Client.connect(t, broker);
  await client.request(apis.metadata, 9, {
    topics: [{ name: "made", topicId: noId }],
    allowAutoTopicCreation: true,
    includeClusterAuthorizedOperations: false,
    includeTopicAuthorizedOperations: false,
  });
  const made = wanted("orders", {
    "retention.ms": "7000",
    "segment.ms": "6000",
    "strandlog.durability": null,
  });
  const { topics } = await client.request(apis.createTopics, 7, { topics: [made] });
  const sources = new Map(topics[0]?.configs?.map(({ name, configSource }) => [name, configSource]));
  assert.deepEqual(
    ["retention.ms", "strandlog.durability", "retention.bytes"].map((name) => sources.get(name)),
    [1, 4, 5],
  );
  const own = await log.topic("own");
  const configs = [own, await log.topic("made"), await log.topic("orders")].map(({ config }) => config);
  assert.deepEqual(
    configs.map(({ retentionMs, durability, segmentMs }) => [retentionMs, durability, segmentMs]),
    [
      [-1, "disk", 604_800_000],
      [5000, "os", 604_800_000],
      [7000, "os", 6000],
    ],
  );
  const setBy = async (topic: string) => (await configsOf(client, topic)).get("retention.ms")?.configSource;
  assert.deepEqual([await setBy("made"), await setBy("orders"), await setBy("own")], [4, 1, 1]);
  const resource = { resourceType: topicType, resourceName: "orders", configs: [] };
  await client.request(apis.alterConfigs, 2, { resources: [resource], validateOnly: false });
  assert.equal((await log.topic("orders")).config.retentionMs, 5000);
});

test("configs are altered one by one, or all at once", async (t) => {
  const { broker, log } = await serve(t);
  const topic = await log.topic("orders", { retentionMs: 1000, segmentBytes: 4096 });
  const client = await Client.connect(t, broker);
  const resource = { resourceType: topicType, resourceName: "orders" };
  const incremental = async (name: string, configOperation: number, value: string | null) => {
    const resources = [{ ...resource, configs: [{ name, configOperation, value }] }];
    const { responses } = await client.request(apis.incrementalAlterConfigs, 1, {
      resources,
      validateOnly: false,
    });
    return responses[0]?.errorCode;
  };
  assert.equal(await incremental("retention.bytes", 0, "5000"), ErrorCode.NONE);
  assert.equal(await incremental("retention.ms", 1, null), ErrorCode.NONE);
  assert.deepEqual([topic.config.retentionBytes, topic.config.retentionMs], [5000, -1]);
  assert.equal(topic.config.segmentBytes, 4096);
  assert.equal(await incremental("retention.ms", 2, "5"), ErrorCode.INVALID_REQUEST);
  assert.equal(await incremental("retention.ms", 0, "never"), ErrorCode.INVALID_CONFIG);

  const resources = [{ ...resource, configs: [{ name: "retention.ms", value: "7000" }] }];
  const { responses } = await client.request(apis.alterConfigs, 2, { resources, validateOnly: false });
  assert.equal(responses[0]?.errorCode, ErrorCode.NONE);
  const { retentionMs, retentionBytes, segmentBytes } = topic.config;
  assert.deepEqual([retentionMs, retentionBytes, segmentBytes], [7000, -1, 1024 ** 3]);
});

test("partitions can be added, and not taken away", async (t) => {
  const { broker, log } = await serve(t);
  const topic = await log.topic("orders", { partitions: 2 });
  const client = await Client.connect(t, broker);
  const grow = async (name: string, count: number) => {
    const asked = { topics: [{ name, count, assignments: null }], timeoutMs: 1, validateOnly: false };
    return (await client.request(apis.createPartitions, 3, asked)).results[0]?.errorCode;
  };
  assert.equal(await grow("orders", 4), ErrorCode.NONE);
  assert.equal(topic.partitionCount, 4);
  assert.equal(await grow("orders", 4), ErrorCode.INVALID_PARTITIONS);
  assert.equal(await grow("orders", 1_000_000), ErrorCode.INVALID_PARTITIONS);
  assert.equal(await grow("nowhere", 4), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
});

test("records are deleted up to an offset, or all of them", async (t) => {
  const { broker, log } = await serve(t);
  const topic = await log.topic("orders");
  for (const value of ["a", "b", "c"]) await topic.append({ value });
  const client = await Client.connect(t, broker);
  const remove = async (name: string, partitionIndex: number, offset: number) => {
    const topics = [{ name, partitions: [{ partitionIndex, offset }] }];
    const answer = await client.request(apis.deleteRecords, 2, { topics, timeoutMs: 1 });
    const { errorCode, lowWatermark } = answer.topics[0]?.partitions[0] ?? {};
    return [errorCode, lowWatermark];
  };
  assert.deepEqual(await remove("orders", 0, 2), [ErrorCode.NONE, 2]);
  assert.deepEqual(await remove("orders", 0, -1), [ErrorCode.NONE, 3]);
  assert.deepEqual(await remove("orders", 0, 4), [ErrorCode.OFFSET_OUT_OF_RANGE, -1]);
  assert.deepEqual(await remove("orders", 0, -2), [ErrorCode.OFFSET_OUT_OF_RANGE, -1]);
  assert.deepEqual(await remove("orders", 1, 0), [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1]);
  assert.deepEqual(await remove("nowhere", 0, 0), [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1]);
});

test("the cluster is one broker, its directory holds what the log does, and there are no access control lists", async (t) => {
  const { broker, log } = await serve(t, { nodeId: 5 });
  const topic = await log.topic("orders", { partitions: 2 });
  const { bytes } = await topic.append({ value: "a", partition: 1 });
  const client = await Client.connect(t, broker);
  const cluster = await client.request(apis.describeCluster, 1, {
    includeClusterAuthorizedOperations: false,
  });
  assert.deepEqual(cluster.brokers, [{ brokerId: 5, ...broker.address, rack: null }]);
  assert.equal(cluster.controllerId, 5);
  const controllers = { includeClusterAuthorizedOperations: false, endpointType: 2 };
  const none = await client.request(apis.describeCluster, 1, controllers);
  assert.equal(none.errorCode, ErrorCode.UNSUPPORTED_ENDPOINT_TYPE);
  const dirs = await client.request(apis.describeLogDirs, 4, { topics: null });
  const sizes = dirs.results[0]?.topics[0]?.partitions.map(({ partitionSize }) => partitionSize);
  assert.equal(sizes?.[0], 0);
  assert.ok((sizes?.[1] ?? 0) > bytes);
  const some = {
    topics: [
      { topic: "orders", partitions: [1] },
      { topic: "nowhere", partitions: [0] },
    ],
  };
  const asked = await client.request(apis.describeLogDirs, 4, some);
  assert.deepEqual(
    asked.results[0]?.topics.map(({ name, partitions }) => [name, partitions.length]),
    [["orders", 1]],
  );
  const filter = {
    resourceTypeFilter: 1,
    resourceNameFilter: null,
    principalFilter: null,
    hostFilter: null,
    operation: 1,
    permissionType: 1,
  };
  const acls = await client.request(apis.describeAcls, 3, filter);
  assert.equal(acls.errorCode, ErrorCode.SECURITY_DISABLED);
  const removed = await client.request(apis.deleteAcls, 3, { filters: [filter] });
  assert.equal(removed.filterResults[0]?.errorCode, ErrorCode.SECURITY_DISABLED);
});

test("leader epochs rise with each start, and their ends are told", async (t) => {
  const storage = mkdtempSync(join(tmpdir(), "strandlog-epochs-"));
  t.after(() => rmSync(storage, { recursive: true }));
  const epochs: number[] = [];
  for (const values of [["a", "b"], ["c"], []]) {
    await using broker = await startBroker({ storage });
    const topic = await broker.log.topic("orders");
    for (const value of values) await topic.append({ value });
    epochs.push(broker.log.storage.leaderEpoch);
  }
  await using broker = await startBroker({ storage });
  const [first = 0, second = 0, third = 0] = epochs;
  const current = broker.log.storage.leaderEpoch;
  assert.ok(first < second && second < third && third < current);
  const client = await Client.connect(t, broker);
  const ask = async (leaderEpoch: number, currentLeaderEpoch = -1) => {
    const partitions = [{ partition: 0, leaderEpoch, currentLeaderEpoch }];
    const body = { replicaId: -1, topics: [{ topic: "orders", partitions }] };
    const { topics } = await client.request(apis.offsetForLeaderEpoch, 4, body);
    const { errorCode, leaderEpoch: found, endOffset } = topics[0]?.partitions[0] ?? {};
    return [errorCode, found, endOffset];
  };
  assert.deepEqual(await ask(first), [ErrorCode.NONE, first, 2]);
  assert.deepEqual(await ask(second), [ErrorCode.NONE, second, 3]);
  assert.deepEqual(await ask(third), [ErrorCode.NONE, second, 3]);
  assert.deepEqual(await ask(current), [ErrorCode.NONE, current, 3]);
  assert.deepEqual(await ask(current + 1), [ErrorCode.NONE, -1, -1]);
  assert.deepEqual(await ask(first, current - 1), [ErrorCode.FENCED_LEADER_EPOCH, -1, -1]);
  assert.deepEqual(await ask(first, current + 1), [ErrorCode.UNKNOWN_LEADER_EPOCH, -1, -1]);

  const list = async (currentLeaderEpoch: number) => {
    const partitions = [{ partitionIndex: 0, timestamp: -1, currentLeaderEpoch }];
    const body = { replicaId: -1, isolationLevel: 0, topics: [{ name: "orders", partitions }] };
    const { topics } = await client.request(apis.listOffsets, 8, body);
    return [topics[0]?.partitions[0]?.errorCode, topics[0]?.partitions[0]?.leaderEpoch];
  };
  assert.deepEqual(await list(current), [ErrorCode.NONE, current]);
  assert.deepEqual(await list(current - 1), [ErrorCode.FENCED_LEADER_EPOCH, -1]);

  const fetch = async (currentLeaderEpoch: number) => {
    const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000, currentLeaderEpoch }];
    const topics = [{ topic: "orders", topicId: "AAAAAAAAAAAAAAAAAAAAAA", partitions }];
    const body = { maxWaitMs: 0, minBytes: 0, topics, forgottenTopicsData: [] };
    return (await client.request(apis.fetch, 12, body)).responses[0]?.partitions[0]?.errorCode;
  };
  assert.equal(await fetch(current), ErrorCode.NONE);
  assert.equal(await fetch(-1), ErrorCode.NONE);
  assert.equal(await fetch(current - 1), ErrorCode.FENCED_LEADER_EPOCH);
  assert.equal(await fetch(current + 1), ErrorCode.UNKNOWN_LEADER_EPOCH);
});
