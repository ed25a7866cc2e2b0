// A compacted topic that a client of Kafka's makes, fills and reads.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CompressionTypes, Kafka, logLevel, Partitioners } from "kafkajs";
import { Happened, places, Served, timeout } from "./support.js";

const invalidRecord = 87;

for (const place of places) {
  for (const compression of [CompressionTypes.None, CompressionTypes.GZIP]) {
    const codec = compression === CompressionTypes.GZIP ? "gzip" : "no codec";
    test(`kafkajs, ${place}, ${codec}: a compacted topic keeps of each key its latest record`, {
      timeout,
    }, async () => {
      await using served = await Served.at(place);
      const retry = { retries: 2, initialRetryTime: 10 };
      const brokers = [served.broker.bootstrap];
      const config = { clientId: "test", brokers, logLevel: logLevel.NOTHING, connectionTimeout: timeout };
      const client = new Kafka({ ...config, retry });
      const admin = client.admin();
      await admin.connect();
      served.with(() => admin.disconnect());
      const configEntries = [
        { name: "cleanup.policy", value: "compact" },
        { name: "segment.bytes", value: "1024" },
      ];
      await admin.createTopics({ topics: [{ topic: "prices", configEntries }] });
      const producer = client.producer({ createPartitioner: Partitioners.DefaultPartitioner });
      await producer.connect();
      served.with(() => producer.disconnect());
      // Batches of ten records: some lose a few of them, some all.
      const latest = new Map<string, string>();
      for (let n = 0; n < 20; n++) {
        const messages = Array.from({ length: 10 }, (_, index) => {
          const key = index === 9 ? `once-${n}` : `again-${(n * 9 + index) % 13}`;
          return { key, value: `${n}/${index}`.padEnd(60, ".") };
        });
        for (const { key, value } of messages) latest.set(key, value);
        await producer.send({ topic: "prices", messages, compression });
      }
      await assert.rejects(
        producer.send({ topic: "prices", messages: [{ key: null, value: "without a key" }], compression }),
        (error: { code?: unknown; cause?: { code?: unknown } }) =>
          (error.code ?? error.cause?.code) === invalidRecord,
      );

      const topic = await served.log.existingTopic("prices");
      const [outcome] = await topic.compact();
      assert.ok((outcome?.records ?? 0) > 50, `${outcome?.records} of 200 records went`);

      const read = new Happened<{ key: string; value: string; offset: number }>();
      const consumer = client.consumer({ groupId: "table", maxWaitTimeInMs: 20, maxBytesPerPartition: 400 });
      await consumer.connect();
      served.with(() => consumer.disconnect());
      await consumer.subscribe({ topic: "prices", fromBeginning: true });
      await consumer.run({
        eachMessage: async ({ message: { key, value, offset } }) =>
          read.add({ key: `${key}`, value: `${value}`, offset: Number(offset) }),
      });
      await read.until((items) => items.at(-1)?.offset === 199);
      assert.equal(read.items.length, 200 - (outcome?.records ?? 0));
      const table = new Map(read.items.map(({ key, value }) => [key, value]));
      assert.deepEqual([...table].sort(), [...latest].sort());
      const offsets = read.items.map(({ offset }) => offset);
      assert.deepEqual(
        offsets,
        [...offsets].sort((one, other) => one - other),
      );
    });
  }
}
