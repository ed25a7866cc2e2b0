// kafkajs goes on through whatever a test's broker does to it.
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { test } from "node:test";
import { type Consumer, Kafka, logLevel, Partitioners, type Producer } from "kafkajs";
import { startBroker, type TestBroker } from "strandlog/testing";

const timeout = 120_000;

function clientOf({ bootstrap }: TestBroker): Kafka {
  const retry = { retries: 10, initialRetryTime: 5, maxRetryTime: 20 };
  return new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING, retry, connectionTimeout: timeout });
}

/** A broker with a topic, and clients of it, which go before it does. */
class Stage implements AsyncDisposable {
  readonly broker: TestBroker;
  readonly #clients: { disconnect(): Promise<void> }[] = [];

  constructor(broker: TestBroker) {
    this.broker = broker;
  }

  static async set(): Promise<Stage> {
    const broker = await startBroker();
    await broker.log.topic("orders");
    return new Stage(broker);
  }

  async producer(idempotent = false): Promise<Producer> {
    const createPartitioner = Partitioners.DefaultPartitioner;
    return this.#connected(clientOf(this.broker).producer({ createPartitioner, idempotent }));
  }

  async consumer(): Promise<Consumer> {
    return this.#connected(clientOf(this.broker).consumer({ groupId: "billing", maxWaitTimeInMs: 20 }));
  }

  async valuesIn(name: string): Promise<string[]> {
    const values: string[] = [];
    for await (const { value } of (await this.broker.log.existingTopic(name)).read())
      values.push(String(value));
    return values;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.broker.faults.clear();
    for (const client of this.#clients) await client.disconnect();
    await this.broker.close();
  }

  async #connected<C extends { connect(): Promise<void>; disconnect(): Promise<void> }>(
    client: C,
  ): Promise<C> {
    await client.connect();
    this.#clients.push(client);
    return client;
  }
}

const messages = (value: string) => ({ topic: "orders", messages: [{ value }] });

test("what was refused is sent again, once", { timeout }, async () => {
  await using stage = await Stage.set();
  const producer = await stage.producer();
  const action = { error: "NOT_LEADER_OR_FOLLOWER" } as const;
  const fault = stage.broker.faults.add({ api: "Produce", topic: "orders", times: 2, action });
  await producer.send(messages("a"));
  assert.deepEqual([fault.count, await stage.valuesIn("orders")], [2, ["a"]]);
});

test("metadata that is not to be had yet is asked for again", { timeout }, async () => {
  await using stage = await Stage.set();
  const producer = await stage.producer();
  const action = { error: "LEADER_NOT_AVAILABLE" } as const;
  const fault = stage.broker.faults.add({ api: "Metadata", topic: "orders", times: 2, action });
  await producer.send(messages("a"));
  assert.deepEqual([fault.count, await stage.valuesIn("orders")], [2, ["a"]]);
});

for (const [drop, isIdempotent, expected] of [
  ["before", false, ["a"]],
  ["after", false, ["a", "a"]],
  ["before", true, ["a"]],
  ["after", true, ["a"]],
] as const) {
  const kind = isIdempotent ? "an idempotent" : "a plain";
  test(`${kind} producer whose connection goes ${drop} the append leaves ${expected.length}`, {
    timeout,
  }, async () => {
    await using stage = await Stage.set();
    const producer = await stage.producer(isIdempotent);
    const fault = stage.broker.faults.add({ api: "Produce", action: { drop } });
    await producer.send(messages("a"));
    assert.deepEqual([fault.count, await stage.valuesIn("orders")], [1, expected]);
  });
}

test("a send lasts as long as the broker is slow", { timeout }, async () => {
  await using stage = await Stage.set();
  const { broker } = stage;
  const producer = await stage.producer();
  const fault = broker.faults.add({ api: "Produce", action: { delayMs: 3_600_000 } });
  const sent = producer.send(messages("a"));
  await fault.struck();
  broker.advance(3_600_000);
  await sent;
  assert.deepEqual(await stage.valuesIn("orders"), ["a"]);
});

test("a consumer reads on through errors and lost connections", { timeout }, async () => {
  await using stage = await Stage.set();
  const { faults } = stage.broker;
  const producer = await stage.producer();
  const planned = [
    faults.add({ api: "FindCoordinator", action: { error: "COORDINATOR_NOT_AVAILABLE" } }),
    faults.add({ api: "JoinGroup", action: { error: "COORDINATOR_LOAD_IN_PROGRESS" } }),
    faults.add({ api: "SyncGroup", action: { error: "REBALANCE_IN_PROGRESS" } }),
    faults.add({ api: "Fetch", topic: "orders", action: { error: "NOT_LEADER_OR_FOLLOWER" } }),
    faults.add({ api: "Fetch", topic: "orders", skip: 1, action: { drop: "after" } }),
    faults.add({ api: "OffsetCommit", action: { error: "COORDINATOR_LOAD_IN_PROGRESS" } }),
  ];
  const consumer = await stage.consumer();
  await consumer.subscribe({ topic: "orders", fromBeginning: true });
  const seen = new Set<string>();
  const arrivals = new EventEmitter();
  await consumer.run({
    eachMessage: async ({ message }) => {
      seen.add(String(message.value));
      arrivals.emit("message");
    },
  });
  await producer.send(messages("a"));
  await producer.send(messages("b"));
  while (seen.size < 2) await once(arrivals, "message");
  await Promise.all(planned.map((fault) => fault.struck()));
  assert.deepEqual(seen, new Set(["a", "b"]));
});
