// @platformatic/kafka against our broker.
import assert from "node:assert/strict";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { test } from "node:test";
import {
  Admin,
  Consumer,
  type Message,
  Producer,
  stringDeserializers,
  stringSerializers,
} from "@platformatic/kafka";
import { Happened, hasAll, type Place, places, round, Served, timeout } from "./support.js";

type Text = Message<string, string, string, string>;

function optionsFor({ broker }: Served) {
  return { clientId: "test", bootstrapBrokers: [broker.bootstrap], retries: 2, retryDelay: 10 };
}

function producerOf(served: Served): Producer<string, string, string, string> {
  const producer = new Producer({ ...optionsFor(served), serializers: stringSerializers });
  served.with(() => producer.close());
  return producer;
}

function adminOf(served: Served): Admin {
  const admin = new Admin(optionsFor(served));
  served.with(() => admin.close());
  return admin;
}

/** A member of the group that reads "orders", and what it tells. */
class Reader {
  readonly consumer: Consumer<string, string, string, string>;
  readonly joins: Happened<readonly number[]> = new Happened();
  #stream: Readable | undefined;

  constructor(consumer: Consumer<string, string, string, string>) {
    this.consumer = consumer;
    consumer.on("consumer:group:join", ({ assignments = [] }) => {
      this.joins.add(assignments.flatMap(({ partitions }) => partitions));
    });
  }

  static async start(served: Served, read: (message: Text) => void): Promise<Reader> {
    const consumer = new Consumer({
      ...optionsFor(served),
      groupId: "billing",
      deserializers: stringDeserializers,
      heartbeatInterval: 20,
      maxWaitTime: 20,
    });
    const reader = new Reader(consumer);
    served.with(() => reader.close());
    const modes = { mode: "committed", fallbackMode: "earliest" } as const;
    const stream = await consumer.consume({ topics: ["orders"], ...modes });
    stream.on("data", read);
    reader.#stream = stream;
    return reader;
  }

  /** It has so many partitions now. */
  hasJoined(partitions: number): Promise<void> {
    return this.joins.until((all) => all.at(-1)?.length === partitions);
  }

