// Compaction beside producers and their transactions.
import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { test } from "node:test";
import {
  collect,
  driverNames,
  ManualClock,
  openAt,
  openTestLog,
  temporaryDirectory,
} from "../test-support.js";
import { compactedConfig, endTransaction, producedBatch } from "./test-support.js";
import type { Topic } from "./topic.js";

const once = { idempotent: true };

/** Large enough that a few of them fill a segment. */
function produced(producerId: number, sequence: number, key: string, isTransactional = true): Buffer {
  const values = [`${producerId}/${sequence}`.padEnd(300, ".")];
  return producedBatch({ producerId, sequence, key, values, isTransactional });
}

/** Where markers are. */
async function markersOf(topic: Topic): Promise<number[]> {
  const batches = await collect(topic.partition(0).readBatches());
  return batches.filter(({ isControl }) => isControl).map(({ baseOffset }) => baseOffset);
}

async function offsetsOf(topic: Topic, key: string): Promise<number[]> {
  const records = await collect(topic.read());
  return records.filter((record) => `${record.key}` === key).map(({ offset }) => offset);
}

/** Pushes what is before it into closed segments. */
async function fill(topic: Topic): Promise<void> {
  for (let n = 0; n < 8; n++) await topic.append({ key: `filler-${n}`, value: "f".repeat(300) });
}

test("what was aborted goes and hides nothing; what was committed hides what came before", async (t) => {
  const log = await openAt(t, temporaryDirectory(t));
  const topic = await log.topic("t", compactedConfig);
  await topic.append({ key: "a", value: "first" }); // 0
  await topic.append({ key: "b", value: "first" }); // 1
  await topic.appendBatch(0, produced(1, 0, "a"), once); // 2
  await endTransaction(log, topic, 1, false); // 3
  await topic.appendBatch(0, produced(2, 0, "b"), once); // 4
  await endTransaction(log, topic, 2, true); // 5
  await fill(topic);
  await topic.compact();
  assert.deepEqual(await offsetsOf(topic, "a"), [0]);
  assert.deepEqual(await offsetsOf(topic, "b"), [4]);
});

test("an aborted transaction is forgotten once its records are gone, by the next compaction", async (t) => {
  const log = await openAt(t, temporaryDirectory(t));
  const topic = await log.topic("t", compactedConfig);
  await topic.appendBatch(0, produced(1, 0, "a"), once);
  await endTransaction(log, topic, 1, false);
  await fill(topic);
  const abortedOf = async () =>
    (await topic.partition(0).readRaw({ from: 0, isolation: "read_committed" })).aborted.length;
  await topic.compact();
  assert.equal(await abortedOf(), 1, "a read may be under way");
  await fill(topic);
  await topic.compact();
  assert.equal(await abortedOf(), 0);
  assert.deepEqual(await offsetsOf(topic, "a"), []);
});

test("nothing from the first open transaction on is compacted", async (t) => {
  const log = await openAt(t, temporaryDirectory(t));
  const topic = await log.topic("t", compactedConfig);
  for (let n = 0; n < 2; n++) await topic.append({ key: "a", value: "before" }); // 0, 1
  await topic.appendBatch(0, produced(1, 0, "a"), once); // 2
  await topic.append({ key: "a", value: "after" }); // 3
  await fill(topic);
  await topic.compact();
  assert.deepEqual(await offsetsOf(topic, "a"), [1, 2, 3]);
  await endTransaction(log, topic, 1, true);
  await fill(topic);
  await topic.compact();
  assert.deepEqual(await offsetsOf(topic, "a"), [3]);
});

test("a batch that compaction took out is still known when it is sent again after a crash", async (t) => {
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory);
  const topic = await log.topic("t", compactedConfig);
  await topic.appendBatch(0, produced(1, 0, "a", false), once);
  await topic.appendBatch(0, produced(1, 1, "a", false), once);
  await topic.append({ key: "a", value: "latest" });
  await fill(topic);
  await topic.compact();
  assert.deepEqual(await offsetsOf(topic, "a"), [2]);
  const copy = temporaryDirectory(t);
  cpSync(directory, copy, { recursive: true, filter: (path) => !/lock-[0-9a-f]+$/.test(path) });
  const again = await (await openAt(t, copy)).topic("t");
  const repeated = await again.appendBatch(0, produced(1, 1, "a", false), once);
  assert.deepEqual([repeated.offset, repeated.duplicate], [1, true]);
});

const deleteRetentionMs = 60_000;

