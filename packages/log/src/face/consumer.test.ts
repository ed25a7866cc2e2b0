// Consumers of named groups, through the public API.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { LogRecord } from "../record/index.js";
import {
  cleanUp,
  driverNames,
  openAt,
  openTestLog,
  settlesSoon,
  temporaryDirectory,
  withCode,
} from "../test-support.js";
import type { Consumer } from "./consumer.js";
import type { ConsumerOptions } from "./consumer-options.js";
import type { Topic } from "./topic.js";

async function appendEach(topic: Topic, values: readonly string[], partition = 0): Promise<void> {
  await Promise.all(values.map((value) => topic.append({ value, partition })));
}

function consumerOf(t: TestContext, topic: Topic, group: string, options?: ConsumerOptions): Consumer {
  const consumer = topic.consumer(group, options);
  cleanUp(t, () => consumer.close());
  return consumer;
}

async function take(consumer: Consumer, count: number): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  while (records.length < count) {
    const { value } = await settlesSoon(consumer.next(), "the next record");
    if (value === undefined) break;
    records.push(value);
  }
  return records;
}

const valuesOf = (records: readonly LogRecord[]): string[] => records.map(({ value }) => `${value}`);

/** All that a group gets now; what it got counts as dealt with. */
async function rest(topic: Topic, group: string, options: ConsumerOptions = {}): Promise<string[]> {
  const values: string[] = [];
  const consumer = topic.consumer(group, { follow: false, ...options });
  for await (const { value } of consumer) values.push(`${value}`);
  await consumer.close();
  return values;
}