  /** What it asked for before it had these partitions has been answered. */
  async hasFetched(): Promise<void> {
    await once(this.#stream as Readable, "fetch");
  }

  /** Commits what it has read, and leaves. */
  async close(): Promise<void> {
    await this.consumer.close(true);
  }
}

/** As many records in each of the four partitions. */
async function produceRound(producer: Producer<string, string, string, string>, name: string) {
  const values = round(name, 20);
  const messages = values.map((value, n) => ({ topic: "orders", value, partition: n % 4 }));
  await producer.send({ messages });
  return values;
}

function testIn(place: Place, what: string, run: (served: Served) => Promise<void>): void {
  test(`@platformatic/kafka, ${place}: ${what}`, { timeout }, async () => {
    await using served = await Served.at(place);
    await run(served);
  });
}

for (const place of places) {
  testIn(place, "keys, headers, timestamps and gzip arrive as they were sent", async (served) => {
    const topic = await served.log.topic("orders");
    const producer = producerOf(served);
    const sent = await producer.send({
      compression: "gzip",
      messages: [
        {
          topic: "orders",
          key: "k1",
          value: "v1",
          timestamp: 1_700_000_000_000n,
          headers: { a: "1" },
        },
        { topic: "orders", key: "k2", value: "v2", timestamp: 1_700_000_000_005n },
      ],
    });
    assert.deepEqual(sent.offsets, [{ topic: "orders", partition: 0, offset: 0n }]);
    const here: unknown[] = [];
    for await (const { key, value, timestamp, headers } of topic.read()) {
      here.push([String(key), String(value), timestamp, headers]);
    }
    assert.deepEqual(here, [
      ["k1", "v1", 1_700_000_000_000, [["a", Buffer.from("1")]]],
      ["k2", "v2", 1_700_000_000_005, []],
    ]);
    const there = new Happened<Text>();
    await Reader.start(served, (message) => there.add(message));
    await there.until(({ length }) => length === 2);
    assert.deepEqual(
      there.items.map(({ key, value, timestamp, headers }) => [key, value, timestamp, [...headers]]),
      [
        ["k1", "v1", 1_700_000_000_000n, [["a", "1"]]],
        ["k2", "v2", 1_700_000_000_005n, []],
      ],
    );
  });

  testIn(
    place,
    "a group shares the partitions anew when a member comes and when one goes",
    async (served) => {
      await served.log.topic("orders", { partitions: 4 });
      const producer = producerOf(served);
      const seen = new Happened<string>();
      const bySecond: string[] = [];
      const first = await Reader.start(served, ({ value }) => seen.add(value));
      await first.hasJoined(4);
      await seen.until(hasAll(await produceRound(producer, "alone")));

      const second = await Reader.start(served, ({ value }) => {
        bySecond.push(value);
        seen.add(value);
      });
      await Promise.all([first.hasJoined(2), second.hasJoined(2)]);
      await Promise.all([first.hasFetched(), second.hasFetched()]);
      const shared = [first, second].flatMap(({ joins }) => joins.items.at(-1) ?? []);
      assert.deepEqual(shared.sort(), [0, 1, 2, 3]);
      const together = await produceRound(producer, "together");
      await seen.until(hasAll(together));
      assert.equal(together.filter((value) => bySecond.includes(value)).length, 10);

      await first.close();
      await second.hasJoined(4);
      const last = await produceRound(producer, "without the first");
      await seen.until(hasAll(last));
      assert.ok(hasAll(last)(bySecond));
    },
  );

  testIn(place, "an administrator makes, lists and deletes topics", async (served) => {
    const admin = adminOf(served);
    const [made] = await admin.createTopics({ topics: ["orders"], partitions: 3, replicas: 1 });
    assert.deepEqual([made?.name, made?.partitions], ["orders", 3]);
    await admin.createTopics({ topics: ["bills"], partitions: 1, replicas: 1 });
    const again = admin.createTopics({ topics: ["bills"], partitions: 1, replicas: 1 });
    await assert.rejects(again, holds("TOPIC_ALREADY_EXISTS"));
    assert.deepEqual((await admin.listTopics()).toSorted(), ["bills", "orders"]);
    await admin.deleteTopics({ topics: ["orders"] });
    assert.deepEqual(await served.log.topics(), ["bills"]);
  });

  testIn(place, "an administrator sees, sets and deletes what a group has committed", async (served) => {
    const topic = await served.log.topic("orders", { partitions: 4 });
    const [producer, admin] = [producerOf(served), adminOf(served)];
    const seen = new Happened<string>();
    const reader = await Reader.start(served, ({ value }) => seen.add(value));
    await seen.until(hasAll(await produceRound(producer, "read")));
    const described = (await admin.describeGroups({ groups: ["billing"] })).get("billing");
    const [member] = described?.members.values() ?? [];
    assert.equal(described?.state, "STABLE");
    assert.deepEqual(member?.assignments?.get("orders")?.partitions, [0, 1, 2, 3]);
    await assert.rejects(admin.deleteGroups({ groups: ["billing"] }), holds("NON_EMPTY_GROUP"));
    await reader.close();

    const offsets = async () => {
      const [group] = await admin.listConsumerGroupOffsets({ groups: ["billing"] });
      const partitions = group?.topics[0]?.partitions ?? [];
      return partitions.map(({ committedOffset }) => committedOffset);
    };
    assert.deepEqual(await offsets(), [5n, 5n, 5n, 5n]);
    await admin.alterConsumerGroupOffsets({
      groupId: "billing",
      topics: [{ name: "orders", partitionOffsets: [{ partition: 1, offset: 3n }] }],
    });
    assert.deepEqual(await offsets(), [5n, 3n, 5n, 5n]);
    const deleted = { groupId: "billing", topics: [{ name: "orders", partitionIndexes: [2] }] };
    await admin.deleteConsumerGroupOffsets(deleted);
    assert.deepEqual([...(await topic.committed("billing")).keys()], [0, 1, 3]);

    assert.equal((await admin.listGroups()).get("billing")?.state, "EMPTY");
    await admin.deleteGroups({ groups: ["billing"] });
    assert.equal((await admin.listGroups()).size, 0);
    assert.deepEqual(await served.log.groups(), []);
  });
}

test("@platformatic/kafka learns that a topic or a group is not there", { timeout }, async () => {
  await using served = await Served.at("memory:");
  const [producer, admin] = [producerOf(served), adminOf(served)];
  const sent = producer.send({ messages: [{ topic: "nowhere", value: "x" }] });
  await assert.rejects(sent, /Unknown topic nowhere/);
  const deleted = admin.deleteTopics({ topics: ["nowhere"] });
  await assert.rejects(deleted, holds("UNKNOWN_TOPIC_OR_PARTITION"));
  await assert.rejects(admin.deleteGroups({ groups: ["nobody"] }), holds("GROUP_ID_NOT_FOUND"));
});

interface Found {
  findBy(property: string, value: unknown): unknown;
}

/** Errors hold those of each attempt and each part of the request. */
function holds(apiId: string): (error: Found) => boolean {
  return (error) => error.findBy("apiId", apiId) !== null;
}