for (const driver of driverNames) {
  test(`${driver}: a marker goes with the retention of deletions, when no record of its transaction is left`, async (t) => {
    const clock = new ManualClock();
    const log = await openTestLog(t, driver, { clock });
    const topic = await log.topic("t", { ...compactedConfig, deleteRetentionMs });
    await topic.appendBatch(0, produced(1, 0, "a"), once); // 0
    await endTransaction(log, topic, 1, true); // 1: nothing of it will be left
    await topic.appendBatch(0, produced(1, 1, "a"), once); // 2
    await endTransaction(log, topic, 1, false); // 3: aborted
    await topic.appendBatch(0, produced(1, 2, "a"), once); // 4
    await topic.appendBatch(0, produced(2, 0, "b"), once); // 5
    await topic.appendBatch(0, produced(3, 0, "b"), once); // 6
    await endTransaction(log, topic, 2, true); // 7: nothing of it will be left, amid others
    await endTransaction(log, topic, 1, true); // 8: its record stays
    await endTransaction(log, topic, 3, true); // 9: its record stays
    await fill(topic);
    await topic.compact();
    assert.deepEqual([await offsetsOf(topic, "a"), await offsetsOf(topic, "b")], [[4], [6]]);
    assert.deepEqual(await markersOf(topic), [1, 3, 7, 8, 9]);
    clock.advance(deleteRetentionMs - 1);
    await topic.compact();
    assert.deepEqual(await markersOf(topic), [1, 3, 7, 8, 9]);
    clock.advance(1);
    const [result] = await topic.compact();
    assert.equal(result?.records, 0, "a marker is no record");
    assert.deepEqual(await markersOf(topic), [8, 9]);
    assert.deepEqual([await offsetsOf(topic, "a"), await offsetsOf(topic, "b")], [[4], [6]]);

    await topic.append({ key: "a", value: "new" }); // 18
    await fill(topic);
    await topic.compact();
    clock.advance(deleteRetentionMs);
    await topic.compact();
    assert.deepEqual(await offsetsOf(topic, "a"), [18]);
    assert.deepEqual(await markersOf(topic), [9]);
  });
}

test("a marker stays for a record in an earlier segment that nothing goes from", async (t) => {
  const log = await openAt(t, temporaryDirectory(t));
  const topic = await log.topic("t", { ...compactedConfig, deleteRetentionMs: 0 });
  const append = (key: string, length = 300) => topic.append({ key, value: "v".repeat(length) });
  await topic.appendBatch(0, produced(1, 0, "kept"), once); // 0
  await append("other", 550); // 1: there is no room in the segment for the marker
  await endTransaction(log, topic, 1, true); // 2
  await append("replaced"); // 3
  await append("another"); // 4
  await fill(topic);
  await topic.compact();
  await topic.compact();
  assert.deepEqual(await markersOf(topic), [2], "nothing goes from the marker's segment");
  await append("replaced");
  await fill(topic);
  await topic.compact();
  assert.equal((await offsetsOf(topic, "replaced")).includes(3), false);
  assert.deepEqual(await markersOf(topic), [2], "something goes from it");
});

test("without markers everything is known after a restart, clean or not", async (t) => {
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory);
  const topic = await log.topic("t", { ...compactedConfig, deleteRetentionMs: 0 });
  await topic.appendBatch(0, produced(1, 0, "a"), once); // 0
  await endTransaction(log, topic, 1, true); // 1
  await topic.appendBatch(0, produced(2, 0, "b"), once); // 2
  await endTransaction(log, topic, 2, false); // 3
  await topic.append({ key: "a", value: "latest" }); // 4
  await fill(topic);
  await topic.compact();
  await topic.compact();
  assert.deepEqual(await markersOf(topic), []);
  await topic.appendBatch(0, produced(3, 0, "c"), once); // 13: open
  const crashed = temporaryDirectory(t);
  cpSync(directory, crashed, { recursive: true, filter: (path) => !/lock-[0-9a-f]+$/.test(path) });
  await log.close();
  for (const place of [directory, crashed]) {
    const again = await openAt(t, place);
    const reopened = await again.existingTopic("t");
    const partition = reopened.partition(0);
    assert.equal(await partition.endOffset("read_committed"), 13);
    assert.deepEqual((await partition.readRaw({ from: 0, isolation: "read_committed" })).aborted, []);
    for (const producerId of [1, 2]) {
      const key = producerId === 1 ? "a" : "b";
      const repeated = await reopened.appendBatch(0, produced(producerId, 0, key), once);
      assert.deepEqual([repeated.offset, repeated.duplicate], [producerId === 1 ? 0 : 2, true]);
    }
    // The next transaction of the one that was aborted is its own.
    await reopened.appendBatch(0, produced(2, 1, "b"), once); // 14
    await endTransaction(again, reopened, 2, true); // 15
    await endTransaction(again, reopened, 3, false); // 16
    assert.equal(await partition.endOffset("read_committed"), 17);
    const committed = await collect(reopened.read({ isolation: "read_committed" }));
    assert.deepEqual(
      committed.filter(({ offset }) => offset > 12).map(({ offset }) => offset),
      [14],
    );
  }
});
