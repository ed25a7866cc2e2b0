// Reading what is committed beside the process that writes the log.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import {
  collect,
  isPending,
  openAt,
  settlesSoon,
  temporaryDirectory,
  valuesOf,
  withCode,
} from "../test-support.js";
import type { Log } from "./log.js";
import { compactedConfig, TransactionWriter } from "./test-support.js";
import type { Topic } from "./topic.js";

const isolation = "read_committed";

interface Beside {
  readonly log: Log;
  readonly topic: Topic;
  readonly writer: TransactionWriter;
  /** The topic, as a reader beside the writer has it, and that reader's log. */
  readonly beside: Topic;
  readonly reader: Log;
}

async function openBeside(t: TestContext): Promise<Beside> {
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory);
  const topic = await log.topic("t");
  const reader = await openAt(t, directory, { readOnly: true });
  const writer = new TransactionWriter(log, topic);
  return { log, topic, writer, reader, beside: await reader.existingTopic("t") };
}

test("a reader beside the writer sees what is committed, whenever that was", async (t) => {
  const { topic, writer, beside } = await openBeside(t);
  const read = (): Promise<string[]> => valuesOf(beside.read({ isolation }));
  await topic.append({ value: "before" }); // 0
  assert.deepEqual(await read(), ["before"]);
  await writer.write(1, ["a"]); // 1
  await writer.write(2, ["b"]); // 2
  await topic.append({ value: "after" }); // 3
  assert.deepEqual(await read(), ["before"]);
  assert.equal(await beside.partition(0).endOffset(isolation), 1);
  await writer.abort(1); // 4
  assert.equal(await beside.partition(0).endOffset(isolation), 2);
  assert.deepEqual(await read(), ["before"]);
  await writer.commit(2); // 5
  assert.deepEqual(await read(), ["before", "b", "after"]);
  assert.deepEqual(await beside.partition(0).get(1, isolation), {
    next: 2,
  });
  const { aborted, lastStableOffset } = await beside.partition(0).readRaw({ from: 0, isolation });
  assert.deepEqual([aborted, lastStableOffset], [[{ producerId: 1, firstOffset: 1, lastOffset: 4 }], 6]);
  assert.deepEqual(await valuesOf(beside.read()), ["before", "a", "b", "after"]);
});

test("a reader beside the writer that is opened later knows what was aborted before", async (t) => {
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory);
  const topic = await log.topic("t");
  const writer = new TransactionWriter(log, topic);
  await writer.write(1, ["a"]);
  await writer.abort(1);
  await log.close();
  const again = await openAt(t, directory);
  await (await again.existingTopic("t")).append({ value: "last" });
  const beside = await (await openAt(t, directory, { readOnly: true })).existingTopic("t");
  assert.deepEqual(await valuesOf(beside.read({ isolation })), ["last"]);
});

test("a reader beside the writer follows, and waits until a transaction is decided", async (t) => {
  const { topic, writer, beside } = await openBeside(t);
  const reader = beside.read({ isolation, follow: true });
  const next = async (): Promise<string> => `${(await settlesSoon(reader.next(), "reading")).value?.value}`;
  for (let n = 0; n < 3; n++) {
    await writer.write(1, [`a${n}`]);
    await topic.append({ value: `plain ${n}` });
    const held = reader.next();
    await beside.partition(0).watch(0); // It has seen what there is.
    assert.equal(await isPending(held), true);
    await (n === 1 ? writer.abort(1) : writer.commit(1));
    const first = `${(await settlesSoon(held, "reading")).value?.value}`;
    assert.equal(first, n === 1 ? "plain 1" : `a${n}`);
    if (n !== 1) assert.equal(await next(), `plain ${n}`);
  }
  await reader.return?.();
});

test("a transaction whose end was deleted before the reader beside the writer saw it is over all the same", async (t) => {
  const { topic, writer, beside } = await openBeside(t);
  await writer.write(1, ["a"]);
  assert.deepEqual(await valuesOf(beside.read({ isolation })), []);
  await writer.commit(1);
  await topic.append({ value: "deleted" });
  await topic.partition(0).deleteRecords("latest");
  await topic.append({ value: "last" });
  assert.deepEqual(await valuesOf(beside.read({ isolation })), ["last"]);
});

