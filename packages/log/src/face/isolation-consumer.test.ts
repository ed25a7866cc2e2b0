// Consumers of what is committed: what is not for them does not hold their progress back.
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { test } from "node:test";
import {
  driverNames,
  isPending,
  openAt,
  openTestLog,
  settlesSoon,
  temporaryDirectory,
  valuesOf,
} from "../test-support.js";
import type { Consumer } from "./consumer.js";
import { TransactionWriter } from "./test-support.js";
import type { Topic } from "./topic.js";

const isolation = "read_committed";

async function nextValue(consumer: Consumer): Promise<string> {
  const { value } = await settlesSoon(consumer.next(), "the consumer");
  return `${value?.value}`;
}

async function committedIn(topic: Topic, group: string): Promise<number | undefined> {
  return (await topic.committed(group)).get(0)?.offset;
}

/** Settles when the group "g" has come there. */
async function committedUpTo(topic: Topic, offset: number): Promise<void> {
  const committed = async (): Promise<void> => {
    while ((await committedIn(topic, "g")) !== offset) await new Promise(setImmediate);
  };
  await settlesSoon(committed(), "the commit");
}

async function lagOf(topic: Topic, group: string): Promise<number | undefined> {
  return (await topic.groups()).find((each) => each.group === group)?.records;
}

for (const driver of driverNames) {
  test(`${driver}: a consumer commits past what was aborted, and is not behind then`, async (t) => {
    const log = await openTestLog(t, driver);
    const topic = await log.topic("t");
    const writer = new TransactionWriter(log, topic);
    await topic.append({ value: "first" }); // 0
    await writer.write(1, ["aborted", "aborted"]); // 1, 2
    await writer.abort(1); // 3
    await writer.write(1, ["committed"]); // 4
    await writer.commit(1); // 5
    await writer.write(1, ["aborted"]); // 6
    await writer.abort(1); // 7
    assert.deepEqual(await valuesOf(topic.consumer("g", { isolation, follow: false })), [
      "first",
      "committed",
    ]);
    assert.equal(await committedIn(topic, "g"), 8);
    assert.equal(await lagOf(topic, "g"), 0);
  });

  test(`${driver}: a consumer of nothing but aborted records gets to their end`, async (t) => {
    const log = await openTestLog(t, driver);
    const topic = await log.topic("t");
    const writer = new TransactionWriter(log, topic);
    await writer.write(1, ["aborted"]); // 0
    await writer.abort(1); // 1
    assert.deepEqual(await valuesOf(topic.consumer("g", { isolation, follow: false })), []);
    assert.equal(await lagOf(topic, "g"), 0);
  });

  test(`${driver}: a consumer waits where a transaction is open, and says that it is not behind there`, async (t) => {
    const log = await openTestLog(t, driver);
    const topic = await log.topic("t");
    const writer = new TransactionWriter(log, topic);
    const consumer = topic.consumer("g", { isolation });
    await topic.append({ value: "first" }); // 0
    assert.equal(await nextValue(consumer), "first");
    await writer.write(1, ["a"]); // 1
    await topic.append({ value: "after" }); // 2
    const held = consumer.next();
    assert.equal(await isPending(held), true);
    await committedUpTo(topic, 1);
    const behind = await consumer.lag();
    const [own] = behind.partitions;
    assert.deepEqual([behind.records, behind.bytes, own?.committed, own?.end], [0, 0, 1, 1]);
    assert.equal(await lagOf(topic, "g"), 2, "for all whom isolation does not concern");
    await writer.abort(1); // 3
    assert.equal(`${(await settlesSoon(held, "the consumer")).value?.value}`, "after");
    await consumer.close();
    assert.equal(await committedIn(topic, "g"), 1, "what is in hand has not been dealt with");
  });

  test(`${driver}: the lag of a consumer counts what is decided`, async (t) => {
    const log = await openTestLog(t, driver);
    const topic = await log.topic("t");
    const writer = new TransactionWriter(log, topic);
    for (let n = 0; n < 3; n++) await topic.append({ value: `${n}` });
    const consumer = topic.consumer("g", { isolation, commit: "explicit" });
    await consumer.next();
    await consumer.commit();
    const { bytes, records } = await consumer.lag();
    await writer.write(1, ["x".repeat(10_000)]);
    const beside = await consumer.lag();
    assert.deepEqual([beside.records, beside.bytes], [records, bytes]);
    await writer.commit(1);
    assert.ok((await consumer.lag()).bytes > bytes + 10_000);
    await consumer.close();
  });

  test(`${driver}: explicit commits go past what was aborted, too`, async (t) => {
    const log = await openTestLog(t, driver);
    const topic = await log.topic("t");
    const writer = new TransactionWriter(log, topic);
    await topic.append({ value: "first" }); // 0
    await writer.write(1, ["aborted"]); // 1
    await writer.abort(1); // 2
    const consumer = topic.consumer("g", { isolation, commit: "explicit", follow: false });
    assert.deepEqual(await valuesOf(consumer), ["first"]);
    await consumer.commit();
    await consumer.close();
    assert.equal(await lagOf(topic, "g"), 0);
  });

  test(`${driver}: process commits past what was aborted while it waits for more`, async (t) => {
    const log = await openTestLog(t, driver);
    const topic = await log.topic("t");
    const writer = new TransactionWriter(log, topic);
    const handled: string[] = [];
    const consumer = topic.consumer("g", { isolation });
    const processing = consumer.process({}, (_, records) => {
      for (const { value } of records) handled.push(`${value}`);
    });
    await writer.write(1, ["aborted"]); // 0
    await writer.abort(1); // 1
    await writer.write(1, ["committed"]); // 2
    await writer.commit(1); // 3
    await writer.write(1, ["aborted"]); // 4
    await writer.abort(1); // 5
    await committedUpTo(topic, 6);
    assert.deepEqual(handled, ["committed"]);
    assert.equal(await lagOf(topic, "g"), 0);
    await consumer.close();
    await processing;
  });

  test(`${driver}: process does not commit past what its handlers have in hand`, async (t) => {
    const log = await openTestLog(t, driver);
    const topic = await log.topic("t");
    const writer = new TransactionWriter(log, topic);
    await topic.append({ value: "first" }); // 0
    await writer.write(1, ["aborted"]); // 1
    await writer.abort(1); // 2
    const hand = new EventEmitter();
    const finished = once(hand, "finish");
    const taken = once(hand, "taken");
    const processing = topic.consumer("g", { isolation, follow: false }).process({}, async () => {
      hand.emit("taken");
      await finished;
    });
    await settlesSoon(taken, "the handler");
    assert.equal(await isPending(processing), true);
    assert.equal(await committedIn(topic, "g"), 0);
    hand.emit("finish");
    await settlesSoon(processing, "process");
    assert.equal(await committedIn(topic, "g"), 3);
  });

  test(`${driver}: who reads everything is not behind because of markers`, async (t) => {
    const log = await openTestLog(t, driver);
    const topic = await log.topic("t");
    const writer = new TransactionWriter(log, topic);
    await writer.write(1, ["aborted"]);
    await writer.abort(1);
    await topic.consumer("g", { follow: false }).process({}, () => undefined);
    assert.equal(await lagOf(topic, "g"), 0);
  });
}

