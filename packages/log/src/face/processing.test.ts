// Records in lanes by key, through the public API.
import assert from "node:assert/strict";
import { test } from "node:test";
import { collect, driverNames, openTestLog, settlesSoon, withCode } from "../test-support.js";
import { unapplied } from "./processing.js";
import type { Topic } from "./topic.js";

/** Appends `count` records of each of the keys, in turn: "0", "1", … */
async function appendKeyed(topic: Topic, keys: number, count: number): Promise<void> {
  const receipts: Promise<unknown>[] = [];
  for (let n = 0; n < count; n++)
    for (let key = 0; key < keys; key++) receipts.push(topic.append({ key: `key-${key}`, value: `${n}` }));
  await Promise.all(receipts);
}

const inOrder = (count: number): string[] => Array.from({ length: count }, (_, n) => `${n}`);

test("a key store skips what it has applied already", async (t) => {
  const topic = await (await openTestLog(t, "memory")).topic("a");
  await appendKeyed(topic, 1, 4);
  const records = await collect(topic.read());
  const left = (applied: number | undefined): string[] =>
    unapplied(records, applied).map(({ value }) => `${value}`);
  assert.deepEqual(left(undefined), ["0", "1", "2", "3"]);
  assert.deepEqual(left(1), ["2", "3"]);
  assert.deepEqual(left(3), []);
});

