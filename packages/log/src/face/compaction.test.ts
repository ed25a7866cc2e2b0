import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { verifyDirectory } from "../format.js";
import type { LogOptions } from "../open.js";
import { openLog } from "../open.js";
import { BatchBuilder } from "../record/index.js";
import {
  cleanUp,
  collect,
  driverNames,
  Gate,
  hookedFileSystem,
  isPending,
  ManualClock,
  openAt,
  openTestLog,
  settlesSoon,
  temporaryDirectory,
  valuesOf,
  withCode,
} from "../test-support.js";
import type { Log } from "./log.js";
import type { Topic } from "./topic.js";

const config = { cleanup: "compact", segmentBytes: 1024 } as const;

/** Values 0, 1, 2 and so on, each in a batch of its own, for four keys in turn. */
async function fill(topic: Topic, count: number, first = 0): Promise<void> {
  for (let n = first; n < first + count; n++)
    await topic.append({ key: `key-${n % 4}`, value: `${n}`.padEnd(100, ".") });
}

async function numbersOf(topic: Topic): Promise<number[]> {
  return (await valuesOf(topic.read())).map((value) => Number.parseInt(value, 10));
}

/** The files of a topic's only partition, without those for Kafka's tools. */
function filesOf(directory: string): string[] {
  return readdirSync(`${directory}/topics/t-0`).filter((name) => /^\d/.test(name));
}

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
    const topic = await (await openTestLog(t, driver)).topic("t", { ...config, partitions: 2 });
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
    const topic = await log.topic("t", config);
    const compacted = async (): Promise<number> =>
      (await topic.describe()).partitions[0]?.compaction?.records ?? 0;
    // What is in the journal only comes into segments when the log is idle.
    const until = async (isEnough: (records: number) => boolean): Promise<void> => {
      for (let turn = 0; turn < 100_000 && !isEnough(await compacted()); turn++) {
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
  const topic = await log.topic("t", config);
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
  const topic = await log.topic("t", config);
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
  const topic = await (await openTestLog(t, "file")).topic("t", config);
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
  const topic = await (await openTestLog(t, "file")).topic("t", config);
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
  const topic = await (await openTestLog(t, "file")).topic("t", config);
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
  const topic = await log.topic("t", config);
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

/** A log with sixty records on a disk with a hook. */
async function hooked(
  t: Parameters<typeof temporaryDirectory>[0],
  hook: Parameters<typeof hookedFileSystem>[0],
  options: LogOptions = {},
): Promise<{ log: Log; topic: Topic; directory: string }> {
  const directory = temporaryDirectory(t);
  const log = await openLog(directory, { fileSystem: hookedFileSystem(hook), ...options });
  cleanUp(t, () => settlesSoon(log.close(), "close"));
  const topic = await log.topic("t", config);
  await fill(topic, 60);
  return { log, topic, directory };
}

test("a disk that is full in the middle leaves all as it was, is told of, and is tried again later", async (t) => {
  let isFull = false;
  const { log, topic, directory } = await hooked(t, (operation, path) => {
    if (isFull && operation === "write" && path.endsWith(".swap"))
      throw Object.assign(new Error("no space"), { code: "ENOSPC" });
  });
  isFull = true;
  await assert.rejects(topic.compact(), /no space/);
  assert.match((await log.stats()).storage.trouble ?? "", /compaction: no space/);
  assert.equal((await numbersOf(topic)).length, 60);
  assert.ok(
    filesOf(directory).every((name) => !name.endsWith(".swap")),
    "what was made is given back",
  );
  isFull = false;
  await topic.compact();
  assert.equal((await log.stats()).storage.trouble, undefined);
  assert.ok((await numbersOf(topic)).length < 60);
});

test("a compaction that could fill the disk does not begin", async (t) => {
  const directory = temporaryDirectory(t);
  let free = 8 * 1024 * 1024;
  const fileSystem = { ...hookedFileSystem(() => undefined), freeBytes: async () => free };
  const log = await openAt(t, directory, { fileSystem });
  const topic = await log.topic("t", config);
  await fill(topic, 60);
  await assert.rejects(topic.compact(), withCode("DISK_FULL"));
  assert.match((await log.stats()).storage.trouble ?? "", /compaction: .* are needed to compact/);
  assert.equal((await numbersOf(topic)).length, 60);
  free *= 2;
  await topic.compact();
  assert.ok((await numbersOf(topic)).length < 60);
});

test("a checkpoint file that cannot be written leaves both, and is written later", async (t) => {
  let isFull = false;
  const { log, topic, directory } = await hooked(t, (operation, path) => {
    if (isFull && operation === "rename" && path.endsWith("/checkpoint"))
      throw Object.assign(new Error("no entry"), { code: "ENOSPC" });
  });
  // All of it is in segments by then.
  await topic.compact();
  await fill(topic, 60, 60);
  const before = await numbersOf(topic);
  isFull = true;
  await assert.rejects(topic.compact(), /no entry/);
  await assert.rejects(topic.compact(), /no entry/);
  assert.deepEqual(await numbersOf(topic), before);
  isFull = false;
  await topic.compact();
  const left = await numbersOf(topic);
  assert.ok(left.length < before.length);
  await log.close();
  assert.ok(filesOf(directory).every((name) => !name.endsWith(".swap")));
  const again = await openAt(t, directory);
  assert.deepEqual(await numbersOf(await again.topic("t")), left);
});

test("a segment that is larger than segmentBytes has become is compacted into several", async (t) => {
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory);
  const topic = await log.topic("t", { cleanup: "compact", segmentBytes: 20_000 });
  for (let n = 0; n < 400; n++) {
    const key = n % 2 === 0 ? `once-${n}` : "again";
    await topic.append({ key, value: `${n}`.padEnd(100, ".") });
  }
  await topic.alter({ segmentBytes: 2048 });
  const [outcome] = await topic.compact();
  const left = await numbersOf(topic);
  const end = outcome?.end ?? 0;
  for (let n = 0; n < 400; n += 2) assert.ok(left.includes(n), `${n} is there`);
  assert.equal(left.filter((n) => n < end && n % 2 === 1).length, 1);
  await log.close();
  const logs = filesOf(directory).filter((name) => name.endsWith(".log"));
  assert.ok(logs.length > 10, `${logs.length} segments`);
  const { damages } = await verifyDirectory(directory);
  assert.deepEqual(damages, []);
});

test("what cannot be cleared away afterwards goes with the next checkpoint", async (t) => {
  let isStuck = true;
  const { log, topic, directory } = await hooked(t, (operation) => {
    if (isStuck && operation === "remove") throw Object.assign(new Error("busy"), { code: "EBUSY" });
  });
  await topic.compact();
  const left = await numbersOf(topic);
  assert.ok(left.length < 60);
  isStuck = false;
  await log.close();
  assert.ok(filesOf(directory).every((name) => !name.endsWith(".swap")));
  const again = await openAt(t, directory);
  assert.deepEqual(await numbersOf(await again.topic("t")), left);
});

test("closing the log gives up a compaction, and leaves no file of it", async (t) => {
  const gate = new Gate((operation, path) => operation === "sync" && path.endsWith(".swap"));
  const { log, topic, directory } = await hooked(t, gate.hook);
  const compacting = assert.rejects(topic.compact(), withCode("CLOSED"));
  await gate.reached;
  const closing = log.close();
  assert.ok(await isPending(closing));
  gate.release();
  await settlesSoon(closing, "close");
  await compacting;
  assert.ok(filesOf(directory).every((name) => !name.endsWith(".swap")));
  const again = await openAt(t, directory);
  assert.equal((await numbersOf(await again.topic("t"))).length, 60);
});

test("a topic that is deleted while it is compacted is gone, and may be made again", async (t) => {
  const gate = new Gate((operation, path) => operation === "write" && path.endsWith(".log.1.swap"));
  const { log, topic, directory } = await hooked(t, gate.hook);
  const compacting = assert.rejects(topic.compact(), withCode("TOPIC_NOT_FOUND"));
  await gate.reached;
  const gone = assert.rejects(topic.partition(0).watch(1000), withCode("TOPIC_NOT_FOUND"));
  const deleting = log.deleteTopic("t");
  await gone;
  assert.ok(await isPending(deleting));
  gate.release();
  await settlesSoon(deleting, "the deletion");
  await compacting;
  assert.deepEqual(readdirSync(`${directory}/topics`), []);
  const again = await log.topic("t", config);
  await again.append({ key: "k", value: "new" });
  assert.deepEqual(await valuesOf(again.read()), ["new"]);
});

test("a compaction is given up when it is told to, and what others append goes on", async (t) => {
  const controller = new AbortController();
  const gate = new Gate((operation, path) => operation === "write" && path.endsWith(".swap"));
  const { topic } = await hooked(t, gate.hook);
  const compacting = assert.rejects(topic.compact({ signal: controller.signal }), /enough/);
  await gate.reached;
  await fill(topic, 4, 60);
  controller.abort(new Error("enough"));
  gate.release();
  await compacting;
  assert.equal((await numbersOf(topic)).length, 64);
  await topic.compact();
  assert.ok((await numbersOf(topic)).length < 64);
});
