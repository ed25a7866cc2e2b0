// Transactions of producers, request by request.
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { apis, ErrorCode } from "@strandlog/protocol";
import { committedIn, Producer, place } from "./handlers/test-support.js";
import { listen } from "./index.js";
import { Client, fetchFrom, ManualClock, serve } from "./test-support.js";

const readCommitted = 1;
const directories = mkdtempSync(join(tmpdir(), "strandlog-test-"));

// When all logs are closed.
after(() => rmSync(directories, { recursive: true, force: true }));

test("a transaction over two topics and a group comes to light when it is committed", async (t) => {
  const served = await serve(t);
  for (const name of ["a", "b"]) await served.log.topic(name);
  const producer = await Producer.begun(t, served);
  for (const name of ["a", "b"]) {
    assert.equal(await producer.add(name), ErrorCode.NONE);
    assert.deepEqual(await producer.send(name, name), [ErrorCode.NONE, 0]);
    producer.sequence = 0;
  }
  assert.equal(await producer.commitOffset("billing", "a", 1), ErrorCode.NONE);
  for (const name of ["a", "b"]) {
    const { lastStableOffset, highWatermark, bytes } = await committedIn(t, served, name);
    assert.deepEqual([lastStableOffset, highWatermark, bytes], [0, 1, 0]);
  }
  assert.deepEqual(await place(t, served, "billing", "a"), [-1, "", ErrorCode.UNSTABLE_OFFSET_COMMIT]);
  assert.deepEqual(await place(t, served, "billing", "a", false), [-1, "", ErrorCode.NONE]);

  assert.equal(await producer.end(true), ErrorCode.NONE);
  for (const name of ["a", "b"]) {
    const { lastStableOffset, highWatermark, aborted, bytes } = await committedIn(t, served, name);
    assert.deepEqual([lastStableOffset, highWatermark, aborted], [2, 2, []]);
    assert.ok(bytes > 0);
  }
  assert.deepEqual(await place(t, served, "billing", "a"), [1, "note", ErrorCode.NONE]);
  assert.equal(await producer.end(true), ErrorCode.NONE, "the same again, whose answer was lost");
  assert.equal(await producer.end(false), ErrorCode.INVALID_TXN_STATE);
});

test("an aborted transaction is named to those who read what is committed, and commits nothing", async (t) => {
  const served = await serve(t);
  await served.log.topic("a");
  const producer = await Producer.begun(t, served);
  await producer.add("a");
  await producer.send("a", "1");
  await producer.commitOffset("billing", "a", 1);
  assert.equal(await producer.end(false), ErrorCode.NONE);
  const { aborted, lastStableOffset } = await committedIn(t, served, "a");
  assert.deepEqual([aborted, lastStableOffset], [[{ producerId: producer.producerId, firstOffset: 0 }], 2]);
  assert.deepEqual(await place(t, served, "billing", "a"), [-1, "", ErrorCode.NONE]);
  // The next one is none of the aborted one's.
  await producer.add("a");
  assert.deepEqual(await producer.send("a", "2"), [ErrorCode.NONE, 2]);
  assert.equal(await producer.end(true), ErrorCode.NONE);
  assert.equal((await committedIn(t, served, "a")).aborted?.length, 1);
});

test("a second producer of the same id fences the first and aborts what that one had open", async (t) => {
  const served = await serve(t);
  await served.log.topic("a");
  const first = await Producer.begun(t, served);
  await first.add("a");
  await first.send("a", "lost");
  const second = await Producer.begun(t, served);
  assert.deepEqual([second.producerId, second.producerEpoch], [first.producerId, first.producerEpoch + 1]);
  assert.equal((await committedIn(t, served, "a")).aborted?.length, 1);
  assert.deepEqual(await first.send("a", "late"), [ErrorCode.INVALID_PRODUCER_EPOCH, -1]);
  assert.equal(await first.add("a"), ErrorCode.PRODUCER_FENCED);
  assert.equal(await first.add("a", 0, 1), ErrorCode.INVALID_PRODUCER_EPOCH);
  assert.equal(await first.end(true), ErrorCode.PRODUCER_FENCED);
  assert.equal(await first.end(true, 1), ErrorCode.INVALID_PRODUCER_EPOCH);
  await second.add("a");
  assert.deepEqual(await second.send("a", "kept"), [ErrorCode.NONE, 2]);
  assert.equal(await second.end(true), ErrorCode.NONE);
});

test("a producer may ask for its next epoch itself, also again, and nobody else may in its name", async (t) => {
  const served = await serve(t);
  const producer = await Producer.begun(t, served);
  const { producerId, producerEpoch } = producer;
  const known = { producerId, producerEpoch };
  assert.equal(await producer.initialize(known), ErrorCode.NONE);
  assert.deepEqual([producer.producerId, producer.producerEpoch], [producerId, producerEpoch + 1]);
  assert.equal(await producer.initialize(known), ErrorCode.NONE, "again: the answer was lost");
  assert.equal(producer.producerEpoch, producerEpoch + 1);
  assert.equal(await producer.initialize({ producerId, producerEpoch: 7 }), ErrorCode.PRODUCER_FENCED);
  assert.equal(await producer.initialize({ producerId, producerEpoch: -1 }), ErrorCode.INVALID_REQUEST);
  const stranger = new Producer(producer.client, "other");
  assert.equal(await stranger.initialize(known), ErrorCode.NONE);
  assert.notEqual(stranger.producerId, producerId);
});

