// What is known of producers lasts longer than the process, and longer than the records.
import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { test } from "node:test";
import { openAt, openTestLog, temporaryDirectory, valuesOf, withCode } from "../test-support.js";
import type { Log } from "./log.js";
import { producedBatch } from "./test-support.js";

const once = { idempotent: true };
const transactional = 0x10;

function produced(producerId: number, sequence: number, attributes = 0, value?: string): Buffer {
  const isTransactional = attributes === transactional;
  return producedBatch({
    producerId,
    sequence,
    isTransactional,
    ...(value === undefined ? {} : { values: [value] }),
  });
}

async function snapshots({ storage }: Log): Promise<{ offset: number }[]> {
  const entries = await storage.metadata.list("producers/");
  return entries.map(({ value }) => JSON.parse(value));
}

/** As the disk is now, without what a close would write. */
function copied(t: Parameters<typeof temporaryDirectory>[0], directory: string): string {
  const copy = temporaryDirectory(t);
  cpSync(directory, copy, { recursive: true, filter: (path) => !/lock-[0-9a-f]+$/.test(path) });
  return copy;
}

for (const end of ["closed", "killed"] as const) {
  test(`a batch that is sent again after the log was ${end} is stored once`, async (t) => {
    const directory = temporaryDirectory(t);
    const log = await openAt(t, directory);
    const topic = await log.topic("orders");
    for (let n = 0; n < 7; n++) await topic.appendBatch(0, produced(7, n), once);
    if (end === "closed") await log.close();
    const again = await (await openAt(t, end === "closed" ? directory : copied(t, directory))).topic(
      "orders",
    );
    const repeated = await again.appendBatch(0, produced(7, 6), once);
    assert.deepEqual([repeated.offset, repeated.duplicate], [6, true]);
    await assert.rejects(again.appendBatch(0, produced(7, 8), once), withCode("OUT_OF_ORDER_SEQUENCE"));
    assert.equal((await again.appendBatch(0, produced(7, 7), once)).offset, 7);
    assert.equal((await valuesOf(again.read())).length, 8);
  });

  test(`an open transaction is still open after the log was ${end}, and can be ended`, async (t) => {
    const directory = temporaryDirectory(t);
    const log = await openAt(t, directory);
    const topic = await log.topic("orders");
    await topic.appendBatch(0, produced(1, 0, transactional), once);
    await log.endTransaction(ended(topic, 1, false));
    await topic.append({ value: "plain" });
    await topic.appendBatch(0, produced(2, 0, transactional), once);
    if (end === "closed") await log.close();
    const reopened = await openAt(t, end === "closed" ? directory : copied(t, directory));
    const again = await reopened.topic("orders");
    const read = () => again.partition(0).readRaw({ from: 0, isolation: "read_committed" });
    const slice = await read();
    assert.deepEqual([slice.next, slice.lastStableOffset, slice.highWatermark], [3, 3, 4]);
    assert.deepEqual(slice.aborted, [{ producerId: 1, firstOffset: 0, lastOffset: 1 }]);
    await reopened.endTransaction(ended(again, 2, true));
    assert.equal((await read()).lastStableOffset, 5);
  });
}

function ended(topic: Awaited<ReturnType<Log["topic"]>>, producerId: number, isCommit: boolean) {
  const partitions = [{ topic, partition: 0 }];
  return { producerId, producerEpoch: 0, isCommit, partitions, progress: [], metadata: [] };
}

test("the first batch of a producer and then every few megabytes bring a snapshot along", async (t) => {
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory);
  const topic = await log.topic("orders");
  await topic.append({ value: "of nobody" });
  assert.deepEqual(await snapshots(log), []);
  const large = "x".repeat(900_000);
  const offsets = new Set<number>();
  for (let n = 0; n < 12; n++) {
    await topic.appendBatch(0, produced(7, n, 0, large), once);
    for (const { offset } of await snapshots(log)) offsets.add(offset);
  }
  assert.deepEqual([...offsets], [2, 7, 12]);
  await log.close();
  assert.deepEqual(
    (await snapshots(await openAt(t, directory))).map(({ offset }) => offset),
    [13],
  );
});

