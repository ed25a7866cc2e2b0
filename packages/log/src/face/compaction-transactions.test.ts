// Compaction beside producers and their transactions.
import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { test } from "node:test";
import { collect, openAt, temporaryDirectory } from "../test-support.js";
import { compactedConfig, endTransaction, producedBatch } from "./test-support.js";
import type { Topic } from "./topic.js";

const once = { idempotent: true };

/** Large enough that a few of them fill a segment. */
function produced(producerId: number, sequence: number, key: string, isTransactional = true): Buffer {
  const values = [`${producerId}/${sequence}`.padEnd(300, ".")];
  return producedBatch({ producerId, sequence, key, values, isTransactional });
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
