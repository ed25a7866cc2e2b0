// Committing on a group's behalf without being one of its consumers.
import assert from "node:assert/strict";
import { test } from "node:test";
import { collect, driverNames, openAt, openTestLog, temporaryDirectory, withCode } from "../test-support.js";

for (const driver of driverNames) {
  test(`${driver}: what is committed for a group is where its consumers go on`, async (t) => {
    const log = await openTestLog(t, driver);
    const topic = await log.topic("orders", { partitions: 2 });
    for (const value of ["a", "b", "c"]) await topic.append({ value, partition: 1 });
    await topic.commit("billing", new Map([[1, { offset: 2, metadata: "by hand", leaderEpoch: 4 }]]));
    const { at, ...place } = (await topic.committed("billing")).get(1) ?? { at: 0 };
    assert.deepEqual(place, { offset: 2, metadata: "by hand", leaderEpoch: 4 });
    assert.ok(at > 0);
    const consumer = topic.consumer("billing", { follow: false });
    assert.deepEqual(
      (await collect(consumer)).map(({ value }) => value?.toString()),
      ["c"],
    );
    assert.equal((await topic.committed("billing")).get(1)?.offset, 3);
  });

  test(`${driver}: groups are told apart, listed over all topics, and forget what they are told to`, async (t) => {
    const log = await openTestLog(t, driver);
    const [orders, audit] = [await log.topic("orders", { partitions: 2 }), await log.topic("audit")];
    assert.deepEqual(await log.groups(), []);
    const places = new Map([
      [0, { offset: 5 }],
      [1, { offset: 6 }],
    ]);
    await orders.commit("a/b %", places);
    await audit.commit("a/b %", new Map([[0, { offset: 7 }]]));
    await audit.commit("a", new Map([[0, { offset: 8 }]]));
    assert.deepEqual(await log.groups(), ["a", "a/b %"]);
    assert.deepEqual([...(await orders.committed("a/b %")).keys()], [0, 1]);
    assert.equal((await audit.committed("a")).get(0)?.offset, 8);
    assert.equal((await orders.committed("a")).size, 0);
    await orders.commit("a/b %", new Map([[0, undefined]]));
    assert.deepEqual([...(await orders.committed("a/b %")).keys()], [1]);
    await audit.deleteGroup("a");
    assert.deepEqual(await log.groups(), ["a/b %"]);
  });

  test(`${driver}: nothing is committed of what cannot all be`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("orders");
    const both = (other: number, offset: number) =>
      new Map([
        [0, { offset: 1 }],
        [other, { offset }],
      ]);
    await assert.rejects(topic.commit("billing", both(1, 1)), withCode("PARTITION_NOT_FOUND"));
    await assert.rejects(topic.commit("billing", both(0, -1)), withCode("INVALID_ARGUMENT"));
    await assert.rejects(topic.commit("", both(0, 1)), withCode("INVALID_ARGUMENT"));
    for (const odd of [{ metadata: 5 }, { leaderEpoch: -1 }, { leaderEpoch: 0.5 }]) {
      const place = { offset: 1, ...odd } as never;
      await assert.rejects(topic.commit("billing", new Map([[0, place]])), withCode("INVALID_ARGUMENT"));
    }
    assert.equal((await topic.committed("billing")).size, 0);
  });
}

test("what was committed with a note is there after the log was opened again", async (t) => {
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory);
  await (await log.topic("orders")).commit("billing", new Map([[0, { offset: 2, metadata: "note" }]]));
  await log.close();
  const again = await openAt(t, directory);
  assert.equal((await (await again.topic("orders")).committed("billing")).get(0)?.metadata, "note");
});