for (const driver of driverNames) {
  test(`${driver}: each key's records come in order, in batches, and never two batches of a key at once`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a", { partitions: 3 });
    await appendKeyed(topic, 20, 50);
    const seen = new Map<string, string[]>();
    const running = new Set<string>();
    let calls = 0;
    let most = 0;
    const consumer = topic.consumer("g", { follow: false });
    await consumer.process({ lanes: 4, batch: 40 }, async (key, records) => {
      const name = `${key}`;
      assert.ok(!running.has(name));
      running.add(name);
      most = Math.max(most, running.size);
      calls++;
      await new Promise(setImmediate);
      const values = seen.get(name) ?? [];
      values.push(...records.map(({ value }) => `${value}`));
      seen.set(name, values);
      running.delete(name);
    });
    assert.equal(seen.size, 20);
    for (const values of seen.values()) assert.deepEqual(values, inOrder(50));
    assert.ok(calls < 1000 && most > 1 && most <= 4, `${calls} calls, ${most} at once`);
    assert.equal((await topic.groups())[0]?.records, 0);
  });

  test(`${driver}: progress stops at the lowest record that is not finished`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    await appendKeyed(topic, 8, 10);
    const consumer = topic.consumer("g", { follow: false });
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let finished = 0;
    const processing = consumer.process({ lanes: 8, batch: 1 }, async (key, [record]) => {
      if (`${key}` === "key-3" && `${record?.value}` === "2") await held;
      finished++;
    });
    while (finished < 20) await new Promise(setImmediate);
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
    const lag = await consumer.lag();
    assert.ok((lag.partitions[0]?.committed ?? 0) <= 2 * 8 + 3, `committed ${lag.partitions[0]?.committed}`);
    release();
    await processing;
    assert.equal((await topic.groups())[0]?.records, 0);
  });

  test(`${driver}: a handler that fails is called again`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    await appendKeyed(topic, 2, 3);
    let failures = 3;
    const seen: string[] = [];
    await topic.consumer("g", { follow: false }).process({ retry: { backoffMs: 1 } }, (key, records) => {
      if (`${key}` === "key-1" && failures-- > 0) throw new Error("not yet");
      seen.push(...records.map(({ value }) => `${key}${value}`));
    });
    assert.deepEqual(seen.sort(), ["key-00", "key-01", "key-02", "key-10", "key-11", "key-12"]);
  });

  test(`${driver}: a handler that goes on failing stops its lane, and what is not finished comes again`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    await appendKeyed(topic, 2, 3);
    const handled: string[] = [];
    const processing = topic
      .consumer("g")
      .process({ lanes: 2, batch: 1, retry: { times: 1, backoffMs: 1 } }, (key, [record]) => {
        if (`${key}` === "key-1" && `${record?.value}` === "1") throw new Error("never");
        handled.push(`${key} ${record?.value}`);
      });
    await assert.rejects(
      settlesSoon(processing, "processing"),
      (error: { code: string; details: object }) => {
        assert.equal(error.code, "HANDLER_FAILED");
        assert.deepEqual(error.details, { partition: 0, offset: 3 });
        return true;
      },
    );
    assert.ok(!handled.includes("key-1 2"), "the lane has stopped");
    const again: string[] = [];
    await topic.consumer("g", { follow: false }).process({}, (key, records) => {
      again.push(...records.map(({ value }) => `${key} ${value}`));
    });
    assert.deepEqual(
      again.filter((name) => name.startsWith("key-1")),
      ["key-1 1", "key-1 2"],
    );
    assert.ok(!again.includes("key-0 0"));
  });

  test(`${driver}: records that nobody can deal with are parked, with their origin and the reason`, async (t) => {
    const log = await openTestLog(t, driver);
    const [topic, dead] = [await log.topic("a"), await log.topic("dead")];
    await topic.append({ key: "k", value: "bad", headers: { own: "kept" } });
    await topic.append({ key: "k", value: "good" });
    const handled: string[] = [];
    await topic
      .consumer("g", { follow: false })
      .process({ batch: 1, retry: { times: 0 }, deadLetter: dead }, (_, [record]) => {
        if (`${record?.value}` === "bad") throw new Error("indigestible");
        handled.push(`${record?.value}`);
      });
    assert.deepEqual(handled, ["good"]);
    const [parked, ...others] = await collect(dead.read());
    assert.deepEqual(others, []);
    assert.equal(`${parked?.key} ${parked?.value}`, "k bad");
    assert.deepEqual(
      parked?.headers.map(([name, value]) => [name, `${value}`]),
      [
        ["own", "kept"],
        ["deadletter.topic", "a"],
        ["deadletter.partition", "0"],
        ["deadletter.offset", "0"],
        ["deadletter.error", "indigestible"],
      ],
    );
    assert.equal((await topic.groups())[0]?.records, 0);
  });

  test(`${driver}: a signal ends processing, when the handlers that run have ended`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    await appendKeyed(topic, 4, 100);
    const abort = new AbortController();
    let running = 0;
    let finished = 0;
    const processing = topic.consumer("g", { signal: abort.signal }).process({ batch: 1 }, async () => {
      running++;
      await new Promise(setImmediate);
      running--;
      if (++finished === 10) abort.abort(new Error("enough"));
    });
    await assert.rejects(settlesSoon(processing, "processing"), /enough/);
    assert.equal(running, 0);
    const [group] = await topic.groups();
    assert.ok((group?.records ?? 0) >= 400 - finished);
  });

  test(`${driver}: closing the consumer waits for the handlers that run, tells them, and keeps what is finished`, async (t) => {
    const log = await openTestLog(t, driver);
    const topic = await log.topic("a");
    await appendKeyed(topic, 4, 20);
    let running = 0;
    let begun = 0;
    let told = 0;
    const consumer = topic.consumer("g");
    const processing = consumer.process({ lanes: 4, batch: 1 }, async (_key, _records, signal) => {
      running++;
      begun++;
      for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
      if (signal.aborted) told++;
      running--;
    });
    while (begun < 20) await new Promise(setImmediate);
    await Promise.all([consumer.close(), consumer.close()]);
    assert.equal(running, 0);
    const before = begun;
    await processing;
    assert.equal(begun, before);
    assert.ok(told > 0);
    const other = topic.consumer("g", { follow: false });
    let again = 0;
    await other.process({}, (_key, records) => {
      again += records.length;
    });
    assert.ok(again >= 80 - begun && again <= 80 - begun + 4 * 4, `${again} again after ${begun}`);
  });

  test(`${driver}: what was finished last is committed though nothing comes after it`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    await appendKeyed(topic, 5, 4);
    const consumer = topic.consumer("g");
    let handled = 0;
    const processing = consumer.process({ lanes: 5, batch: 1 }, () => {
      handled++;
    });
    while (handled < 20) await new Promise(setImmediate);
    while ((await topic.groups())[0]?.records !== 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await consumer.close();
    await processing;
  });

  test(`${driver}: bad options are refused`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    await assert.rejects(
      topic.consumer("g").process({ lanes: 0 }, () => undefined),
      withCode("INVALID_ARGUMENT"),
    );
    await assert.rejects(
      topic.consumer("g").process({ batch: 1.5 }, () => undefined),
      withCode("INVALID_ARGUMENT"),
    );
  });
}
