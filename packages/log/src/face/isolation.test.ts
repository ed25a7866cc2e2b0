// Reading what is committed: of transactions that are open, committed or aborted.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  collect,
  driverNames,
  isPending,
  openAt,
  openTestLog,
  settlesSoon,
  temporaryDirectory,
  valuesOf,
  withCode,
} from "../test-support.js";
import type { Partition } from "./partition.js";
import type { ReadOptions } from "./reading.js";
import { compactedConfig, endTransaction, TransactionWriter } from "./test-support.js";
import type { Topic } from "./topic.js";

const isolation = "read_committed";

/** Two producers, batch by batch in turn; what the first writes is committed, what the second writes aborted. */
async function interleaved(writer: TransactionWriter, topic: Topic): Promise<void> {
  await topic.append({ value: "plain" }); // 0
  await writer.write(1, ["a0", "a1"]); // 1, 2
  await writer.write(2, ["b0", "b1"]); // 3, 4
  await writer.write(1, ["a2"]); // 5
  await writer.write(2, ["b2"]); // 6
  await writer.abort(2); // 7
  await writer.write(2, ["c0"]); // 8
  await writer.commit(1); // 9
  await topic.append({ value: "between" }); // 10
  await writer.commit(2); // 11
}

const committedValues = ["plain", "a0", "a1", "a2", "c0", "between"];

/** All the ways to read a partition give the same. */
async function valuesBy(topic: Topic, options: ReadOptions): Promise<string[]> {
  const partition = topic.partition(0);
  const values = await valuesOf(partition.read(options));
  assert.deepEqual(await valuesOf(topic.read(options)), values, "topic.read");
  assert.deepEqual(await valuesByBatches(partition, options), values, "readBatches");
  assert.deepEqual(await valuesByGet(partition, options), values, "get");
  return values;
}

async function valuesByBatches(partition: Partition, options: ReadOptions): Promise<string[]> {
  const values: string[] = [];
  const from = await partition.offsetOf(options.from ?? "earliest");
  for await (const batch of partition.readBatches(options)) {
    assert.equal(batch.isControl, false);
    for (const { value } of batch.records(from)) values.push(`${value}`);
  }
  return values;
}

async function valuesByGet(partition: Partition, options: ReadOptions): Promise<string[]> {
  const values: string[] = [];
  const end = await partition.endOffset(options.isolation);
  for (let offset = await partition.offsetOf(options.from ?? "earliest"); offset < end; ) {
    const { record, next } = await partition.get(offset, options.isolation);
    if (record !== undefined) values.push(`${record.value}`);
    offset = next ?? offset + 1;
  }
  return values;
}

