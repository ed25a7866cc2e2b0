// What compaction of a topic does, on both drivers, and what others see of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { openLog } from "../open.js";
import { BatchBuilder } from "../record/index.js";
import {
  collect,
  driverNames,
  ManualClock,
  openAt,
  openTestLog,
  temporaryDirectory,
  withCode,
} from "../test-support.js";
import { compactedConfig, filesOf, fill, numbersOf } from "./test-support.js";

function builtBatch(keys: readonly (string | null)[]): Buffer {
  const builder = new BatchBuilder(256);
  for (const key of keys) builder.append(key, "x", undefined, 1000);
  return builder.seal({ baseOffset: 0, partitionLeaderEpoch: 0, compression: "gzip" });
}

for (const driver of driverNames) {
  test(`${driver}: a compacted topic refuses records without a key, one by one, together and in batches`, async (t) => {
    const log = await openTestLog(t, driver);
    const topic = await log.topic("t", { cleanup: "compact,delete" });
    const refused = withCode("INVALID_ARGUMENT");
    await assert.rejects(Promise.resolve(topic.append({ value: "x" })), refused);
    await assert.rejects(Promise.resolve(topic.append({ key: null, value: "x" })), /needs a key/);
    await assert.rejects(topic.appendAll([{ key: "k", value: "x" }, { value: "x" }]), refused);
    await assert.rejects(
      log.transaction((tx) => tx.append(topic, { value: "x" })),
      refused,
    );
    await assert.rejects(Promise.resolve(topic.appendBatch(0, builtBatch(["k", null, "l"]))), refused);
    assert.deepEqual(await collect(topic.read()), []);
    await topic.appendBatch(0, builtBatch(["k", "l"]));
    await topic.append({ key: "", value: null });
    assert.equal((await collect(topic.read())).length, 3);
  });

  test(`${driver}: a topic that is not compacted takes records without a key, and is not compacted`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("t");
    await topic.append({ value: "x" });
    await topic.appendBatch(0, builtBatch([null]));
    await assert.rejects(topic.compact(), withCode("INVALID_ARGUMENT"));
  });

  test(`${driver}: compact keeps the latest of each key, and says what went`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("t", { ...compactedConfig, partitions: 2 });
    await fill(topic, 80);
    const results = await topic.compact();
    const left = await numbersOf(topic);
    assert.deepEqual(
      results.map(({ partition }) => partition),
      [0, 1],
    );
    const records = results.reduce((sum, result) => sum + result.records, 0);
    assert.equal(records, 80 - left.length);
    assert.ok(records > 40, `${records} of 80 went`);
    assert.ok([76, 77, 78, 79].every((number) => left.includes(number)));
    const { partitions } = await topic.describe();
    assert.deepEqual(
      partitions.map(({ compaction }) => compaction?.records ?? 0),
      results.map((result) => result.records),
    );
  });

  test(`${driver}: records without a key from before the topic was compacted stay`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("t", { segmentBytes: 1024 });
    for (let n = 0; n < 5; n++) await topic.append({ value: `${n}`.padEnd(100, ".") });
    await topic.alter({ cleanup: "compact" });
    await fill(topic, 40, 5);
    await topic.compact();
    const left = await numbersOf(topic);
    assert.deepEqual(left.slice(0, 5), [0, 1, 2, 3, 4]);
    assert.ok(left.length < 30, `${left.length} are left`);
  });

  test(`${driver}: a compacted topic is not cleaned up by age or size, one that is to do both is`, async (t) => {
    const log = await openTestLog(t, driver);
    const limits = { retentionBytes: 0, retentionMs: 1, segmentBytes: 1024 };
    const compacted = await log.topic("compacted", { ...limits, cleanup: "compact" });
    const both = await log.topic("both", { ...limits, cleanup: "compact,delete" });
    for (const topic of [compacted, both]) await fill(topic, 10);
    const [result] = await compacted.retain();
    assert.equal(result?.records, 0);
    assert.match(result?.kept ?? "", /compacted/);
    assert.equal((await numbersOf(compacted)).length, 10);
    await both.retain();
    assert.deepEqual(await numbersOf(both), []);
  });

  test(`${driver}: when half of it is new a topic is compacted by itself, and not before`, async (t) => {
    const clock = new ManualClock();
    const log = await openTestLog(t, driver, { clock, retentionCheckMs: 1000, idleMs: 1000 });
    const topic = await log.topic("t", compactedConfig);
    const compacted = async (): Promise<number> =>
      (await topic.describe()).partitions[0]?.compaction?.records ?? 0;
    // What is in the journal only comes into segments when the log is idle.
    const until = async (isEnough: (records: number) => boolean): Promise<void> => {
      while (!isEnough(await compacted())) {
        clock.advance(1000);
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await fill(topic, 80);
    await until((records) => records > 0);
    const first = await compacted();
    assert.ok(first > 40, `${first} of 80 records went`);
    for (let n = 80; n < 100; n++) await topic.append({ key: `once-${n}`, value: "x".repeat(2000) });
    await until((records) => records > first);
    const second = await compacted();
    await fill(topic, 10, 100);
    for (let turn = 0; turn < 100; turn++) {
      clock.advance(1000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(await compacted(), second);
  });
}

test("altering a topic of a driver that cannot compact is refused", async (t) => {
  const log = await openTestLog(t, "memory");
  const topic = await log.topic("t");
  Object.defineProperty(log.storage, "compact", { value: undefined });
  await assert.rejects(topic.alter({ cleanup: "compact" }), withCode("UNSUPPORTED"));
  await assert.rejects(log.topic("u", { cleanup: "compact,delete" }), withCode("UNSUPPORTED"));
  assert.equal(topic.config.cleanup, "delete");
});

test("a compacted topic is as it was when it is opened again, in files by Kafka's names", async (t) => {
  const directory = temporaryDirectory(t);
  const log = await openLog(directory);
  const topic = await log.topic("t", compactedConfig);
  await fill(topic, 60);
  await topic.compact();
  const left = await numbersOf(topic);
  await log.close();
  assert.ok(filesOf(directory).every((name) => /^\d{20}\.(log|index|timeindex)$/.test(name)));
  const again = await openAt(t, directory);
  assert.deepEqual(await numbersOf(await again.topic("t")), left);
});

test("neighbours that have become small become one segment", async (t) => {
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory);
  const topic = await log.topic("t", compactedConfig);
  for (let n = 0; n < 60; n++) {
    // Every sixth key comes once and stays.
    const key = n % 6 === 0 ? `once-${n}` : "again";
    await topic.append({ key, value: `${n}`.padEnd(100, ".") });
  }
  await topic.compact();
  const first = filesOf(directory).length;
  await fill(topic, 20, 60);
  await topic.compact();
  assert.ok(filesOf(directory).length < first, `${filesOf(directory)}`);
  const left = await numbersOf(topic);
  for (let n = 0; n < 54; n += 6) assert.ok(left.includes(n), `${n} is there`);
});

test("who reads while a topic is compacted sees every record that stays, in order", async (t) => {
  const topic = await (await openTestLog(t, "file")).topic("t", compactedConfig);
  await fill(topic, 200);
  let isOver = false;
  const compacting = topic.compact().finally(() => {
    isOver = true;
  });
  const seen: number[][] = [];
  while (!isOver) {
    seen.push(await numbersOf(topic));
    // What is in memory is read without a turn of the event loop.
    await new Promise((resolve) => setImmediate(resolve));
  }
  await compacting;
  const left = await numbersOf(topic);
  for (const numbers of [...seen, left]) {
    assert.deepEqual(
      numbers,
      [...numbers].sort((one, other) => one - other),
    );
    assert.ok(left.every((number) => numbers.includes(number)));
  }
});

test("a file range that was handed out before stays as it was", async (t) => {
  const topic = await (await openTestLog(t, "file")).topic("t", compactedConfig);
  await fill(topic, 40);
  await topic.compact();
  await fill(topic, 40, 40);
  const { fd, position, length, release } =
    (await topic.partition(0).fileRange({ from: 0 })) ?? assert.fail();
  const fs = await import("node:fs");
  const read = (): Buffer => {
    const buffer = Buffer.alloc(length);
    fs.readSync(fd, buffer, 0, length, position);
    return buffer;
  };
  const before = read();
  await topic.compact();
  assert.deepEqual(read(), before);
  await release();
});

test("times lead to records as before", async (t) => {
  const topic = await (await openTestLog(t, "file")).topic("t", compactedConfig);
  for (let n = 0; n < 60; n++)
    await topic.append({ key: `key-${n % 4}`, value: "x".repeat(100), timestamp: 1000 + n });
  await topic.compact();
  const left = await collect(topic.read());
  for (let n = 0; n < 60; n++) {
    const found = await topic.partition(0).offsetForTimestamp(1000 + n);
    const expected = left.find(({ timestamp }) => timestamp >= 1000 + n);
    assert.deepEqual(found, expected && { offset: expected.offset, timestamp: expected.timestamp });
  }
});

test("a log that is read beside its writer follows a compaction", async (t) => {
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory);
  const topic = await log.topic("t", compactedConfig);
  await fill(topic, 60);
  const reader = await openAt(t, directory, { readOnly: true });
  const seen = await reader.topic("t");
  assert.equal((await numbersOf(seen)).length, 60);
  for (let turn = 0; turn < 3; turn++) {
    await topic.compact();
    assert.deepEqual(await numbersOf(seen), await numbersOf(topic));
    await fill(topic, 30, 60 + turn * 30);
    assert.deepEqual(await numbersOf(seen), await numbersOf(topic));
  }
  await assert.rejects(seen.compact(), withCode("READ_ONLY"));
});