for (const driver of driverNames) {
  test(`${driver}: a group goes on where it stopped`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a", { partitions: 2 });
    await appendEach(topic, ["0", "1", "2"]);
    await appendEach(topic, ["x", "y"], 1);
    const all = await rest(topic, "g");
    assert.deepEqual(
      all.filter((value) => value < "a"),
      ["0", "1", "2"],
    );
    assert.deepEqual(
      all.filter((value) => value > "a"),
      ["x", "y"],
    );
    assert.deepEqual(await rest(topic, "g"), []);
    await appendEach(topic, ["3"]);
    assert.deepEqual(await rest(topic, "g"), ["3"]);
    assert.equal((await rest(topic, "another")).length, 6);
  });

  test(`${driver}: what was in hand when a loop was left is given out again`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    await appendEach(topic, ["0", "1", "2", "3"]);
    for await (const { value } of topic.consumer("g")) if (`${value}` === "2") break;
    assert.deepEqual(await rest(topic, "g"), ["2", "3"]);
  });

  test(`${driver}: explicit commits count, and nothing else does`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    await appendEach(topic, ["0", "1", "2", "3"]);
    const consumer = consumerOf(t, topic, "g", { commit: "explicit" });
    const [, second] = await take(consumer, 3);
    await consumer.commit(second);
    await consumer.close();
    assert.deepEqual(await rest(topic, "g", { commit: "explicit" }), ["2", "3"]);
    const again = consumerOf(t, topic, "g", { commit: "explicit" });
    await take(again, 1);
    await again.commit();
    await again.close();
    assert.deepEqual(await rest(topic, "g", { commit: "explicit" }), ["3"]);
  });

  test(`${driver}: a consumer follows, over partitions that are added too`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    const consumer = consumerOf(t, topic, "g");
    const first = take(consumer, 1);
    await appendEach(topic, ["0"]);
    assert.deepEqual(valuesOf(await first), ["0"]);
    const second = take(consumer, 2);
    await new Promise(setImmediate);
    await topic.alter({ partitions: 2 });
    await appendEach(topic, ["1"], 1);
    await appendEach(topic, ["2"], 0);
    assert.deepEqual(valuesOf(await second).sort(), ["1", "2"]);
    assert.deepEqual(consumer.partitions, [0, 1]);
  });

  test(`${driver}: a new group begins where it is told to, and only then`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    await appendEach(topic, ["0", "1"]);
    const consumer = consumerOf(t, topic, "g", { from: "latest" });
    const next = take(consumer, 1);
    await new Promise(setImmediate);
    while ((await topic.groups()).length === 0) await new Promise(setImmediate);
    await appendEach(topic, ["2"]);
    assert.deepEqual(valuesOf(await next), ["2"]);
    await consumer.close();
    assert.deepEqual(await rest(topic, "g", { from: "latest" }), ["2"]);
  });

  test(`${driver}: consumers of one group share the partitions, and hand them over`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a", { partitions: 4 });
    const first = consumerOf(t, topic, "g");
    for (let partition = 0; partition < 4; partition++) await appendEach(topic, ["a", "b"], partition);
    await take(first, 3);
    assert.deepEqual(first.partitions, [0, 1, 2, 3]);
    const second = consumerOf(t, topic, "g");
    const seconds = take(second, 4);
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate); // By then it has joined.
    // It is the first one's turn: only it can let go of what it has.
    const firsts = await take(first, 1);
    assert.equal(first.partitions.length, 2);
    firsts.push(...(await seconds));
    assert.deepEqual(second.partitions, [2, 3]);
    assert.deepEqual(firsts.map(({ partition, value }) => `${partition}${value}`).sort(), [
      "1b",
      "2a",
      "2b",
      "3a",
      "3b",
    ]);
    await second.commit();
    await second.close();
    for (let partition = 0; partition < 4; partition++) await appendEach(topic, ["c"], partition);
    const left = await take(first, 4);
    assert.deepEqual(left.map(({ partition, value }) => `${partition}${value}`).sort(), [
      "0c",
      "1c",
      "2c",
      "3c",
    ]);
  });

  test(`${driver}: seek goes elsewhere, pause holds back, resume lets go`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a", { partitions: 2 });
    await appendEach(topic, ["0", "1", "2"]);
    await appendEach(topic, ["x", "y"], 1);
    const consumer = consumerOf(t, topic, "g");
    await consumer.seek(0, 2);
    consumer.pause([1]);
    assert.deepEqual(valuesOf(await take(consumer, 1)), ["2"]);
    const next = take(consumer, 1);
    await new Promise(setImmediate);
    consumer.resume();
    assert.deepEqual(valuesOf(await next), ["x"]);
    await consumer.seek(0, "earliest");
    assert.deepEqual(valuesOf(await take(consumer, 4)).sort(), ["0", "1", "2", "y"]);
    await assert.rejects(consumer.seek(7, 0), withCode("PARTITION_NOT_FOUND"));
  });

  test(`${driver}: lag tells records, bytes and age`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a", { partitions: 2 });
    await topic.append({ value: "old", partition: 1, timestamp: Date.now() - 60_000 });
    await appendEach(topic, ["0", "1", "2"]);
    const consumer = consumerOf(t, topic, "g");
    const before = await consumer.lag();
    assert.equal(before.records, 4);
    assert.ok(before.bytes > 100 && before.ms >= 60_000 && before.ms < 120_000);
    await take(consumer, 4);
    await consumer.commit();
    assert.deepEqual(await consumer.lag().then(({ records, bytes, ms }) => [records, bytes, ms]), [0, 0, 0]);
    const [group] = await topic.groups();
    assert.equal(group?.group, "g");
    assert.deepEqual(
      group?.partitions.map(({ committed, end }) => [committed, end]),
      [
        [3, 3],
        [1, 1],
      ],
    );
  });

  test(`${driver}: records that were deleted are passed over`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    await appendEach(topic, ["0", "1", "2"]);
    const consumer = consumerOf(t, topic, "g");
    await take(consumer, 1);
    await topic.partition(0).deleteRecords("latest");
    await appendEach(topic, ["3"]);
    await consumer.seek(0, 1);
    assert.deepEqual(valuesOf(await take(consumer, 1)), ["3"]);
  });

  test(`${driver}: a group that is deleted holds nothing and begins anew`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    await appendEach(topic, ["0"]);
    const consumer = consumerOf(t, topic, "g");
    await take(consumer, 1);
    await assert.rejects(topic.deleteGroup("g"), withCode("INVALID_ARGUMENT"));
    await consumer.commit();
    await consumer.close();
    await topic.deleteGroup("g");
    assert.deepEqual(await topic.groups(), []);
    assert.deepEqual(await rest(topic, "g"), ["0"]);
  });

  test(`${driver}: progress in a transaction counts with it or not at all`, async (t) => {
    const log = await openTestLog(t, driver);
    const [source, target] = [await log.topic("source"), await log.topic("target")];
    await appendEach(source, ["0", "1", "2"]);
    const consumer = consumerOf(t, source, "g", { commit: "explicit" });
    const [first] = await take(consumer, 2);
    await assert.rejects(
      log.transaction((tx) => {
        tx.append(target, { value: "lost" });
        tx.commit(consumer);
        throw new Error("no");
      }),
    );
    await log.transaction((tx) => {
      tx.append(target, { value: "copied" });
      tx.commit(consumer, first);
    });
    assert.equal((await consumer.lag()).records, 2);
    await log.transaction((tx) => tx.commit(consumer));
    await consumer.close();
    assert.deepEqual(await rest(source, "g"), ["2"]);
    assert.deepEqual(await rest(target, "g"), ["copied"]);
  });

  test(`${driver}: a signal, a deletion and a close end the waiting`, async (t) => {
    const log = await openTestLog(t, driver);
    const abort = new AbortController();
    const signalled = consumerOf(t, await log.topic("a"), "g", { signal: abort.signal });
    const deleted = consumerOf(t, await log.topic("b"), "g");
    const closed = consumerOf(t, await log.topic("c"), "g");
    const waits = [signalled, deleted, closed].map((consumer) => consumer.next());
    for (const wait of waits) wait.catch(() => undefined);
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    abort.abort(new Error("enough"));
    await assert.rejects(settlesSoon(waits[0] as Promise<unknown>, "the signal"), /enough/);
    await log.deleteTopic("b");
    await assert.rejects(
      settlesSoon(waits[1] as Promise<unknown>, "the deletion"),
      withCode("TOPIC_NOT_FOUND"),
    );
    await closed.close();
    assert.deepEqual(await settlesSoon(waits[2] as Promise<unknown>, "close"), {
      done: true,
      value: undefined,
    });
  });
}

