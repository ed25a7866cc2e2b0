// kafkajs against our broker.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Admin,
  CompressionTypes,
  type Consumer,
  type IHeaders,
  Kafka,
  logLevel,
  Partitioners,
  type Producer,
} from "kafkajs";
import { Happened, hasAll, type Place, places, round, Served, timeout } from "./support.js";

function clientOf({ broker }: Served): Kafka {
  const retry = { retries: 2, initialRetryTime: 10 };
  const config = { clientId: "test", brokers: [broker.bootstrap], logLevel: logLevel.NOTHING };
  return new Kafka({ ...config, retry, connectionTimeout: timeout });
}

async function producerOf(served: Served): Promise<Producer> {
  const producer = clientOf(served).producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  served.with(() => producer.disconnect());
  return producer;
}

async function adminOf(served: Served): Promise<Admin> {
  const admin = clientOf(served).admin();
  await admin.connect();
  served.with(() => admin.disconnect());
  return admin;
}

/** A member of the group that reads "orders", and what it tells. */
class Reader {
  readonly consumer: Consumer;
  readonly joins: Happened<readonly number[]> = new Happened();

  constructor(consumer: Consumer) {
    this.consumer = consumer;
    consumer.on("consumer.group_join", ({ payload }) => {
      this.joins.add(payload.memberAssignment["orders"] ?? []);
    });
  }

  static async start(
    served: Served,
    read: (value: string, from: { key: string; headers: IHeaders; timestamp: string }) => void,
  ): Promise<Reader> {
    const config = { groupId: "billing", heartbeatInterval: 20, maxWaitTimeInMs: 20 };
    const consumer = clientOf(served).consumer(config);
    const reader = new Reader(consumer);
    await consumer.connect();
    served.with(() => consumer.disconnect());
    await consumer.subscribe({ topic: "orders", fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ message: { key, value, headers = {}, timestamp } }) =>
        read(String(value), { key: String(key), headers, timestamp }),
    });
    return reader;
  }

  /** It has so many partitions now. */
  hasJoined(partitions: number): Promise<void> {
    return this.joins.until((all) => all.at(-1)?.length === partitions);
  }
}

/** As many records in each of the four partitions. */
async function produceRound(producer: Producer, name: string): Promise<string[]> {
  const values = round(name, 20);
  const messages = values.map((value, n) => ({ value, partition: n % 4 }));
  await producer.send({ topic: "orders", messages });
  return values;
}

function testIn(place: Place, what: string, run: (served: Served) => Promise<void>): void {
  test(`kafkajs, ${place}: ${what}`, { timeout }, async () => {
    await using served = await Served.at(place);
    await run(served);
  });
}