test("a group goes on after a restart where it waited for a transaction", async (t) => {
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory);
  const topic = await log.topic("t");
  const writer = new TransactionWriter(log, topic);
  await topic.append({ value: "first" }); // 0
  await writer.write(1, ["aborted"]); // 1
  await writer.abort(1); // 2
  await writer.write(1, ["a"]); // 3
  await writer.write(2, ["b"]); // 4
  await topic.append({ value: "last" }); // 5
  assert.deepEqual(await valuesOf(topic.consumer("g", { isolation, follow: false })), ["first"]);
  await log.close();

  const again = await openAt(t, directory);
  const reopened = await again.existingTopic("t");
  assert.equal(await committedIn(reopened, "g"), 3);
  const writerAgain = new TransactionWriter(again, reopened);
  const consumer = reopened.consumer("g", { isolation });
  const held = consumer.next();
  assert.equal(await isPending(held), true);
  await writerAgain.commit(2); // 6
  assert.equal(await isPending(held), true);
  await writerAgain.abort(1); // 7
  assert.equal(`${(await settlesSoon(held, "the consumer")).value?.value}`, "b");
  assert.equal(await nextValue(consumer), "last");
  await consumer.close();
  assert.deepEqual(await valuesOf(reopened.consumer("g", { isolation, follow: false })), ["last"]);
  assert.equal(await lagOf(reopened, "g"), 0);
});

test("a consumer that goes on amid a transaction gets the rest of it only if it was committed", async (t) => {
  const log = await openTestLog(t, "file");
  const topic = await log.topic("t");
  const writer = new TransactionWriter(log, topic);
  await writer.write(1, ["a0", "a1", "a2"]); // 0 to 2
  await writer.write(2, ["b0", "b1", "b2"]); // 3 to 5
  await writer.abort(1);
  await writer.commit(2);
  for (const [offset, rest] of [
    [1, ["b0", "b1", "b2"]],
    [4, ["b1", "b2"]],
  ] as const) {
    const group = `g${offset}`;
    await topic.commit(group, new Map([[0, { offset }]]));
    assert.deepEqual(await valuesOf(topic.consumer(group, { isolation, follow: false })), rest);
    assert.equal(await lagOf(topic, group), 0);
  }
});
