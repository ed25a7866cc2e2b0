// Transactions of kafkajs and of @platformatic/kafka against our broker: each reads what the other has written.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as platformatic from "@platformatic/kafka";
import { Kafka, logLevel, Partitioners, type Producer } from "kafkajs";
import { Happened, hasAll, places, round, Served, timeout } from "./support.js";

function clientOf({ broker }: Served): Kafka {
  const retry = { retries: 3, initialRetryTime: 10 };
  const config = { clientId: "test", brokers: [broker.bootstrap], logLevel: logLevel.NOTHING };
  return new Kafka({ ...config, retry, connectionTimeout: timeout });
}

async function transactionalProducer(served: Served, transactionalId = "tx"): Promise<Producer> {
  const createPartitioner = Partitioners.DefaultPartitioner;
  const options = { transactionalId, maxInFlightRequests: 1, idempotent: true, createPartitioner };
  const producer = clientOf(served).producer(options);
  await producer.connect();
  served.with(() => producer.disconnect());
  return producer;
}

/** The values that kafkajs shows of a topic, once all that are expected are there. */
async function valuesOf(
  served: Served,
  topic: string,
  expected: readonly string[],
  readUncommitted = false,
): Promise<string[]> {
  const consumer = clientOf(served).consumer({
    groupId: `reader-${topic}-${readUncommitted}`,
    readUncommitted,
    maxWaitTimeInMs: 20,
  });
  const seen = new Happened<string>();
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({ eachMessage: async ({ message }) => seen.add(String(message.value)) });
  await seen.until(hasAll(expected));
  await consumer.disconnect();
  return seen.items;
}

for (const place of places) {
  test(`kafkajs commits and aborts: ${place}`, { timeout }, async () => {
    await using served = await Served.at(place);
    const topic = await served.log.topic("orders", { partitions: 2 });
    const producer = await transactionalProducer(served);
    const send = async (values: readonly string[], isCommit: boolean): Promise<void> => {
      const transaction = await producer.transaction();
      const messages = values.map((value, n) => ({ value, partition: n % 2 }));
      await transaction.send({ topic: "orders", messages });
      await (isCommit ? transaction.commit() : transaction.abort());
    };
    await send(round("first", 10), true);
    await send(round("lost", 10), false);
    await send(round("second", 10), true);
    const kept = [...round("first", 10), ...round("second", 10)];
    assert.deepEqual((await valuesOf(served, "orders", kept)).sort(), kept.sort());
    assert.equal((await valuesOf(served, "orders", [...kept, ...round("lost", 10)], true)).length, 30);
    const own: string[] = [];
    for await (const { value } of topic.read({ isolation: "read_committed" })) own.push(String(value));
    assert.deepEqual(own.sort(), kept.sort(), "the library's own reader");
    for (const partition of [0, 1]) {
      const { highWatermark } = await topic.partition(partition).describe();
      assert.equal(await topic.partition(partition).endOffset("read_committed"), highWatermark);
    }
  });

  test(`a kafkajs producer is fenced by a younger one of its id: ${place}`, { timeout }, async () => {
    await using served = await Served.at(place);
    await served.log.topic("orders");
    const old = await transactionalProducer(served);
    const open = await old.transaction();
    await open.send({ topic: "orders", messages: [{ value: "of the old one" }] });
    const young = await transactionalProducer(served);
    const next = await young.transaction();
    await next.send({ topic: "orders", messages: [{ value: "of the young one" }] });
    await next.commit();
    await assert.rejects(open.commit());
    assert.deepEqual(await valuesOf(served, "orders", ["of the young one"]), ["of the young one"]);
  });

  test(`@platformatic/kafka commits and aborts, and a group's offsets with it: ${place}`, {
    timeout,
  }, async () => {
    await using served = await Served.at(place);
    const topic = await served.log.topic("orders");
    const producer = new platformatic.Producer({
      clientId: "test",
      bootstrapBrokers: [served.broker.bootstrap],
      serializers: platformatic.stringSerializers,
      idempotent: true,
      transactionalId: "tx",
      retries: 3,
      retryDelay: 10,
    });
    served.with(() => producer.close());
    for (const [value, isCommit] of [
      ["first", true],
      ["lost", false],
      ["second", true],
    ] as const) {
      const transaction = await producer.beginTransaction();
      await transaction.send({ messages: [{ topic: "orders", value }] });
      await (isCommit ? transaction.commit() : transaction.abort());
    }
    assert.deepEqual(await valuesOf(served, "orders", ["second"]), ["first", "second"]);
    assert.equal(await topic.partition(0).endOffset("read_committed"), 6);
  });
}

test("a loop that takes, changes and sends on, and is stopped and restarted, loses and doubles nothing", {
  timeout,
}, async () => {
  await using served = await Served.at("directory");
  const [input, output] = [await served.log.topic("input"), await served.log.topic("output")];
  const count = 60;
  await Promise.all(round("in", count).map((value) => input.append({ value })));

  /** Takes a few records in each transaction, and leaves one open where it ends: as a process that is killed there. */
  const work = async (transactionsMax: number): Promise<void> => {
    const producer = await transactionalProducer(served, "loop");
    for (let turn = 0; ; turn++) {
      const from = (await input.committed("loop")).get(0)?.offset ?? 0;
      const taken: string[] = [];
      for await (const record of input.partition(0).read({ from, until: from + 5 }))
        taken.push(`${record.value}`);
      if (taken.length === 0) return;
      const transaction = await producer.transaction();
      await transaction.send({
        topic: "output",
        messages: taken.map((value) => ({ value: `${value} done` })),
      });
      const partitions = [{ partition: 0, offset: String(from + taken.length) }];
      await transaction.sendOffsets({ consumerGroupId: "loop", topics: [{ topic: "input", partitions }] });
      if (turn === transactionsMax) return;
      await transaction.commit();
    }
  };
  for (const transactionsMax of [0, 3, 1, 2, 0, count]) await work(transactionsMax);

  const values = await valuesOf(served, "output", [`in ${count - 1} done`]);
  assert.deepEqual(
    values,
    round("in", count).map((value) => `${value} done`),
  );
  assert.ok((await output.partition(0).describe()).highWatermark > count, "there were aborted ones");
});