test("a reader beside the writer that waits for a transaction learns that its topic is deleted, or its signal is up", async (t) => {
  const { log, writer, beside } = await openBeside(t);
  await writer.write(1, ["open"]);
  const stop = new AbortController();
  const stopped = beside.partition(0).read({ isolation, follow: true, signal: stop.signal }).next();
  const deleted = beside.partition(0).read({ isolation, follow: true }).next();
  await beside.partition(0).watch(0);
  for (const reading of [stopped, deleted]) assert.equal(await isPending(reading), true);
  const reason = new Error("enough");
  stop.abort(reason);
  await assert.rejects(settlesSoon(stopped, "reading"), reason);
  await log.deleteTopic("t");
  await assert.rejects(settlesSoon(deleted, "reading"), withCode("TOPIC_NOT_FOUND"));
});

test("what begins between a look and the read after it is not taken for committed", async (t) => {
  const { topic, writer, beside, reader } = await openBeside(t);
  await topic.append({ value: "before" }); // 0
  const { storage } = reader;
  const read = storage.read.bind(storage);
  storage.read = async (...args) => {
    storage.read = read;
    await writer.write(1, ["open"]); // 1
    assert.equal((await beside.describe()).partitions[0]?.highWatermark, 2);
    return read(...args);
  };
  const { next, lastStableOffset, highWatermark } = await beside.partition(0).readRaw({ from: 0, isolation });
  assert.deepEqual([next, lastStableOffset, highWatermark], [1, 1, 2]);
});

test("what comes while a reader beside the writer looks counts once", async (t) => {
  const { topic, writer, beside, reader } = await openBeside(t);
  await topic.append({ value: "before" }); // 0
  const { storage } = reader;
  const describe = storage.describe.bind(storage);
  storage.describe = async (...args) => {
    storage.describe = describe;
    const description = await describe(...args);
    await writer.write(1, ["aborted"]); // 1
    await writer.abort(1); // 2
    return description;
  };
  const slice = () => beside.partition(0).readRaw({ from: 0, isolation });
  await slice();
  await topic.append({ value: "after" }); // 3
  assert.deepEqual((await slice()).aborted, [{ producerId: 1, firstOffset: 1, lastOffset: 2 }]);
});

test("a watch beside the writer settles when a transaction is decided, and not before", async (t) => {
  const { writer, beside } = await openBeside(t);
  await writer.write(1, ["a"]);
  const watched = beside.partition(0).watch(0, undefined, isolation);
  for (let n = 0; n < 5; n++) await beside.partition(0).watch(0);
  await beside.describe();
  assert.equal(await isPending(watched), true);
  await writer.abort(1);
  await settlesSoon(watched, "the watch");
  assert.deepEqual(await valuesOf(beside.read({ isolation })), []);
});

test("a transaction whose end was compacted away before the reader beside the writer saw it is over all the same", async (t) => {
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory);
  const topic = await log.topic("t", { ...compactedConfig, deleteRetentionMs: 0 });
  const writer = new TransactionWriter(log, topic);
  const beside = await (await openAt(t, directory, { readOnly: true })).existingTopic("t");
  const fill = async (): Promise<void> => {
    for (let n = 0; n < 8; n++) await topic.append({ key: `filler-${n}`, value: "f".repeat(300) });
  };
  await writer.write(1, ["a".padEnd(300)], "a"); // 0
  assert.equal(await beside.partition(0).endOffset(isolation), 0);
  await writer.abort(1); // 1
  for (let n = 0; n < 3; n++) {
    await fill();
    await topic.compact();
  }
  const batches = await collect(topic.partition(0).readBatches());
  assert.ok(batches.every(({ isControl }) => !isControl));
  assert.equal(await beside.partition(0).endOffset(isolation), 26);
});