test("options of a consumer that are misspelt or cannot be are refused, not taken for auto commit", async (t) => {
  const topic = await (await openTestLog(t, "memory")).topic("a");
  const wrong = [
    [{ commit: "manual" }, /^commit must be auto or explicit, not "manual"$/],
    [{ comit: "explicit" }, /^unknown option "comit"; known are commit, follow, from, isolation, signal$/],
    [{ from: "beginning" }, /^beginning is not a position/],
    [{ isolation: "READ_COMMITTED" }, /^"READ_COMMITTED" is not an isolation/],
  ] as const;
  for (const [options, message] of wrong) {
    const refusal = { code: "INVALID_ARGUMENT", message };
    assert.throws(() => topic.consumer("billing", options as unknown as ConsumerOptions), refusal);
  }
});

test("committed offsets outlive a restart, and go with their topic", async (t) => {
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory);
  const topic = await log.topic("a");
  await appendEach(topic, ["0", "1", "2"]);
  const consumer = topic.consumer("a group/with: signs");
  await take(consumer, 3);
  await log.close();
  const again = await openAt(t, directory);
  const found = await again.topic("a");
  assert.deepEqual(await rest(found, "a group/with: signs"), ["2"]);
  await again.deleteTopic("a");
  assert.deepEqual(await (await again.topic("a")).groups(), []);
});