for (const place of places) {
  testIn(
    place,
    "keys, headers, timestamps and gzip arrive as they were sent, here and there",
    async (served) => {
      const producer = await producerOf(served);
      const topic = await served.log.topic("orders");
      const [sent] = await producer.send({
        topic: "orders",
        compression: CompressionTypes.GZIP,
        messages: [
          { key: "k1", value: "v1", timestamp: "1700000000000", headers: { a: "1", b: Buffer.from([0xff]) } },
          { key: "k2", value: "v2", timestamp: "1700000000005" },
        ],
      });
      assert.equal(sent?.baseOffset, "0");
      const raw = Buffer.concat((await topic.partition(0).readRaw({ from: 0, bytesMax: 10_000 })).chunks);
      assert.equal(raw.readInt16BE(21) & 7, 1, "stored as it came, with gzip");

      const here: unknown[] = [];
      for await (const { key, value, timestamp, headers } of topic.read()) {
        here.push([String(key), String(value), timestamp, headers]);
      }
      assert.deepEqual(here, [
        [
          "k1",
          "v1",
          1700000000000,
          [
            ["a", Buffer.from("1")],
            ["b", Buffer.from([0xff])],
          ],
        ],
        ["k2", "v2", 1700000000005, []],
      ]);

      const there = new Happened<unknown>();
      await Reader.start(served, (value, { key, headers, timestamp }) => {
        there.add([key, value, timestamp, headers]);
      });
      await there.until(({ length }) => length === 2);
      assert.deepEqual(there.items, [
        ["k1", "v1", "1700000000000", { a: Buffer.from("1"), b: Buffer.from([0xff]) }],
        ["k2", "v2", "1700000000005", {}],
      ]);
    },
  );

  testIn(
    place,
    "a group shares the partitions anew when a member comes and when one goes, and misses nothing",
    async (served) => {
      await served.log.topic("orders", { partitions: 4 });
      const producer = await producerOf(served);
      const seen = new Happened<string>();
      const bySecond: string[] = [];
      const first = await Reader.start(served, (value) => seen.add(value));
      await first.hasJoined(4);
      await seen.until(hasAll(await produceRound(producer, "alone")));

      const second = await Reader.start(served, (value) => {
        bySecond.push(value);
        seen.add(value);
      });
      await Promise.all([first.hasJoined(2), second.hasJoined(2)]);
      const shared = [first, second].flatMap(({ joins }) => joins.items.at(-1) ?? []);
      assert.deepEqual(shared.sort(), [0, 1, 2, 3]);
      const together = await produceRound(producer, "together");
      await seen.until(hasAll(together));
      assert.equal(together.filter((value) => bySecond.includes(value)).length, 10);

      await first.consumer.disconnect();
      await second.hasJoined(4);
      const last = await produceRound(producer, "without the first");
      await seen.until(hasAll(last));
      assert.ok(hasAll(last)(bySecond));
    },
  );

  testIn(place, "a member that comes back goes on where its group has got to", async (served) => {
    await served.log.topic("orders", { partitions: 4 });
    const producer = await producerOf(served);
    const before = new Happened<string>();
    const first = await Reader.start(served, (value) => before.add(value));
    await before.until(hasAll(await produceRound(producer, "before")));
    await first.consumer.disconnect();
    const missed = await produceRound(producer, "missed");
    const after = new Happened<string>();
    await Reader.start(served, (value) => after.add(value));
    await after.until(hasAll(missed));
    assert.deepEqual(after.items.toSorted(), missed.toSorted());
  });

  testIn(place, "an administrator makes, lists, describes and deletes topics", async (served) => {
    const admin = await adminOf(served);
    const topics = [{ topic: "orders", numPartitions: 3 }, { topic: "bills" }];
    assert.equal(await admin.createTopics({ topics }), true);
    assert.equal(await admin.createTopics({ topics }), false);
    assert.deepEqual((await admin.listTopics()).toSorted(), ["bills", "orders"]);
    const described = await admin.fetchTopicMetadata({ topics: ["orders"] });
    assert.deepEqual(
      described.topics[0]?.partitions.map(({ partitionId, leader }) => [partitionId, leader]),
      [
        [0, 1],
        [1, 1],
        [2, 1],
      ],
    );
    await admin.deleteTopics({ topics: ["orders"] });
    assert.deepEqual(await admin.listTopics(), ["bills"]);
    assert.deepEqual(await served.log.topics(), ["bills"]);
  });

  testIn(place, "an administrator sees a group and what it has committed, and deletes it", async (served) => {
    await served.log.topic("orders", { partitions: 4 });
    const [producer, admin] = [await producerOf(served), await adminOf(served)];
    const seen = new Happened<string>();
    const reader = await Reader.start(served, (value) => seen.add(value));
    await seen.until(hasAll(await produceRound(producer, "read")));
    const { groups } = await admin.describeGroups(["billing"]);
    assert.deepEqual([groups[0]?.state, groups[0]?.members.length], ["Stable", 1]);
    await assert.rejects(admin.deleteGroups(["billing"]), /Error in DeleteGroups/);
    await reader.consumer.disconnect();
    const [orders] = await admin.fetchOffsets({ groupId: "billing" });
    assert.deepEqual(
      orders?.partitions.map(({ partition, offset }) => [partition, offset]),
      [
        [0, "5"],
        [1, "5"],
        [2, "5"],
        [3, "5"],
      ],
    );
    assert.deepEqual((await admin.listGroups()).groups, [{ groupId: "billing", protocolType: "consumer" }]);
    assert.equal((await admin.deleteGroups(["billing"]))[0]?.errorCode, 0);
    assert.deepEqual((await admin.listGroups()).groups, []);
    assert.deepEqual(await served.log.groups(), []);
  });
}

// Once is enough: kafkajs itself sleeps for 5 s.
testIn("memory:", "an administrator sets where a group goes on, unless somebody is in it", async (served) => {
  const topic = await served.log.topic("orders");
  const [producer, admin] = [await producerOf(served), await adminOf(served)];
  await producer.send({ topic: "orders", messages: round("read", 5).map((value) => ({ value })) });
  const seen = new Happened<string>();
  const reader = await Reader.start(served, (value) => seen.add(value));
  await seen.until(({ length }) => length === 5);
  const set = () =>
    admin.setOffsets({ groupId: "billing", topic: "orders", partitions: [{ partition: 0, offset: "3" }] });
  await assert.rejects(set, /must have no running instances, current state: Stable/);
  await reader.consumer.disconnect();

  await set();
  assert.equal((await topic.committed("billing")).get(0)?.offset, 3);
  const again = new Happened<string>();
  await Reader.start(served, (value) => again.add(value));
  await again.until(({ length }) => length === 2);
  assert.deepEqual(again.items, ["read 3", "read 4"]);
});

test("kafkajs learns that a topic or a group is not there", { timeout }, async () => {
  await using served = await Served.at("memory:", { autoCreateTopics: false });
  const [producer, admin] = [await producerOf(served), await adminOf(served)];
  /** The last of some attempts, or the first if it is not worth another. */
  const unknown = (error: { type?: string; cause?: { type?: string } }) =>
    (error.cause ?? error).type === "UNKNOWN_TOPIC_OR_PARTITION";
  await assert.rejects(producer.send({ topic: "nowhere", messages: [{ value: "x" }] }), unknown);
  await assert.rejects(admin.fetchTopicMetadata({ topics: ["nowhere"] }), unknown);
  await assert.rejects(admin.deleteTopics({ topics: ["nowhere"] }), unknown);
  const { groups } = await admin.describeGroups(["nobody"]);
  assert.equal(groups[0]?.state, "Dead");
  await assert.rejects(admin.deleteGroups(["nobody"]), /Error in DeleteGroups/);
});