for (const driver of driverNames) {
  test(`${driver}: of interleaved transactions only what was committed is read`, async (t) => {
    const log = await openTestLog(t, driver);
    const topic = await log.topic("t");
    await interleaved(new TransactionWriter(log, topic), topic);
    assert.deepEqual(await valuesBy(topic, { isolation }), committedValues);
  });

  test(`${driver}: without an isolation everything is read, whatever becomes of it`, async (t) => {
    const log = await openTestLog(t, driver);
    const topic = await log.topic("t");
    const writer = new TransactionWriter(log, topic);
    await writer.write(1, ["aborted"]);
    await writer.abort(1);
    await writer.write(2, ["open"]);
    assert.deepEqual(await valuesOf(topic.read()), ["aborted", "open"]);
    assert.deepEqual(await valuesOf(topic.read({ isolation: "read_uncommitted" })), ["aborted", "open"]);
  });

  test(`${driver}: a reader may begin at any offset, also amid a transaction`, async (t) => {
    const log = await openTestLog(t, driver);
    const topic = await log.topic("t");
    await interleaved(new TransactionWriter(log, topic), topic);
    const all = await collect(topic.read({ isolation }));
    for (let from = 0; from <= 12; from++) {
      const expected = all.filter(({ offset }) => offset >= from).map(({ value }) => `${value}`);
      assert.deepEqual(await valuesBy(topic, { isolation, from }), expected, `from ${from}`);
    }
  });

  test(`${driver}: reading ends at the first transaction that is open`, async (t) => {
    const log = await openTestLog(t, driver);
    const topic = await log.topic("t");
    const partition = topic.partition(0);
    const writer = new TransactionWriter(log, topic);
    await topic.append({ value: "before" }); // 0
    await writer.write(1, ["open"]); // 1
    await writer.write(2, ["done"]); // 2
    await writer.commit(2); // 3
    await topic.append({ value: "after" }); // 4
    assert.deepEqual(await valuesBy(topic, { isolation }), ["before"]);
    assert.deepEqual(await valuesBy(topic, { isolation, until: 4 }), ["before"]);
    assert.deepEqual(await partition.get(2, isolation), { next: 1 });
    assert.equal(await partition.offsetOf("latest", isolation), 1);
    assert.equal((await partition.readRaw({ from: "latest", isolation })).startOffset, 1);
    await writer.commit(1); // 5
    assert.deepEqual(await valuesBy(topic, { isolation }), ["before", "open", "done", "after"]);
  });

  test(`${driver}: who begins at the end sees the transaction that is open then, once it is committed`, async (t) => {
    const log = await openTestLog(t, driver);
    const topic = await log.topic("t");
    const writer = new TransactionWriter(log, topic);
    await topic.append({ value: "before" });
    await writer.write(1, ["open"]);
    const reader = topic.read({ isolation, from: "latest", follow: true });
    const next = reader.next();
    assert.equal(await isPending(next), true);
    await writer.commit(1);
    assert.equal(`${(await settlesSoon(next, "reading")).value?.value}`, "open");
    await reader.return?.();
  });

  for (const [what, read] of [
    ["partition", (topic: Topic) => topic.partition(0).read({ isolation, follow: true })],
    ["topic", (topic: Topic) => topic.read({ isolation, follow: true })],
  ] as const) {
    test(`${driver}: who follows a ${what} waits until a transaction is decided`, async (t) => {
      const log = await openTestLog(t, driver);
      const topic = await log.topic("t", { partitions: what === "topic" ? 2 : 1 });
      const writer = new TransactionWriter(log, topic);
      const reader = read(topic);
      const next = async (): Promise<string> =>
        `${(await settlesSoon(reader.next(), "reading")).value?.value}`;
      await topic.append({ value: "before", partition: 0 });
      assert.equal(await next(), "before");
      await writer.write(1, ["a"]);
      await topic.append({ value: "after", partition: 0 });
      const held = reader.next();
      assert.equal(await isPending(held), true);
      await writer.write(2, ["b"]);
      await writer.abort(2);
      assert.equal(await isPending(held), true);
      await writer.commit(1);
      assert.equal(`${(await settlesSoon(held, "reading")).value?.value}`, "a");
      assert.equal(await next(), "after");
      await writer.write(1, ["c"]);
      await writer.abort(1);
      await topic.append({ value: "last", partition: 0 });
      assert.equal(await next(), "last");
      await reader.return?.();
    });
  }

  test(`${driver}: who follows up to an offset ends there, when what is before it is decided`, async (t) => {
    const log = await openTestLog(t, driver);
    const topic = await log.topic("t");
    const writer = new TransactionWriter(log, topic);
    await topic.append({ value: "before" }); // 0
    await writer.write(1, ["a"]); // 1
    await topic.append({ value: "after" }); // 2
    const options = { isolation, follow: true, until: 3 } as const;
    const readings = [valuesOf(topic.partition(0).read(options)), valuesOf(topic.read(options))];
    const ofMarker = valuesOf(topic.partition(0).read({ ...options, from: 3, until: 4 }));
    for (const reading of readings) assert.equal(await isPending(reading), true);
    await writer.abort(1); // 3
    for (const reading of readings)
      assert.deepEqual(await settlesSoon(reading, "reading"), ["before", "after"]);
    assert.deepEqual(await settlesSoon(ofMarker, "reading"), []);
  });

  test(`${driver}: the end is where it was when reading began, whatever is decided meanwhile`, async (t) => {
    const log = await openTestLog(t, driver);
    const topic = await log.topic("t");
    const writer = new TransactionWriter(log, topic);
    await topic.append({ value: "before" });
    await writer.write(1, ["open"]);
    const reader = topic.partition(0).read({ isolation });
    assert.equal(`${(await reader.next()).value?.value}`, "before");
    await writer.commit(1);
    assert.equal((await reader.next()).done, true);
  });

  test(`${driver}: a raw slice tells only of the aborted transactions that are in it`, async (t) => {
    const log = await openTestLog(t, driver);
    const topic = await log.topic("t");
    await interleaved(new TransactionWriter(log, topic), topic);
    const abortedIn = async (from: number): Promise<number> =>
      (await topic.partition(0).readRaw({ from, isolation, bytesMax: 1 })).aborted.length;
    assert.deepEqual(await Promise.all([0, 1, 3, 5, 7, 8].map(abortedIn)), [0, 0, 1, 1, 1, 0]);
  });

  test(`${driver}: who waits for a transaction learns that its topic is deleted, or its signal is up`, async (t) => {
    const log = await openTestLog(t, driver);
    const topic = await log.topic("t");
    await new TransactionWriter(log, topic).write(1, ["open"]);
    const stop = new AbortController();
    const stopped = topic.partition(0).read({ isolation, follow: true, signal: stop.signal }).next();
    const deleted = topic.partition(0).read({ isolation, follow: true }).next();
    for (const reading of [stopped, deleted]) assert.equal(await isPending(reading), true);
    const reason = new Error("enough");
    stop.abort(reason);
    await assert.rejects(settlesSoon(stopped, "reading"), reason);
    await log.deleteTopic("t");
    await assert.rejects(settlesSoon(deleted, "reading"), withCode("TOPIC_NOT_FOUND"));
  });

  test(`${driver}: what was aborted is passed over through many chunks`, async (t) => {
    const log = await openTestLog(t, driver);
    const topic = await log.topic("t");
    const writer = new TransactionWriter(log, topic);
    for (let n = 0; n < 5; n++) await writer.write(1, ["x".repeat(700_000)]);
    await writer.abort(1);
    await topic.append({ value: "last" });
    assert.deepEqual(await valuesBy(topic, { isolation }), ["last"]);
  });

  test(`${driver}: what was read ahead and is aborted and deleted before its turn is not given out`, async (t) => {
    const log = await openTestLog(t, driver);
    const topic = await log.topic("t");
    const writer = new TransactionWriter(log, topic);
    for (let n = 0; n < 2; n++) await topic.append({ value: `${n}`.padEnd(700_000) });
    await writer.write(1, ["open"]);
    const reader = topic.partition(0).read({ isolation, follow: true });
    const next = async (): Promise<string> => `${(await settlesSoon(reader.next(), "reading")).value?.value}`;
    assert.match(await next(), /^0/); // What follows has been asked for.
    await writer.abort(1);
    await topic.partition(0).deleteRecords("latest");
    await topic.append({ value: "last" });
    assert.match(await next(), /^1/);
    assert.equal(await next(), "last");
    await reader.return?.();
  });

  test(`${driver}: what is aborted, deleted and forgotten while it is read is not given out`, async (t) => {
    const log = await openTestLog(t, driver);
    const topic = await log.topic("t");
    const partition = topic.partition(0);
    const writer = new TransactionWriter(log, topic);
    await writer.write(1, ["aborted"]); // 0
    await writer.abort(1); // 1
    await topic.append({ value: "before" }); // 2
    await writer.write(1, ["open"]); // 3
    const { storage } = log;
    const read = storage.read.bind(storage);
    storage.read = async (...args) => {
      storage.read = read;
      const result = await read(...args);
      await partition.deleteRecords(2);
      await writer.abort(1);
      await partition.deleteRecords("latest");
      return result;
    };
    assert.deepEqual(await valuesOf(partition.read({ isolation, from: 2, until: 4 })), ["before"]);
  });

  test(`${driver}: what begins while the end is looked for is not before it`, async (t) => {
    const log = await openTestLog(t, driver);
    const topic = await log.topic("t");
    const writer = new TransactionWriter(log, topic);
    await topic.append({ value: "before" }); // 0
    const { storage } = log;
    const describe = storage.describe.bind(storage);
    storage.describe = async (...args) => {
      storage.describe = describe;
      await writer.write(1, ["open"]); // 1
      return describe(...args);
    };
    assert.equal(await topic.partition(0).endOffset(isolation), 1);
  });

  test(`${driver}: on a compacted topic what is committed is what a reader of that sees`, async (t) => {
    const log = await openTestLog(t, driver);
    const topic = await log.topic("t", compactedConfig);
    const writer = new TransactionWriter(log, topic);
    const long = (text: string): string => text.padEnd(300, ".");
    const read = async (): Promise<string[]> =>
      (await collect(topic.read({ isolation })))
        .filter(({ key }) => !`${key}`.startsWith("filler"))
        .map(({ key, value }) => `${key}=${`${value}`.replace(/\.+$/, "")}`);
    const fill = async (): Promise<void> => {
      for (let n = 0; n < 8; n++) await topic.append({ key: `filler-${n}`, value: long("f") });
    };
    await topic.append({ key: "a", value: "first" });
    await writer.write(1, [long("second")], "a");
    await writer.write(2, [long("never")], "b");
    await writer.abort(2);
    await writer.write(2, [long("never")], "a");
    await writer.commit(1);
    await writer.abort(2);
    const before = ["a=first", "a=second"];
    assert.deepEqual(await read(), before);
    await fill();
    await topic.compact();
    assert.deepEqual(await read(), before.slice(1));
    await writer.write(2, [long("open")], "a");
    await fill();
    await topic.compact();
    assert.deepEqual(await read(), before.slice(1));
    await writer.abort(2);
    await fill();
    await topic.compact();
    assert.deepEqual(await read(), before.slice(1));
  });

  test(`${driver}: an isolation that is none is refused by every reader`, async (t) => {
    const log = await openTestLog(t, driver);
    const topic = await log.topic("t");
    await topic.append({ value: "x" });
    const wrong = { isolation: "serializable" as never };
    const refused = withCode("INVALID_ARGUMENT");
    assert.throws(() => topic.read(wrong), refused);
    assert.throws(() => topic.partition(0).read(wrong), refused);
    await assert.rejects(topic.partition(0).get(0, wrong.isolation), refused);
    assert.throws(() => topic.consumer("g", wrong), refused);
    assert.deepEqual(await topic.groups(), []);
  });
}

test("what is committed stays so after a restart, and a transaction that is open may be aborted then", async (t) => {
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory);
  const topic = await log.topic("t");
  const writer = new TransactionWriter(log, topic);
  await interleaved(writer, topic);
  await writer.write(3, ["open"]);
  await topic.append({ value: "after" });
  await log.close();
  const again = await openAt(t, directory);
  const reopened = await again.existingTopic("t");
  assert.deepEqual(await valuesBy(reopened, { isolation }), committedValues);
  const following = valuesOf(reopened.read({ isolation, follow: true, from: 10, until: 14 }));
  assert.equal(await isPending(following), true);
  await endTransaction(again, reopened, 3, false);
  assert.deepEqual(await settlesSoon(following, "reading"), ["between", "after"]);
  assert.deepEqual(await valuesBy(reopened, { isolation }), [...committedValues, "after"]);
});
