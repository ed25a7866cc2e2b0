// Whole batches, appended as they are.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LogError } from "../errors.js";
import { openLog } from "../open.js";
import { BatchBuilder, RecordBatch } from "../record/index.js";
import type { AppendGroup, AppendOutcome } from "../storage/contracts.js";
import { MemoryStorage } from "../storage/memory/memory-storage.js";
import {
  driverNames,
  isPending,
  openAt,
  openTestLog,
  temporaryDirectory,
  valuesOf,
  withCode,
} from "../test-support.js";
import type { Partition } from "./partition.js";
import { producedBatch } from "./test-support.js";

function batchOf(values: readonly string[], timestamp = 1000): Buffer {
  const builder = new BatchBuilder(128);
  for (const value of values) builder.append(null, value, undefined, timestamp);
  return builder.seal({ baseOffset: 0, partitionLeaderEpoch: 0, compression: "none" });
}

async function rawOf(partition: Partition): Promise<Buffer> {
  return Buffer.concat((await partition.readRaw({ from: 0 })).chunks);
}

for (const driver of driverNames) {
  test(`${driver}: a batch goes in as it is, but for offset and leader epoch`, async (t) => {
    const log = await openTestLog(t, driver);
    const [from, to] = [await log.topic("from"), await log.topic("to", { partitions: 2 })];
    const receipts = ["a", "b", "c"].map((value) => from.append({ value, key: "k", headers: { h: "1" } }));
    await Promise.all(receipts);
    const original = Buffer.from(await rawOf(from.partition(0)));

    await to.append({ value: "before", partition: 1 });
    const receipt = to.appendBatch(1, Buffer.from(original));
    assert.equal(receipt.offset, 1);
    assert.deepEqual(await receipt, { partition: 1, offset: 1, durability: "disk", bytes: original.length });
    assert.equal((await to.append({ value: "after", partition: 1 })).offset, 4);

    assert.deepEqual(await valuesOf(to.partition(1).read()), ["before", "a", "b", "c", "after"]);
    const { chunks } = await to.partition(1).readRaw({ from: 1, bytesMax: original.length });
    const copy = Buffer.concat(chunks);
    assert.deepEqual(copy.subarray(16), original.subarray(16));
    assert.equal(new RecordBatch(copy).baseOffset, 1);
  });

  test(`${driver}: batches and records that are appended at once keep their order`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("orders");
    const receipts = [
      topic.append({ value: "a" }),
      topic.appendBatch(0, batchOf(["b", "c"])),
      topic.append({ value: "d" }),
      topic.append({ value: "e" }),
      topic.appendBatch(0, batchOf(["f"])),
      topic.appendBatch(0, batchOf(["g"])),
    ];
    const offsets = (await Promise.all(receipts)).map(({ offset }) => offset);
    assert.deepEqual(offsets, [0, 1, 3, 4, 5, 6]);
    assert.deepEqual(await valuesOf(topic.read()), ["a", "b", "c", "d", "e", "f", "g"]);
  });

  test(`${driver}: a listener is told of batches too`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("orders");
    const told: unknown[] = [];
    topic.onAcknowledged((records) => told.push(records));
    await topic.appendBatch(0, batchOf(["a", "b"]));
    assert.deepEqual(told, [{ partition: 0, from: 0, next: 2, durability: "disk" }]);
  });

  test(`${driver}: what is no batch, damaged, too large or for no partition is refused`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("orders", { maxMessageBytes: 300 });
    const damaged = batchOf(["a"]);
    damaged[damaged.length - 2] = 99;
    await assert.rejects(topic.appendBatch(0, damaged), withCode("CORRUPT_BATCH"));
    await assert.rejects(topic.appendBatch(0, Buffer.alloc(0)), withCode("CORRUPT_BATCH"));
    await assert.rejects(topic.appendBatch(0, Buffer.alloc(100)), withCode("CORRUPT_BATCH"));
    const two = Buffer.concat([batchOf(["a"]), batchOf(["b"])]);
    await assert.rejects(topic.appendBatch(0, two), withCode("CORRUPT_BATCH"));
    await assert.rejects(topic.appendBatch(0, batchOf(["a"], -5)), withCode("CORRUPT_BATCH"));
    await assert.rejects(topic.appendBatch(0, batchOf(["a".repeat(300)])), withCode("RECORD_TOO_LARGE"));
    await assert.rejects(topic.appendBatch(0, "a" as never), withCode("INVALID_ARGUMENT"));
    await assert.rejects(
      topic.appendBatch(0, batchOf(["a"]), { offset: 5 } as never),
      withCode("INVALID_ARGUMENT"),
    );
    for (const partition of [1, -1, 0.5]) {
      await assert.rejects(topic.appendBatch(partition, batchOf(["a"])), withCode("PARTITION_NOT_FOUND"));
    }
    assert.deepEqual(await valuesOf(topic.read()), []);
    assert.equal((await topic.append({ value: "next" })).offset, 0);
  });
}

