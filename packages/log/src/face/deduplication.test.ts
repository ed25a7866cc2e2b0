// Appends under an id, and appends at an offset of the caller's choosing: the same again writes nothing.
import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { test } from "node:test";
import { collect, driverNames, openAt, openTestLog, temporaryDirectory, withCode } from "../test-support.js";
import { idsMax } from "./deduplication.js";
import type { Topic } from "./topic.js";

async function values(topic: Topic): Promise<string[]> {
  return (await collect(topic.read())).map(({ value }) => `${value}`);
}

for (const driver of driverNames) {
  test(`${driver}: a retry under the same id answers the first offset and writes nothing`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a", { partitions: 3 });
    const first = topic.append({ key: "k", value: "x" }, { dedupeId: "1" });
    assert.equal(first.offset, 0);
    const early = topic.append({ key: "k", value: "x" }, { dedupeId: "1" });
    assert.deepEqual([early.partition, early.offset], [first.partition, 0]);
    assert.equal((await first).duplicate, undefined);
    assert.deepEqual([(await early).duplicate, (await early).offset], [true, 0]);
    const late = await topic.append({ key: "k", value: "x" }, { dedupeId: "1" });
    assert.deepEqual(
      [late.partition, late.offset, late.duplicate, late.bytes],
      [first.partition, 0, true, 0],
    );
    const other = await topic.append({ key: "k", value: "y" }, { dedupeId: "1", producer: "other" });
    assert.deepEqual([other.offset, other.duplicate], [1, undefined]);
    assert.deepEqual(await values(topic), ["x", "y"]);
  });

  test(`${driver}: the newest ids of each producer are remembered`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    const append = (id: number): Promise<{ offset: number }> =>
      topic.append({ value: `${id}` }, { dedupeId: `${id}`, producer: "p/1" });
    await Promise.all(Array.from({ length: idsMax }, (_, id) => append(id)));
    await append(idsMax);
    assert.equal((await append(1)).offset, 1);
    assert.equal((await append(0)).offset, idsMax + 1);
  });

  test(`${driver}: an append at an offset: the next, one beyond, the last one again, the past`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    assert.equal((await topic.append({ value: "0" }, { offset: 0 })).offset, 0);
    const gap = topic.append({ value: "10" }, { offset: 10 });
    assert.equal(gap.offset, 10);
    const again = topic.append({ value: "10" }, { offset: 10 });
    assert.equal(again.offset, 10);
    assert.equal((await gap).duplicate, undefined);
    assert.deepEqual([(await again).duplicate, (await again).bytes], [true, 0]);
    await assert.rejects(
      topic.append({ value: "5" }, { offset: 5 }),
      (error: { code: string; details: object }) => {
        assert.equal(error.code, "OFFSET_OUT_OF_RANGE");
        assert.deepEqual(error.details, { offset: 5, end: 11 });
        return true;
      },
    );
    assert.equal((await topic.append({ value: "11" })).offset, 11);
    assert.deepEqual(await values(topic), ["0", "10", "11"]);
    assert.deepEqual(await topic.partition(0).get(3), { next: 10 });
    await topic.partition(0).deleteRecords("latest");
    assert.equal((await topic.append({ value: "11" }, { offset: 11 })).duplicate, true);
    assert.equal((await topic.append({ value: "12" }, { offset: 12 })).offset, 12);
  });

  test(`${driver}: ids and offsets that make no sense are refused`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a", { partitions: 2 });
    const refused = [
      { dedupeId: "" },
      { dedupeId: 7 as unknown as string },
      { producer: "p" },
      { offset: -1 },
      { offset: 1.5 },
      { offset: 0 },
    ];
    for (const options of refused)
      await assert.rejects(topic.append({ value: "x" }, options), withCode("INVALID_ARGUMENT"));
    await assert.rejects(
      topic.append({ value: "x", partition: 0 }, { offset: 0, dedupeId: "1" }),
      withCode("INVALID_ARGUMENT"),
    );
    assert.equal((await topic.append({ value: "x", partition: 1 }, { offset: 4 })).offset, 4);
  });
}

test("many ids in flight at once fit the journal, and a long one is refused", async (t) => {
  const log = await openTestLog(t, "file", { journalBytesMax: 1024 * 1024 });
  const topic = await log.topic("a");
  const receipts = Array.from({ length: 6000 }, (_, n) =>
    topic.append({ value: "x" }, { dedupeId: `id-${n}` }),
  );
  await Promise.all(receipts);
  await assert.rejects(
    topic.append({ value: "x" }, { dedupeId: "i".repeat(300) }),
    withCode("INVALID_ARGUMENT"),
  );
  assert.equal((await topic.append({ value: "x" })).offset, 6000);
});

test("a retry goes on where the first try gave up waiting", async (t) => {
  const log = await openTestLog(t, "file", { tailBytesMax: 256 * 1024 });
  const topic = await log.topic("a");
  const filling = Array.from({ length: 30 }, () => topic.append({ value: "x".repeat(20_000) }));
  const abort = new AbortController();
  const first = topic.append({ value: "once" }, { dedupeId: "id", signal: abort.signal });
  const second = topic.append({ value: "once" }, { dedupeId: "id" });
  abort.abort(new Error("first gives up"));
  await assert.rejects(first, /gives up/);
  assert.equal((await second).duplicate, undefined);
  await Promise.all(filling);
});

test("the same offset again is a duplicate only where there is a record, and as durable as asked for", async (t) => {
  const log = await openTestLog(t, "file");
  const [topic, gone] = [await log.topic("a", { durability: "os" }), await log.topic("gone")];
  const refused = log.transaction((tx) => {
    tx.append(topic, { value: "lost" });
    tx.append(gone, { value: "lost" });
  });
  const outcome = refused.then(
    () => true,
    () => false,
  );
  await log.deleteTopic("gone");
  if (!(await outcome)) {
    const { logEndOffset } = await topic.partition(0).describe();
    const { duplicate } = await topic.append({ value: "kept" }, { offset: Math.max(logEndOffset, 1) });
    assert.equal(duplicate, undefined);
  }
  const { offset } = await topic.append({ value: "os" });
  const { syncs } = (await log.stats()).storage;
  const again = await topic.append({ value: "os" }, { offset, durability: "disk" });
  assert.deepEqual([again.duplicate, again.durability], [true, "disk"]);
  assert.ok((await log.stats()).storage.syncs > syncs);
});

for (const ending of ["close", "crash"]) {
  test(`ids are remembered over a ${ending}, and forgotten with their topic`, async (t) => {
    const directory = temporaryDirectory(t);
    const log = await openAt(t, directory);
    const topic = await log.topic("a");
    await topic.append({ value: "0" });
    await topic.append({ value: "1" }, { dedupeId: "one" });
    const copy = `${temporaryDirectory(t)}/copy`;
    if (ending === "close") await log.close();
    else cpSync(directory, copy, { recursive: true, filter: (path) => !path.includes("/lock-") });
    const again = await openAt(t, ending === "close" ? directory : copy);
    const reopened = await again.topic("a");
    assert.equal((await reopened.append({ value: "1" }, { dedupeId: "one" })).offset, 1);
    assert.deepEqual(await values(reopened), ["0", "1"]);
    await again.deleteTopic("a");
    const fresh = await again.topic("a");
    assert.equal((await fresh.append({ value: "1" }, { dedupeId: "one" })).duplicate, undefined);
  });
}
