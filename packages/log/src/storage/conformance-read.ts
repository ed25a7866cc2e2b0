// Conformance: reading by offset and by time, and watching for more.
import assert from "node:assert/strict";
import {
  append,
  batchesIn,
  isPending,
  numbered,
  partitionName,
  type Register,
  readAll,
  refuses,
  withPartition,
} from "./conformance-tools.js";

export function testReads(test: Register): void {
  test("a new partition is empty", async ({ storage }) => {
    const id = await withPartition(storage);
    const { logStartOffset, highWatermark, logEndOffset } = await storage.describe(id);
    assert.deepEqual([logStartOffset, highWatermark, logEndOffset], [0, 0, 0]);
    assert.deepEqual(await storage.read(id, 0, 4096), {
      chunks: [],
      startOffset: 0,
      logStartOffset: 0,
      highWatermark: 0,
    });
    assert.equal(await storage.offsetForTimestamp(id, 0), undefined);
  });

  test("an offset in the middle of a batch reads the whole batch", async ({ storage }) => {
    const id = await withPartition(storage);
    await append(storage, id, 0, { values: numbered(0, 10) });
    const { chunks, startOffset } = await storage.read(id, 7, 4096);
    assert.equal(startOffset, 7);
    assert.deepEqual(
      batchesIn(chunks).map(({ baseOffset, nextOffset }) => [baseOffset, nextOffset]),
      [[0, 10]],
    );
  });

  test("at the end and beyond it there is nothing to read", async ({ storage }) => {
    const id = await withPartition(storage);
    await append(storage, id, 0, { values: ["x"] });
    for (const from of [1, 2, 1_000_000]) {
      const { chunks, startOffset, highWatermark } = await storage.read(id, from, 4096);
      assert.deepEqual([chunks, startOffset, highWatermark], [[], from, 1]);
    }
  });

  test("a read answers about as much as asked for, and one batch at least", async ({ storage }) => {
    const id = await withPartition(storage);
    for (let n = 0; n < 20; n++) await append(storage, id, n, { values: ["x".repeat(1000)] });
    assert.equal(batchesIn((await storage.read(id, 0, 1)).chunks).length, 1);
    assert.equal(batchesIn((await storage.read(id, 0, 5500)).chunks).length, 5);
    assert.equal(batchesIn((await storage.read(id, 0, 1_000_000)).chunks).length, 20);
  });

  test("a partition that does not exist cannot be read", async ({ storage }) => {
    await refuses("PARTITION_NOT_FOUND", () => storage.read("nowhere/0", 0, 1));
    await refuses("PARTITION_NOT_FOUND", () => storage.describe("nowhere/0"));
    await refuses("PARTITION_NOT_FOUND", () => storage.offsetForTimestamp("nowhere/0", 0));
    await refuses("PARTITION_NOT_FOUND", () => storage.deleteRecords("nowhere/0", 1));
    await refuses("PARTITION_NOT_FOUND", () => storage.retainableFrom("nowhere/0", {}));
  });

  test("a time leads to the first record at or after it", async ({ storage }) => {
    const id = await withPartition(storage);
    await append(storage, id, 0, { values: numbered(0, 10), timestamp: 1000 });
    await append(storage, id, 10, { values: ["late"], timestamp: 5000 });
    await append(storage, id, 11, { values: ["early"], timestamp: 500 });
    const cases = [
      [0, { offset: 0, timestamp: 1000 }],
      [1004, { offset: 4, timestamp: 1004 }],
      [1010, { offset: 10, timestamp: 5000 }],
      [5000, { offset: 10, timestamp: 5000 }],
      [5001, undefined],
    ] as const;
    for (const [timestamp, expected] of cases) {
      assert.deepEqual(await storage.offsetForTimestamp(id, timestamp), expected, `time ${timestamp}`);
    }
  });

  test("many reads at once answer the same", async ({ storage }) => {
    const id = await withPartition(storage);
    for (let n = 0; n < 100; n += 10) await append(storage, id, n, { values: numbered(n, 10) });
    const all = await Promise.all(Array.from({ length: 20 }, () => readAll(storage, id)));
    for (const found of all) {
      assert.deepEqual(
        found,
        numbered(0, 100).map((n) => `${n}:${n}`),
      );
    }
  });

  test("watching settles at once when there is more already", async ({ storage }) => {
    const id = await withPartition(storage);
    await append(storage, id, 0, { values: ["x", "y"] });
    await storage.watch(id, 0);
    await storage.watch(id, 1);
  });

  test("watching settles when the record is visible, and not before", async ({ storage }) => {
    const id = await withPartition(storage);
    const first = storage.watch(id, 0);
    const second = storage.watch(id, 1);
    assert.ok(await isPending(first));
    await append(storage, id, 0, { values: ["x"] });
    await first;
    assert.ok(await isPending(second));
    await append(storage, id, 1, { values: ["y"] });
    await second;
    assert.deepEqual(await readAll(storage, id), ["0:x", "1:y"]);
  });

  test("watching ends with its signal", async ({ storage }) => {
    const id = await withPartition(storage);
    const reason = new Error("enough");
    await assert.rejects(storage.watch(id, 0, AbortSignal.abort(reason)), reason);
    const stop = new AbortController();
    const stopped = storage.watch(id, 0, stop.signal);
    const other = storage.watch(id, 0);
    stop.abort(reason);
    await assert.rejects(stopped, reason);
    assert.ok(await isPending(other));
    await append(storage, id, 0, { values: ["x"] });
    await other;
  });

  test("watching settles when the partition is deleted, or was", async ({ storage }) => {
    const id = await withPartition(storage);
    const watched = storage.watch(id, 0);
    assert.ok(await isPending(watched));
    await storage.deletePartitions([id]);
    await watched;
    await storage.watch(id, 0);
    await refuses("PARTITION_NOT_FOUND", () => storage.read(id, 0, 1));
  });

  test("partitions do not see each other's records", async ({ storage }) => {
    const [a, b] = [await withPartition(storage, "a"), await withPartition(storage, "b")];
    await append(storage, a, 0, { values: ["x"] });
    assert.deepEqual(await readAll(storage, b), []);
    assert.equal(partitionName("b").id, b);
  });
}
