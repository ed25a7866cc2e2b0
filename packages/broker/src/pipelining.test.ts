// Clients that ask without waiting for answers: what that may cost, and in which order things happen.
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "node:test";
import { apis } from "@strandlog/protocol";
import { pipelinedMax, requestsInTurn } from "./limits.js";
import { accepted, batchOf, Client, creationOf, fetchFrom, produceTo, serve } from "./test-support.js";

const parked = { maxWaitMs: 300_000 };

test("a client that does not read is not read from any more, harms nobody, and gets all in the end", async (t) => {
  const sockets = accepted(t);
  const { broker, log } = await serve(t);
  await (await log.topic("orders")).append({ value: "a".repeat(20_000) });
  const client = await Client.connect(t, broker);
  client.socket.pause();
  const requests = 5000;
  for (let n = 0; n < requests; n++) client.send(apis.fetch, 12, fetchFrom("orders", 0));
  const other = await Client.connect(t, broker);
  const socket = sockets[0] as Socket;
  await other.until(() => socket.writableNeedDrain && socket.isPaused());
  await other.untilAtRest(socket);
  const { bytesRead, bytesWritten } = socket;
  for (let n = 0; n < 20; n++) await other.request(apis.fetch, 12, fetchFrom("orders", 0));
  assert.deepEqual([socket.bytesRead, socket.bytesWritten], [bytesRead, bytesWritten]);
  assert.ok(bytesRead < client.socket.bytesWritten, "not everything was read");
  assert.ok(socket.writableLength < 100_000, `${socket.writableLength} bytes wait to be sent`);

  client.socket.resume();
  for (let n = 1; n <= requests; n++) {
    const { correlationId, body } = await client.receive(apis.fetch, 12);
    assert.equal(correlationId, n);
    assert.ok((body.responses[0]?.partitions[0]?.records?.length ?? 0) > 20_000);
  }
});

test("only so many requests are begun before the first of them is answered", async (t) => {
  const { broker, log } = await serve(t);
  const topic = await log.topic("orders");
  const [client, other] = [await Client.connect(t, broker), await Client.connect(t, broker)];
  client.send(apis.fetch, 12, fetchFrom("orders", 0, parked));
  const requests = 200;
  for (let n = 0; n < requests; n++) client.send(apis.createTopics, 7, creationOf(`t${n}`));
  const begun = async () => (await log.topics()).length - 1;
  while ((await begun()) < pipelinedMax - 1) await other.ping();
  for (let n = 0; n < 20; n++) await other.ping();
  assert.equal(await begun(), pipelinedMax - 1);
  await topic.append({ value: "a" });
  await client.receive(apis.fetch, 12);
  for (let n = 0; n < requests; n++) {
    const { body } = await client.receive(apis.createTopics, 7);
    assert.equal(body.topics[0]?.name, `t${n}`);
  }
});

test("answers that have to wait count by their bytes: few large ones hold up what follows, too", async (t) => {
  const { broker, log } = await serve(t);
  const topic = await log.topic("orders", { partitions: 40_000 });
  const [client, other] = [await Client.connect(t, broker), await Client.connect(t, broker)];
  client.send(apis.fetch, 12, fetchFrom("orders", 0, parked));
  const all = {
    topics: null,
    includeClusterAuthorizedOperations: false,
    includeTopicAuthorizedOperations: false,
  };
  const requests = 25; // more than a mebibyte each
  for (let n = 0; n < requests; n++) {
    client.send(apis.metadata, 11, all);
    client.send(apis.createTopics, 7, creationOf(`t${n}`));
  }
  const begun = async () => (await log.topics()).length - 1;
  while ((await begun()) < 10) await other.ping();
  for (let n = 0; n < 20; n++) await other.ping();
  assert.ok((await begun()) <= 16, `${await begun()} of ${requests}`);
  await topic.append({ value: "a", partition: 0 });
  for (let n = 0; n < requests * 2 + 1; n++) await client.frame();
  assert.equal(await begun(), requests);
});

test("a client that asks for very much at once leaves others their turn", async (t) => {
  const { broker, log } = await serve(t);
  const [client, other] = [await Client.connect(t, broker), await Client.connect(t, broker)];
  const requests = 50 * requestsInTurn;
  client.socket.cork();
  for (let n = 0; n < requests; n++) client.send(apis.createTopics, 7, creationOf(`t${n}`));
  client.socket.uncork();
  await other.ping();
  assert.ok((await log.topics()).length < requests / 2, `${(await log.topics()).length} of ${requests}`);
  for (let n = 0; n < requests; n++) await client.receive(apis.createTopics, 7);
  assert.equal((await log.topics()).length, requests);
});

test("requests keep their order though the topics of some have to be looked up first", async (t) => {
  const { broker, log } = await serve(t);
  const topic = await log.topic("orders");
  await log.topic("other");
  const client = await Client.connect(t, broker);
  const both = (value: string) => ({
    ...produceTo("orders", 0, batchOf(value)),
    topicData: ["other", "nowhere", "orders"].map((name) => ({
      name,
      partitionData: [{ index: 0, records: [batchOf(value)] }],
    })),
  });
  client.send(apis.produce, 9, both("0"));
  for (let n = 1; n < 10; n++) client.send(apis.produce, 9, produceTo("orders", 0, batchOf(String(n))));
  for (let n = 0; n < 10; n++) {
    const { body } = await client.receive(apis.produce, 9);
    assert.equal(body.responses.at(-1)?.partitionResponses[0]?.baseOffset, n);
  }
  const values: string[] = [];
  for await (const { value } of topic.read()) values.push(String(value));
  assert.deepEqual(values, [..."0123456789"]);
});