test("a batch whose record was deleted is still known after a crash", async (t) => {
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory);
  const topic = await log.topic("orders");
  for (let n = 0; n < 3; n++) await topic.appendBatch(0, produced(7, n), once);
  await topic.partition(0).deleteRecords("latest");
  const again = await (await openAt(t, copied(t, directory))).topic("orders");
  const repeated = await again.appendBatch(0, produced(7, 2), once);
  assert.deepEqual([repeated.offset, repeated.duplicate], [2, true]);
});

test("what was known of a topic's producers goes with the topic", async (t) => {
  const log = await openTestLog(t, "file");
  await (await log.topic("orders")).appendBatch(0, produced(7, 0), once);
  await log.deleteTopic("orders");
  assert.deepEqual(await snapshots(log), []);
});

test("a snapshot that cannot be read is reported by its key to whoever needs it, and to nobody else", async (t) => {
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory);
  const { topicId } = await log.topic("orders");
  for (const value of ["{", "[]", '{"offset":0,"producers":[[1]],"open":[],"aborted":[]}']) {
    await log.storage.metadata.put(`producers/${topicId}/0`, value);
    const copy = await openAt(t, copied(t, directory));
    const topic = await copy.topic("orders");
    const isAboutIt = (error: Error): boolean => {
      assert.match(error.message, new RegExp(`producers/${topicId}/0`));
      return withCode("CORRUPT_METADATA")(error);
    };
    await assert.rejects(topic.appendBatch(0, produced(7, 0), once), isAboutIt);
    await assert.rejects(topic.partition(0).readRaw({ from: 0, isolation: "read_committed" }), isAboutIt);
    await topic.appendBatch(0, produced(-1, 0), once);
    assert.equal((await valuesOf(topic.read())).length, 1);
  }
});

test("offsets of what was refused count for nothing when the log is opened again", async (t) => {
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory);
  const [kept, gone] = [await log.topic("kept"), await log.topic("gone")];
  await kept.appendBatch(0, produced(7, 0), once);
  const transaction = log.transaction((tx) => {
    for (let n = 0; n < 5; n++) for (const topic of [kept, gone]) tx.append(topic, { value: "x" });
  });
  const refused = assert.rejects(transaction, withCode("TOPIC_NOT_FOUND"));
  await log.deleteTopic("gone");
  await refused;
  await log.close();

  const reopened = await openAt(t, directory);
  const topic = await reopened.topic("kept");
  await topic.appendBatch(0, produced(8, 0, transactional), once); // 1
  assert.equal((await topic.appendBatch(0, produced(7, 1), once)).offset, 2);
  const again = await (await openAt(t, copied(t, directory))).topic("kept");
  assert.equal(await again.partition(0).endOffset("read_committed"), 1);
  const repeated = await again.appendBatch(0, produced(7, 1), once);
  assert.deepEqual([repeated.offset, repeated.duplicate], [2, true]);
});

test("a snapshot that tells of more than is stored is believed as far as it goes", async (t) => {
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory);
  const topic = await log.topic("orders");
  await topic.appendBatch(0, produced(7, 0), once);
  const beyond = '{"offset":9,"producers":[[7,0,1e15,[[0,0,0],[1,1,5]]]],"open":[[7,5]],"aborted":[[7,6,7]]}';
  await log.storage.metadata.put(`producers/${topic.topicId}/0`, beyond.replace("1e15", `${Date.now()}`));
  const again = await (await openAt(t, copied(t, directory))).topic("orders");
  assert.equal((await again.appendBatch(0, produced(7, 1), once)).offset, 1);
  assert.equal(await again.partition(0).endOffset("read_committed"), 2);
});

