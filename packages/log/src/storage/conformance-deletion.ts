// Conformance: deleting records and partitions, and retention.
import assert from "node:assert/strict";
import {
  append,
  batchesIn,
  config,
  numbered,
  partitionName,
  type Register,
  readAll,
  refuses,
  withPartition,
} from "./conformance-tools.js";
import type { LogStorage } from "./contracts.js";

/** Deletes what retention would. */
async function retain(
  storage: LogStorage,
  id: string,
  limits: { timestampMin?: number; bytesMax?: number },
): Promise<void> {
  await storage.deleteRecords(id, await storage.retainableFrom(id, limits));
}

export function testDeletion(test: Register): void {
  test("records before an offset are gone, also within a batch", async ({ storage }) => {
    const id = await withPartition(storage);
    await append(storage, id, 0, { values: numbered(0, 5) });
    await append(storage, id, 5, { values: numbered(5, 5) });
    await storage.deleteRecords(id, 7);
    const { logStartOffset, highWatermark, logEndOffset } = await storage.describe(id);
    assert.deepEqual([logStartOffset, highWatermark, logEndOffset], [7, 10, 10]);
    // The batch is whole; where reading begins, the answer says.
    const { chunks, startOffset } = await storage.read(id, 0, 4096);
    assert.equal(startOffset, 7);
    assert.deepEqual(
      batchesIn(chunks).map(({ baseOffset }) => baseOffset),
      [5],
    );
    assert.deepEqual(await readAll(storage, id), ["7:7", "8:8", "9:9"]);
  });

  test("a partition whose records are all deleted goes on where it ended", async ({ storage }) => {
    const id = await withPartition(storage);
    await append(storage, id, 0, { values: numbered(0, 5) });
    await storage.deleteRecords(id, 5);
    assert.deepEqual(await readAll(storage, id), []);
    await append(storage, id, 5, { values: ["5"] });
    assert.deepEqual(await readAll(storage, id), ["5:5"]);
  });

  test("the start never goes back", async ({ storage }) => {
    const id = await withPartition(storage);
    await append(storage, id, 0, { values: numbered(0, 5) });
    await storage.deleteRecords(id, 3);
    await storage.deleteRecords(id, 1);
    await storage.deleteRecords(id, 0);
    assert.equal((await storage.describe(id)).logStartOffset, 3);
  });

  test("records beyond the end cannot be deleted", async ({ storage }) => {
    const id = await withPartition(storage);
    await append(storage, id, 0, { values: ["x"] });
    await refuses("OFFSET_OUT_OF_RANGE", () => storage.deleteRecords(id, 2));
    assert.deepEqual(await readAll(storage, id), ["0:x"]);
  });

  test("records can be deleted up to the middle of a gap", async ({ storage }) => {
    const id = await withPartition(storage);
    await append(storage, id, 0, { values: ["x"] });
    await append(storage, id, 100, { values: ["y"] });
    await storage.deleteRecords(id, 50);
    assert.deepEqual(await readAll(storage, id), ["100:y"]);
    await append(storage, id, 101, { values: ["z"] });
    assert.deepEqual(await readAll(storage, id), ["100:y", "101:z"]);
  });

  test("a time does not lead to a record that was deleted", async ({ storage }) => {
    const id = await withPartition(storage);
    await append(storage, id, 0, { values: numbered(0, 10), timestamp: 1000 });
    await storage.deleteRecords(id, 4);
    assert.deepEqual(await storage.offsetForTimestamp(id, 0), { offset: 4, timestamp: 1004 });
    await storage.deleteRecords(id, 10);
    assert.equal(await storage.offsetForTimestamp(id, 0), undefined);
  });

  test("retention without limits deletes nothing", async ({ storage }) => {
    const id = await withPartition(storage);
    await append(storage, id, 0, { values: ["x"] });
    await retain(storage, id, {});
    assert.deepEqual(await readAll(storage, id), ["0:x"]);
  });

  test("retention by time deletes nothing that is young enough", async ({ storage }) => {
    const id = await withPartition(storage);
    for (let n = 0; n < 10; n++) await append(storage, id, n, { values: [`${n}`], timestamp: n * 1000 });
    await retain(storage, id, { timestampMin: 5000 });
    const kept = await readAll(storage, id);
    assert.deepEqual(kept.slice(-5), ["5:5", "6:6", "7:7", "8:8", "9:9"]);
    await retain(storage, id, { timestampMin: 1_000_000 });
    assert.deepEqual(await readAll(storage, id), []);
    await append(storage, id, 10, { values: ["10"] });
    assert.deepEqual(await readAll(storage, id), ["10:10"]);
  });

  test("retention by size keeps at least what it may", async ({ storage }) => {
    const id = await withPartition(storage);
    for (let n = 0; n < 20; n++) await append(storage, id, n, { values: ["x".repeat(1000)] });
    await retain(storage, id, { bytesMax: 5000 });
    const kept = await readAll(storage, id);
    assert.ok(kept.length >= 4, `${kept.length} records are left`);
    assert.ok(kept.at(-1)?.startsWith("19:"));
    await retain(storage, id, { bytesMax: 0 });
    assert.deepEqual(await readAll(storage, id), []);
  });

  test("deleting what does not exist is no error", async ({ storage }) => {
    await storage.deletePartitions(["nowhere/0"]);
    await storage.deletePartitions([]);
  });

  test("a partition made again under its old name has none of its old records", async ({ storage }) => {
    const old = partitionName("a", 0, "first");
    await storage.createPartitions([old], config);
    await append(storage, old.id, 0, { values: ["old"] });
    await storage.deletePartitions([old.id]);
    const fresh = partitionName("a", 0, "second");
    await storage.createPartitions([fresh], config);
    assert.deepEqual(await readAll(storage, fresh.id), []);
    await append(storage, fresh.id, 0, { values: ["new"] });
    assert.deepEqual(await readAll(storage, fresh.id), ["0:new"]);
    await refuses("PARTITION_NOT_FOUND", () => storage.read(old.id, 0, 1));
  });

  test("partitions deleted at once are all gone", async ({ storage }) => {
    const names = Array.from({ length: 10 }, (_, n) => partitionName("a", n));
    await storage.createPartitions(names, config);
    for (const { id } of names) await append(storage, id, 0, { values: ["x"] });
    await Promise.all(names.map(({ id }) => storage.deletePartitions([id])));
    for (const { id } of names) await refuses("PARTITION_NOT_FOUND", () => storage.describe(id));
  });
}