test("whatever a transaction has not announced is refused", async (t) => {
  const served = await serve(t);
  await served.log.topic("a", { partitions: 2 });
  const producer = await Producer.begun(t, served);
  assert.deepEqual(await producer.send("a", "1"), [ErrorCode.INVALID_TXN_STATE, -1]);
  assert.equal(await producer.end(true), ErrorCode.INVALID_TXN_STATE, "there is none");
  await producer.add("a", 1);
  assert.deepEqual(await producer.send("a", "1"), [ErrorCode.INVALID_TXN_STATE, -1]);
  assert.deepEqual(await producer.send("a", "1", 1), [ErrorCode.NONE, 0]);
  await producer.end(true);
  assert.deepEqual(await producer.send("a", "2", 1), [ErrorCode.INVALID_TXN_STATE, -1]);
  assert.equal(await producer.add("nowhere"), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  assert.equal(await producer.add("a", 2), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  producer.producerId += 1000;
  assert.equal(await producer.add("a"), ErrorCode.INVALID_PRODUCER_ID_MAPPING);
  assert.deepEqual(await producer.send("a", "2"), [ErrorCode.INVALID_PRODUCER_ID_MAPPING, -1]);
  assert.equal(await producer.commitOffset("", "a", 1), ErrorCode.INVALID_GROUP_ID);
});

test("what a transaction commits for a group after its end begins no other one", async (t) => {
  const served = await serve(t);
  await served.log.topic("a");
  const producer = await Producer.begun(t, served);
  await producer.commitOffset("billing", "a", 5);
  await producer.end(true);
  assert.equal(await producer.commitLate("billing", "a", 1), ErrorCode.INVALID_TXN_STATE);
  assert.deepEqual(await place(t, served, "billing", "a"), [5, "note", ErrorCode.NONE]);
});

test("a transaction that could not be ended in one write is not begun", async (t) => {
  const limits = { journalFileBytes: 64 * 1024, journalBytesMax: 256 * 1024 };
  const served = await serve(t, {}, limits, mkdtempSync(join(directories, "log-")));
  for (const name of ["a", "b"]) await served.log.topic(name, { partitions: 50 });
  const producer = await Producer.begun(t, served);
  const add = (name: string, count: number) =>
    producer.addMany(
      name,
      Array.from({ length: count }, (_, n) => n),
    );
  assert.equal(await add("a", 50), ErrorCode.NONE);
  assert.equal(await add("b", 50), ErrorCode.INVALID_REQUEST);
  assert.equal(await producer.end(false), ErrorCode.NONE);
});

test("timeouts and ids that make no sense are refused", async (t) => {
  const served = await serve(t);
  const producer = await Producer.begun(t, served);
  for (const transactionTimeoutMs of [0, -1, 15 * 60_000 + 1]) {
    assert.equal(await producer.initialize({ transactionTimeoutMs }), ErrorCode.INVALID_TRANSACTION_TIMEOUT);
  }
  for (const transactionalId of ["", "x".repeat(250), "ü".repeat(125)])
    assert.equal(await producer.initialize({ transactionalId }), ErrorCode.INVALID_REQUEST);
});

test("a transaction whose time is up is aborted, and its producer fenced", async (t) => {
  const clock = new ManualClock();
  const served = await serve(t, {}, { clock });
  await served.log.topic("a");
  const producer = await Producer.begun(t, served);
  await producer.add("a");
  await producer.send("a", "1");
  const watched = served.log
    .existingTopic("a")
    .then((topic) => topic.partition(0).watch(0, undefined, "read_committed"));
  clock.advance(59_999);
  assert.equal((await committedIn(t, served, "a")).lastStableOffset, 0);
  clock.advance(1);
  await watched;
  assert.equal((await committedIn(t, served, "a")).aborted?.length, 1);
  assert.equal(await producer.end(true), ErrorCode.PRODUCER_FENCED);
  assert.equal(await producer.initialize(), ErrorCode.NONE);
});

test("a Fetch of what is committed waits until a transaction ends", async (t) => {
  const served = await serve(t);
  await served.log.topic("a");
  const producer = await Producer.begun(t, served);
  await producer.add("a");
  await producer.send("a", "1");
  const reader = await Client.connect(t, served.broker);
  const asked = { ...fetchFrom("a", 0, { maxWaitMs: 60_000 }), isolationLevel: readCommitted };
  const fetched = reader.request(apis.fetch, 11, asked);
  await producer.end(true);
  const { responses } = await fetched;
  assert.equal(responses[0]?.partitions[0]?.lastStableOffset, 2);
});

test("ListOffsets ends where what is committed ends, for whoever asks so", async (t) => {
  const served = await serve(t);
  await served.log.topic("a");
  const producer = await Producer.begun(t, served);
  await producer.add("a");
  await producer.send("a", "1");
  const latest = async (isolationLevel: number) => {
    const topics = [{ name: "a", partitions: [{ partitionIndex: 0, timestamp: -1 }] }];
    const { topics: answered } = await producer.client.request(apis.listOffsets, 5, {
      replicaId: -1,
      isolationLevel,
      topics,
    });
    return answered[0]?.partitions[0]?.offset;
  };
  assert.deepEqual([await latest(0), await latest(readCommitted)], [1, 0]);
});

test("a topic that is deleted takes its part of a transaction with it, and the rest is committed", async (t) => {
  const served = await serve(t);
  for (const name of ["a", "b"]) await served.log.topic(name);
  const producer = await Producer.begun(t, served);
  for (const name of ["a", "b"]) {
    await producer.add(name);
    await producer.send(name, "1");
    producer.sequence = 0;
  }
  await producer.commitOffset("billing", "b", 1);
  await served.log.deleteTopic("b");
  assert.equal(await producer.end(true), ErrorCode.NONE);
  assert.equal((await committedIn(t, served, "a")).lastStableOffset, 2);
});

for (const end of ["closed", "killed"] as const) {
  test(`a broker that was ${end} goes on with a transaction where its producer is`, async (t) => {
    const directory = mkdtempSync(join(directories, "log-"));
    const before = await serve(t, {}, {}, directory);
    await before.log.topic("a");
    const producer = await Producer.begun(t, before);
    await producer.add("a");
    await producer.send("a", "1");
    await producer.commitOffset("billing", "a", 1);
    let left = directory;
    if (end === "closed") {
      await before.broker.close();
      await before.log.close();
    } else {
      left = mkdtempSync(join(directories, "log-"));
      cpSync(directory, left, { recursive: true, filter: (path) => !/lock-[0-9a-f]+$/.test(path) });
    }
    const after = await serve(t, {}, {}, left);
    assert.equal((await committedIn(t, after, "a")).lastStableOffset, 0);
    assert.equal((await place(t, after, "billing", "a"))[2], ErrorCode.UNSTABLE_OFFSET_COMMIT);
    const again = Object.assign(new Producer(await Client.connect(t, after.broker)), {
      producerId: producer.producerId,
      producerEpoch: producer.producerEpoch,
      sequence: producer.sequence,
    });
    assert.deepEqual(await again.send("a", "2"), [ErrorCode.NONE, 1]);
    assert.equal(await again.end(true), ErrorCode.NONE);
    assert.equal((await committedIn(t, after, "a")).lastStableOffset, 3);
    assert.deepEqual(await place(t, after, "billing", "a"), [1, "note", ErrorCode.NONE]);
  });
}

test("a transaction that was open when the broker stopped is aborted when its time is up", async (t) => {
  const clock = new ManualClock();
  const directory = mkdtempSync(join(directories, "log-"));
  const before = await serve(t, {}, { clock }, directory);
  await before.log.topic("a");
  const producer = await Producer.begun(t, before);
  await producer.add("a");
  await producer.send("a", "1");
  await before.broker.close();
  await before.log.close();
  clock.advance(61_000);
  const after = await serve(t, {}, { clock }, directory);
  const topic = await after.log.existingTopic("a");
  const watched = topic.partition(0).watch(0, undefined, "read_committed");
  clock.advance(0);
  await watched;
  assert.equal((await committedIn(t, after, "a")).aborted?.length, 1);
});

test("ids that nobody has used for a week are forgotten when the broker starts", async (t) => {
  const clock = new ManualClock();
  const served = await serve(t, {}, { clock });
  await Producer.begun(t, served, "old");
  clock.advance(7 * 24 * 60 * 60_000);
  await Producer.begun(t, served, "new");
  clock.advance(1);
  const keys = async () =>
    (await served.log.storage.metadata.list("broker/transaction/")).map(({ key }) => key);
  assert.equal((await keys()).length, 2);
  const again = await listen(served.log, { kafka: 0 });
  t.after(() => again.close());
  assert.deepEqual(await keys(), ["broker/transaction/new"]);
});

test("what is remembered of a transaction and cannot be read keeps the broker from starting, by its key", async (t) => {
  const served = await serve(t);
  for (const text of ["{", "null", '{"producerId":1}']) {
    await served.log.storage.metadata.put("broker/transaction/tx", text);
    await assert.rejects(listen(served.log, { kafka: 0 }), /broker\/transaction\/tx/);
  }
});

test("an id of many producers gets another producer before its epochs are used up", async (t) => {
  const served = await serve(t);
  const producer = await Producer.begun(t, served);
  const key = "broker/transaction/tx";
  const state = JSON.parse((await served.log.storage.metadata.get(key))?.value ?? "");
  await served.log.storage.metadata.put(key, JSON.stringify({ ...state, producerEpoch: 32_766 }));
  const broker = await listen(served.log, { kafka: 0 });
  t.after(() => broker.close());
  const next = await Producer.begun(t, { ...served, broker });
  assert.notEqual(next.producerId, producer.producerId);
  assert.equal(next.producerEpoch, 0);
});