test("the view may be part of a larger buffer, and is written to in place", async (t) => {
  const topic = await (await openTestLog(t, "memory")).topic("orders");
  await topic.append({ value: "first" });
  const batch = batchOf(["a"]);
  const frame = Buffer.concat([Buffer.alloc(7), batch, Buffer.alloc(9)]);
  await topic.appendBatch(0, new Uint8Array(frame.buffer, frame.byteOffset + 7, batch.length));
  assert.equal(new RecordBatch(frame.subarray(7, 7 + batch.length)).baseOffset, 1);
  assert.deepEqual([...frame.subarray(0, 7), ...frame.subarray(-9)], Array(16).fill(0));
});

test("batches are there after the log was closed and opened again", async (t) => {
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory);
  await (await log.topic("orders")).appendBatch(0, batchOf(["a", "b"]));
  await log.close();
  const again = await (await openAt(t, directory)).topic("orders");
  assert.deepEqual(await valuesOf(again.read()), ["a", "b"]);
  assert.equal((await again.append({ value: "c" })).offset, 2);
});

test("a batch waits for room in its turn, or is refused if it may not wait", async (t) => {
  const log = await openTestLog(t, "file", { tailBytesMax: 256 * 1024 });
  const topic = await log.topic("orders");
  const large = "x".repeat(50_000);
  const receipts = [topic.append({ value: large }), topic.append({ value: large })];
  const waiting = topic.appendBatch(0, batchOf([large]));
  assert.equal(waiting.offset, undefined);
  assert.ok(await isPending(waiting));
  await assert.rejects(topic.appendBatch(0, batchOf(["b"]), { wait: false }), withCode("BACKPRESSURE"));
  const last = topic.append({ value: "last" });
  await Promise.all(receipts);
  assert.equal((await waiting).offset, 2);
  assert.equal((await last).offset, 3);
});

test("a closed log and a deleted topic take no batches", async (t) => {
  const log = await openTestLog(t, "memory");
  const topic = await log.topic("orders");
  await log.deleteTopic("orders");
  await assert.rejects(topic.appendBatch(0, batchOf(["a"])), withCode("TOPIC_NOT_FOUND"));
  const other = await log.topic("other");
  await log.close();
  await assert.rejects(other.appendBatch(0, batchOf(["a"])), withCode("CLOSED"));
});

/** As an idempotent producer of Kafka's writes it. */
function produced(producerId: number, epoch: number, sequence: number, count = 1): Buffer {
  const values = Array.from({ length: count }, (_, n) => `${producerId}/${epoch}/${sequence + n}`);
  return producedBatch({ producerId, epoch, sequence, values });
}

const once = { idempotent: true };

for (const driver of driverNames) {
  test(`${driver}: a batch that an idempotent producer sends again is stored once`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("orders");
    const first = topic.appendBatch(0, produced(7, 0, 0, 3), once);
    const again = topic.appendBatch(0, produced(7, 0, 0, 3), once); // while the first is on its way
    assert.deepEqual([first.offset, again.offset], [0, 0]);
    assert.equal((await first).duplicate, undefined);
    assert.equal((await again).duplicate, true);
    for (let n = 0; n < 5; n++) await topic.appendBatch(0, produced(7, 0, 3 + n), once);
    assert.equal((await topic.appendBatch(0, produced(7, 0, 3), once)).offset, 3);
    // It is not among the last five any more.
    await assert.rejects(topic.appendBatch(0, produced(7, 0, 0, 3), once), withCode("OUT_OF_ORDER_SEQUENCE"));
    assert.equal((await topic.partition(0).describe()).logEndOffset, 8);
  });
}

test("a producer's batches have to follow one another, in each partition for itself", async (t) => {
  const topic = await (await openTestLog(t, "memory")).topic("orders", { partitions: 2 });
  await topic.appendBatch(0, produced(7, 0, 0, 2), once);
  await assert.rejects(topic.appendBatch(0, produced(7, 0, 3), once), withCode("OUT_OF_ORDER_SEQUENCE"));
  await assert.rejects(topic.appendBatch(0, produced(7, 0, 1), once), withCode("OUT_OF_ORDER_SEQUENCE"));
  await topic.appendBatch(0, produced(7, 0, 2), once);
  await topic.appendBatch(0, produced(8, 0, 40), once); // not known: any will do
  await topic.appendBatch(1, produced(7, 0, 9), once);
});

test("what names no producer is stored each time, also if it has a sequence", async (t) => {
  const topic = await (await openTestLog(t, "memory")).topic("orders");
  for (const sequence of [0, 0, -1, 0, 5]) await topic.appendBatch(0, produced(-1, 0, sequence), once);
  assert.equal((await topic.partition(0).describe()).logEndOffset, 5);
});

