// Topics whose records have the time of their append.
import assert from "node:assert/strict";
import { test } from "node:test";
import { BatchBuilder, RecordBatch } from "../record/index.js";
import {
  collect,
  driverNames,
  ManualClock,
  openAt,
  openTestLog,
  temporaryDirectory,
} from "../test-support.js";
import type { Partition } from "./partition.js";

function batchOf(...timestamps: readonly number[]): Buffer {
  const builder = new BatchBuilder(128);
  for (const timestamp of timestamps) builder.append(null, `${timestamp}`, undefined, timestamp);
  return builder.seal({ baseOffset: 0, partitionLeaderEpoch: 0, compression: "none" });
}

async function timesIn(partition: Partition): Promise<number[]> {
  return (await collect(partition.read())).map(({ timestamp }) => timestamp);
}

for (const driver of driverNames) {
  test(`${driver}: a record, a batch and a transaction get the time of their append`, async (t) => {
    const clock = new ManualClock();
    const log = await openTestLog(t, driver, { clock });
    const topic = await log.topic("orders", { timestampType: "append" });
    const times: number[] = [];
    const append = async (action: () => Promise<unknown>, count: number): Promise<void> => {
      clock.advance(1000);
      await action();
      times.push(...Array(count).fill(clock.now()));
    };
    await append(() => topic.append({ value: "a", timestamp: 5 }), 1);
    await append(() => topic.append({ value: "b" }), 1);
    await append(() => topic.appendBatch(0, batchOf(7, 9_000_000_000_000)), 2);
    await append(() => topic.appendAll([{ value: "d", timestamp: 5 }, { value: "e" }]), 2);
    const partition = topic.partition(0);
    assert.deepEqual(await timesIn(partition), times);
    const { chunks } = await partition.readRaw({ from: 0 });
    const types = new Set<string>();
    for (let bytes = Buffer.concat(chunks); bytes.length > 0; ) {
      const batch = new RecordBatch(bytes.subarray(0, bytes.readInt32BE(8) + 12)).verify();
      types.add(batch.timestampType);
      bytes = bytes.subarray(batch.bytes.length);
    }
    assert.deepEqual(types, new Set(["append"]));
    const found = await partition.offsetForTimestamp((times[1] as number) + 1);
    assert.deepEqual(found, { offset: 2, timestamp: times[2] });
  });

  test(`${driver}: a topic that is altered stamps what comes after, and nothing else`, async (t) => {
    const clock = new ManualClock();
    const log = await openTestLog(t, driver, { clock, lingerMs: 10 });
    const topic = await log.topic("orders");
    const receipts = [topic.append({ value: "a", timestamp: 5 })];
    await topic.alter({ timestampType: "append" });
    receipts.push(topic.append({ value: "b", timestamp: 6 }));
    const appendedAt = clock.now();
    await topic.alter({ timestampType: "create" });
    receipts.push(topic.append({ value: "c", timestamp: 7 }));
    clock.advance(10);
    await Promise.all(receipts);
    assert.deepEqual(await timesIn(topic.partition(0)), [5, appendedAt, 7]);
  });
}

test("a batch that was stamped elsewhere keeps its time where topics keep times", async (t) => {
  const clock = new ManualClock();
  const log = await openTestLog(t, "memory", { clock });
  const from = await log.topic("from", { timestampType: "append" });
  await from.appendBatch(0, batchOf(5, 6));
  const appendedAt = clock.now();
  const to = await log.topic("to");
  clock.advance(1000);
  const { chunks } = await from.partition(0).readRaw({ from: 0 });
  await to.appendBatch(0, Buffer.concat(chunks));
  assert.deepEqual(await timesIn(to.partition(0)), [appendedAt, appendedAt]);
});

test("the time of the append is there when the log is opened again, and found by", async (t) => {
  const directory = temporaryDirectory(t);
  const clock = new ManualClock();
  const log = await openAt(t, directory, { clock });
  const topic = await log.topic("orders", { timestampType: "append", compression: "gzip" });
  await topic.append({ value: "a".repeat(1000), timestamp: 5 });
  const appendedAt = clock.now();
  await log.close();
  const again = await (await openAt(t, directory)).existingTopic("orders");
  assert.equal(again.config.timestampType, "append");
  assert.deepEqual(await timesIn(again.partition(0)), [appendedAt]);
  assert.equal((await again.partition(0).offsetForTimestamp(6))?.timestamp, appendedAt);
});