test("thousands of producers are kept as far as there is room for them, the latest first", async (t) => {
  const log = await openTestLog(t, "file", { journalFileBytes: 64 * 1024, journalBytesMax: 256 * 1024 });
  const topic = await log.topic("orders");
  const receipts = Array.from({ length: 2000 }, (_, n) => topic.appendBatch(0, produced(n, 0), once));
  await Promise.all(receipts);
  await topic.partition(0).deleteRecords("latest");
  const [{ producers = [] } = {}] = (await snapshots(log)) as unknown as { producers?: unknown[][] }[];
  assert.ok(producers.length > 50 && producers.length < 2000, `${producers.length}`);
  assert.equal(producers.at(-1)?.[0], 1999);
});

test("readers of what is committed wait for the end of a transaction", async (t) => {
  const log = await openTestLog(t, "file");
  const topic = await log.topic("orders");
  const partition = topic.partition(0);
  await topic.appendBatch(0, produced(1, 0, transactional), once);
  assert.equal(await partition.endOffset("read_committed"), 0);
  assert.equal(await partition.endOffset(), 1);
  await partition.watch(0);
  const watched = partition.watch(0, undefined, "read_committed");
  await log.endTransaction(ended(topic, 1, true));
  await watched;
  assert.equal(await partition.endOffset("read_committed"), 2);
  assert.deepEqual(await valuesOf(topic.read()), ["1/0"]);
  assert.deepEqual(await partition.get(1), { next: 2 });

  await topic.appendBatch(0, produced(1, 1, transactional), once);
  const deleted = assert.rejects(
    partition.watch(2, undefined, "read_committed"),
    withCode("TOPIC_NOT_FOUND"),
  );
  await log.deleteTopic("orders");
  await deleted;
});

test("a read that gets what is deleted meanwhile is still told what was aborted", async (t) => {
  const log = await openTestLog(t, "memory");
  const topic = await log.topic("orders");
  await topic.appendBatch(0, produced(1, 0, transactional), once);
  await log.endTransaction(ended(topic, 1, false));
  const { storage } = log;
  const read = storage.read.bind(storage);
  storage.read = async (...args) => {
    const result = await read(...args);
    await topic.partition(0).deleteRecords("latest");
    return result;
  };
  const { length, aborted } = await topic.partition(0).readRaw({ from: 0, isolation: "read_committed" });
  assert.ok(length > 0);
  assert.deepEqual(aborted, [{ producerId: 1, firstOffset: 0, lastOffset: 1 }]);
});

test("an isolation that is none is refused", async (t) => {
  const topic = await (await openTestLog(t, "memory")).topic("orders");
  const reading = topic.partition(0).readRaw({ from: 0, isolation: "serializable" as never });
  await assert.rejects(reading, withCode("INVALID_ARGUMENT"));
});

test("the end of a transaction leaves out nothing: markers, groups and metadata come together or not at all", async (t) => {
  const log = await openTestLog(t, "file");
  const [kept, gone] = [await log.topic("kept"), await log.topic("gone")];
  for (const topic of [kept, gone]) await topic.appendBatch(0, produced(1, 0, transactional), once);
  const end = {
    producerId: 1,
    producerEpoch: 0,
    isCommit: true,
    partitions: [kept, gone].map((topic) => ({ topic, partition: 0 })),
    progress: [kept.progress("billing", new Map([[0, { offset: 1 }]]))],
    metadata: [{ key: "mine", value: "1" }],
  };
  await log.deleteTopic("gone");
  await assert.rejects(log.endTransaction(end), withCode("TOPIC_NOT_FOUND"));
  assert.equal(await log.storage.metadata.get("mine"), undefined);
  assert.equal((await kept.committed("billing")).size, 0);
  assert.equal(await kept.partition(0).endOffset("read_committed"), 0);
  await log.endTransaction({ ...end, partitions: end.partitions.slice(0, 1) });
  assert.equal((await log.storage.metadata.get("mine"))?.value, "1");
  assert.equal((await kept.committed("billing")).get(0)?.offset, 1);
  assert.equal(await kept.partition(0).endOffset("read_committed"), 2);
});