test("a producer with a new epoch begins at 0, and its old epoch is fenced", async (t) => {
  const topic = await (await openTestLog(t, "memory")).topic("orders");
  await topic.appendBatch(0, produced(7, 1, 0), once);
  await assert.rejects(topic.appendBatch(0, produced(7, 2, 1), once), withCode("OUT_OF_ORDER_SEQUENCE"));
  await topic.appendBatch(0, produced(7, 2, 0), once);
  await assert.rejects(topic.appendBatch(0, produced(7, 1, 1), once), withCode("PRODUCER_FENCED"));
  await topic.appendBatch(0, produced(7, 2, 1), once);
});

test("sequences go on from 0 after 2^31 - 1, within a batch and between two", async (t) => {
  const topic = await (await openTestLog(t, "memory")).topic("orders");
  await topic.appendBatch(0, produced(7, 0, 2 ** 31 - 2, 4), once);
  await topic.appendBatch(0, produced(7, 0, 2), once);
  await topic.appendBatch(0, produced(8, 0, 2 ** 31 - 1), once);
  await topic.appendBatch(0, produced(8, 0, 0), once);
  assert.equal((await topic.appendBatch(0, produced(7, 0, 2 ** 31 - 2, 4), once)).offset, 0);
});

test("copies are not looked at for their producers", async (t) => {
  const topic = await (await openTestLog(t, "memory")).topic("orders");
  for (const sequence of [5, 5, 9, 0]) await topic.appendBatch(0, produced(7, 0, sequence));
  assert.equal((await topic.partition(0).describe()).logEndOffset, 4);
});

test("a duplicate that had to wait for room is found when its turn comes", async (t) => {
  const log = await openTestLog(t, "file", { tailBytesMax: 256 * 1024 });
  const topic = await log.topic("orders");
  const large = "x".repeat(50_000);
  const before = [topic.append({ value: large }), topic.append({ value: large })];
  const receipts = [0, 0, 1, 5].map((sequence) => topic.appendBatch(0, produced(7, 0, sequence, 1), once));
  assert.ok(receipts.every(({ offset }) => offset === undefined));
  const [settled] = await Promise.all([Promise.allSettled(receipts), ...before]);
  const told = settled.map((each) => (each.status === "fulfilled" ? each.value.offset : each.reason.code));
  assert.deepEqual(told, [2, 2, 3, "OUT_OF_ORDER_SEQUENCE"]);
});

test("very many small batches wait for one partition, and come out in order", async (t) => {
  const topic = await (await openTestLog(t, "memory")).topic("orders");
  const count = 5000;
  const receipts = Array.from({ length: count }, (_, n) =>
    n % 7 === 0 ? topic.append({ value: `${n}` }) : topic.appendBatch(0, batchOf([`${n}`])),
  );
  assert.deepEqual(
    (await Promise.all(receipts)).map(({ offset }) => offset),
    [...Array(count).keys()],
  );
  assert.deepEqual(
    await valuesOf(topic.read()),
    Array.from({ length: count }, (_, n) => `${n}`),
  );
});

test("batches that are smaller than what the journal says of each get through a small one", async (t) => {
  const log = await openTestLog(t, "file", { journalFileBytes: 64 * 1024, journalBytesMax: 256 * 1024 });
  const topic = await log.topic("orders");
  await Promise.all(Array.from({ length: 2000 }, () => topic.appendBatch(0, batchOf(["v"]))));
  assert.equal((await topic.partition(0).describe()).logEndOffset, 2000);
});

/** Refuses what it is told to, as a driver does that has taken nothing of it. */
class RefusingStorage extends MemoryStorage {
  refusals = 0;

  override append(group: AppendGroup): AppendOutcome {
    if (this.refusals === 0 || group.batches.length === 0) return super.append(group);
    this.refusals--;
    const written = Promise.reject(new LogError("VERSION_CONFLICT", "no"));
    written.catch(() => undefined);
    return { written, durable: written };
  }
}

test("a batch that the storage refused is not taken for stored when it is sent again, also at once", async (t) => {
  const storage = new RefusingStorage();
  const log = await openLog(storage);
  t.after(() => log.close());
  const topic = await log.topic("orders");
  storage.refusals = 1;
  const first = topic.appendBatch(0, produced(7, 0, 0), once);
  const repeated = topic.appendBatch(0, produced(7, 0, 0), once);
  await assert.rejects(first, withCode("VERSION_CONFLICT"));
  await assert.rejects(repeated, withCode("BACKPRESSURE"));
  const again = await topic.appendBatch(0, produced(7, 0, 0), once);
  assert.equal(again.duplicate, undefined);
  assert.deepEqual(await valuesOf(topic.read()), ["7/0/0"]);
});