test("a read-only log has no consumers, and a group needs a name", async (t) => {
  const directory = temporaryDirectory(t);
  const topic = await (await openAt(t, directory)).topic("a");
  assert.throws(() => topic.consumer(""), withCode("INVALID_ARGUMENT"));
  const beside = await openAt(t, directory, { readOnly: true });
  const consumer = (await beside.existingTopic("a")).consumer("g");
  await assert.rejects(consumer.next(), withCode("READ_ONLY"));
});

for (const driver of driverNames) {
  test(`${driver}: nothing is missed by readers that catch up while others append`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a", { durability: "os" });
    for (let n = 0; n < 200; n++) await topic.append({ value: `${n}` });
    const readers = {
      consumer: topic.consumer("g"),
      follower: topic.read({ follow: true }),
    };
    for (const [name, reader] of Object.entries(readers)) {
      const end = (await topic.partition(0).describe()).logEndOffset + 300;
      let expected = 0;
      for await (const { offset } of reader) {
        assert.equal(offset, expected++, name);
        if (offset + 1 === end) break;
        const next = topic.partition(0);
        if ((await next.describe()).logEndOffset < end) await Promise.all([topic.append({ value: "m" })]);
      }
    }
  });

  test(`${driver}: every partition has a reader once two consumers have settled`, async (t) => {
    for (const pauseTurns of [0, 1, 2, 5, 50]) {
      const log = await openTestLog(t, driver);
      const topic = await log.topic("a", { partitions: 2 });
      const seen = new Set<string>();
      const read = async (): Promise<void> => {
        for await (const { value } of topic.consumer("g")) seen.add(`${value}`);
      };
      const loops = [read()];
      for (let turn = 0; turn < pauseTurns; turn++) await new Promise(setImmediate);
      loops.push(read());
      for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate);
      await Promise.all([0, 1].map((partition) => topic.append({ value: `${partition}`, partition })));
      while (seen.size < 2) await new Promise(setImmediate);
      await log.close();
      await Promise.all(loops);
    }
  });

  test(`${driver}: a partition that is added between two records is noticed`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    await appendEach(topic, ["0"]);
    const consumer = consumerOf(t, topic, "g");
    await take(consumer, 1);
    await topic.alter({ partitions: 2 });
    await appendEach(topic, ["1"], 1);
    assert.deepEqual(valuesOf(await take(consumer, 1)), ["1"]);
  });

  test(`${driver}: a consumer that is closed, or has not the partition, commits nothing`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    await appendEach(topic, ["0", "1"]);
    const consumer = topic.consumer("g", { commit: "explicit" });
    await take(consumer, 2);
    await assert.rejects(consumer.commit({ partition: 3, offset: 0 }), withCode("PARTITION_NOT_FOUND"));
    await consumer.commit({ partition: 0, offset: 0 });
    await consumer.close();
    await assert.rejects(consumer.commit({ partition: 0, offset: 1 }), withCode("CLOSED"));
    assert.equal((await topic.groups())[0]?.partitions[0]?.committed, 1);
  });

  test(`${driver}: explicit commits may follow the loop`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    await appendEach(topic, ["0", "1", "2"]);
    const consumer = consumerOf(t, topic, "g", { commit: "explicit", follow: false });
    for await (const { value } of consumer) if (`${value}` === "1") break;
    await consumer.commit();
    for await (const { value } of consumer) assert.equal(`${value}`, "2");
    await consumer.commit();
    await consumer.close();
    assert.deepEqual(await rest(topic, "g"), []);
  });

  test(`${driver}: records asked for at once come one after the other`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    await appendEach(topic, ["0", "1", "2", "3"]);
    const consumer = consumerOf(t, topic, "g");
    const results = await Promise.all([consumer.next(), consumer.next(), consumer.next(), consumer.next()]);
    assert.deepEqual(
      results.map(({ value }) => `${value?.value}`),
      ["0", "1", "2", "3"],
    );
  });
}
