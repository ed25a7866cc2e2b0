// What goes by itself, and why the rest stays, through the public API.
import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { type TestContext, test } from "node:test";
import { cleanUp, collect, type DriverName, driverNames, ManualClock, openTestLog } from "../test-support.js";
import type { Log } from "./log.js";
import type { StalledGroup } from "./retention.js";
import type { Topic } from "./topic.js";

async function appendMany(topic: Topic, count: number): Promise<void> {
  for (let n = 0; n < count; n++) await topic.append({ value: `${n}` });
}

async function consume(topic: Topic, group: string, count: number): Promise<void> {
  const consumer = topic.consumer(group, { commit: "explicit", follow: false });
  for (let n = 0; n < count; n++) await consumer.next();
  await consumer.commit();
  await consumer.close();
}

/** A log that does nothing by itself, however long the test takes: its clock stands still. */
function openIdle(t: TestContext, driver: DriverName): Promise<Log> {
  return openTestLog(t, driver, { clock: new ManualClock() });
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 5));
}

for (const driver of driverNames) {
  test(`${driver}: what all named groups have dealt with goes, and a dry run says so first`, async (t) => {
    const topic = await (await openIdle(t, driver)).topic("a", { cleanup: "consumed" });
    await appendMany(topic, 10);
    assert.deepEqual(await topic.retain(), [
      { partition: 0, before: 0, records: 0, kept: "no group has consumed anything yet" },
    ]);
    await consume(topic, "fast", 8);
    await consume(topic, "slow", 3);
    const expected = {
      partition: 0,
      before: 3,
      records: 3,
      kept: 'the group "slow" wants the records from 3 on',
      heldBy: { group: "slow", committed: 3 },
    };
    assert.deepEqual(await topic.retain({ dryRun: true }), [expected]);
    assert.equal((await topic.describe()).partitions[0]?.logStartOffset, 0);
    assert.deepEqual(await topic.retain(), [expected]);
    assert.equal((await topic.describe()).partitions[0]?.logStartOffset, 3);
    await topic.deleteGroup("slow");
    assert.equal((await topic.retain())[0]?.heldBy?.group, "fast");
    await consume(topic, "fast", 2);
    assert.equal((await topic.retain())[0]?.kept, "nothing is left");
    assert.deepEqual(await collect(topic.read()), []);
  });

  test(`${driver}: a commit lets the log clean up in the background`, async (t) => {
    const topic = await (await openTestLog(t, driver, { retentionCheckMs: 20 })).topic("a", {
      cleanup: "consumed",
    });
    await appendMany(topic, 10);
    await consume(topic, "g", 10);
    await until(async () => (await topic.describe()).partitions[0]?.logStartOffset === 10);
  });

  test(`${driver}: limits of age and size hold whatever groups have not read`, async (t) => {
    const topic = await (await openIdle(t, driver)).topic("a", { cleanup: "consumed", retentionBytes: 0 });
    await appendMany(topic, 10);
    await consume(topic, "g", 1);
    assert.equal((await topic.retain())[0]?.records, 10);
  });

  test(`${driver}: a group that holds records back for long is reported once, and in the figures`, async (t) => {
    const told: StalledGroup[] = [];
    const listener = (message: unknown): void => void told.push(message as StalledGroup);
    subscribe("strandlog:stalled", listener);
    cleanUp(t, () => void unsubscribe("strandlog:stalled", listener));
    const clock = new ManualClock();
    const log = await openTestLog(t, driver, { clock, retentionCheckMs: 1000, groupStallMs: 60_000 });
    const topic = await log.topic("a", { cleanup: "consumed" });
    await appendMany(topic, 10);
    await consume(topic, "slow", 3);
    const stalledCount = async (): Promise<number> => (await log.stats()).stalled.length;
    /** Lets the log look now and then until so many groups have stalled. */
    const look = (ms: number, count: number): Promise<void> =>
      until(async () => {
        clock.advance(ms);
        return (await stalledCount()) === count;
      });
    for (let n = 0; n < 5; n++) await look(1000, 0);
    assert.equal(told.length, 0);
    for (let n = 0; n < 5; n++) await look(61_000, 1);
    const [stalled] = (await log.stats()).stalled;
    assert.deepEqual([stalled?.topic, stalled?.group, stalled?.records], ["a", "slow", 7]);
    assert.deepEqual(
      told.map(({ group }) => group),
      ["slow"],
    );
    await consume(topic, "slow", 7);
    await look(1000, 0);
  });

  test(`${driver}: clear deletes all records of a topic, or of the log, and offsets go on`, async (t) => {
    const log = await openTestLog(t, driver);
    const [a, b] = [await log.topic("a", { partitions: 2 }), await log.topic("b")];
    await appendMany(a, 4);
    await appendMany(b, 4);
    await b.clear();
    assert.deepEqual(await collect(b.read()), []);
    assert.equal((await collect(a.read())).length, 4);
    await log.clear();
    assert.deepEqual(await collect(a.read()), []);
    assert.equal(b.append({ value: "x" }).offset, 4);
  });
}
