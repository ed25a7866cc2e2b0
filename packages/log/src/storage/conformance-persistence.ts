// Conformance: what outlives the process, for drivers whose manifest says "persistent"; and opening read-only.
import assert from "node:assert/strict";
import {
  append,
  batchesIn,
  config,
  groupOf,
  numbered,
  type OpenedStorage,
  partitionName,
  type Register,
  readAll,
  refuses,
  refusesGroup,
  withPartition,
} from "./conformance-tools.js";
import type { LogStorage } from "./contracts.js";

/** Closes the storage, opens its data again, and closes that in the end. */
async function again(opened: OpenedStorage, action: (storage: LogStorage) => Promise<void>): Promise<void> {
  await opened.storage.close();
  assert.ok(opened.reopen, "a persistent driver can be opened again");
  const storage = await opened.reopen();
  try {
    await action(storage);
  } finally {
    await storage.close();
  }
}

export function testPersistence(test: Register): void {
  test("records, gaps, starts and ends are the same when opened again", async (opened) => {
    const { storage } = opened;
    const ids = [await withPartition(storage, "a"), await withPartition(storage, "b")] as const;
    const empty = await withPartition(storage, "empty");
    await append(storage, ids[0], 0, { values: numbered(0, 10) });
    await append(storage, ids[0], 100, { values: ["after the gap"] });
    await storage.deleteRecords(ids[0], 4);
    await append(storage, ids[1], 0, { values: ["x"] });
    await storage.deleteRecords(ids[1], 1);
    const before = await readAll(storage, ids[0]);
    await again(opened, async (reopened) => {
      assert.deepEqual(await readAll(reopened, ids[0]), before);
      assert.equal((await reopened.describe(ids[0])).logStartOffset, 4);
      assert.deepEqual(await readAll(reopened, ids[1]), []);
      assert.equal((await reopened.describe(ids[1])).logEndOffset, 1);
      assert.equal((await reopened.describe(empty)).logEndOffset, 0);
      await append(reopened, ids[1], 1, { values: ["y"] });
      assert.deepEqual(await readAll(reopened, ids[1]), ["1:y"]);
    });
  });

  test("each opening writes under a higher leader epoch, and tells where each began", async (opened) => {
    const { storage } = opened;
    const id = await withPartition(storage);
    const first = storage.leaderEpoch;
    assert.deepEqual((await storage.describe(id)).leaderEpochs, []);
    await append(storage, id, 0, { values: numbered(0, 3) });
    assert.deepEqual((await storage.describe(id)).leaderEpochs, [[first, 0]]);
    await again(opened, async (reopened) => {
      const second = reopened.leaderEpoch;
      assert.ok(second > first, `${second} after ${first}`);
      assert.deepEqual((await reopened.describe(id)).leaderEpochs, [[first, 0]]);
      await append(reopened, id, 3, { values: numbered(3, 5) });
      assert.deepEqual((await reopened.describe(id)).leaderEpochs, [
        [first, 0],
        [second, 3],
      ]);
    });
  });

  test("metadata and its versions are the same when opened again", async (opened) => {
    const { metadata } = opened.storage;
    await metadata.put("a", "1");
    await metadata.put("a", "2");
    await metadata.put("b", "1");
    await metadata.delete("b");
    await again(opened, async (reopened) => {
      assert.deepEqual(await reopened.metadata.list(""), [{ key: "a", value: "2", version: 2 }]);
      await refuses("VERSION_CONFLICT", () => reopened.metadata.put("a", "3", 1));
    });
  });

  test("deleted partitions stay deleted when opened again", async (opened) => {
    const { storage } = opened;
    const old = partitionName("a", 0, "first");
    const fresh = partitionName("a", 0, "second");
    await storage.createPartitions([old], config);
    await append(storage, old.id, 0, { values: ["old"] });
    await storage.deletePartitions([old.id]);
    await storage.createPartitions([fresh], config);
    await append(storage, fresh.id, 0, { values: ["new"] });
    await again(opened, async (reopened) => {
      await refuses("PARTITION_NOT_FOUND", () => reopened.describe(old.id));
      assert.deepEqual(await readAll(reopened, fresh.id), ["0:new"]);
    });
  });

  test("file ranges, where there are any, cover what reads answer", async (opened) => {
    if (opened.storage.fileRange === undefined) return;
    const id = await withPartition(opened.storage);
    for (let n = 0; n < 50; n += 5) await append(opened.storage, id, n, { values: numbered(n, 5) });
    await opened.storage.deleteRecords(id, 7);
    await again(opened, async (storage) => {
      for (const bytesMax of [1, 1500, 1_000_000]) await checkRanges(storage, id, bytesMax);
      assert.equal(await storage.fileRange?.(id, 50, 1), undefined);
      await refuses("PARTITION_NOT_FOUND", async () => storage.fileRange?.("nowhere/0", 0, 1));
    });
  });

  test("opened read-only, it is read and refuses to change", async ({ storage, openReadOnly }) => {
    if (openReadOnly === undefined) return;
    const id = await withPartition(storage);
    await append(storage, id, 0, { values: ["x"] });
    await storage.metadata.put("k", "v");
    const reader = await openReadOnly();
    try {
      assert.equal(reader.manifest.readOnly, true);
      assert.deepEqual(await readAll(reader, id), ["0:x"]);
      assert.equal((await reader.metadata.get("k"))?.value, "v");
      await refusesGroup("READ_ONLY", reader, groupOf(id, 1, { values: ["y"] }));
      await refuses("READ_ONLY", () => reader.createPartitions([partitionName("b")], config));
      await refuses("READ_ONLY", () => reader.deletePartitions([id]));
      await refuses("READ_ONLY", () => reader.deleteRecords(id, 1));
      await refuses("READ_ONLY", () => reader.metadata.put("k", "w"));
      await refuses("READ_ONLY", () => reader.metadata.delete("k"));
      const watched = reader.watch(id, 1);
      await append(storage, id, 1, { values: ["y"] });
      await watched;
      assert.deepEqual(await readAll(reader, id), ["0:x", "1:y"]);
      await storage.metadata.put("k", "w");
      assert.equal((await reader.metadata.get("k"))?.value, "w");
      await storage.deleteRecords(id, 1);
      assert.equal((await reader.describe(id)).logStartOffset, 1);
    } finally {
      await reader.close();
    }
  });

  test("opened read-only, metadata can be watched", async ({ storage, openReadOnly }) => {
    if (openReadOnly === undefined) return;
    const reader = await openReadOnly();
    try {
      const changed = reader.metadata.watch("k");
      await storage.metadata.put("k", "v");
      await changed;
    } finally {
      await reader.close();
    }
  });
}

/** One range after the other, each beside a read from the same offset. */
async function checkRanges(storage: LogStorage, id: string, bytesMax: number): Promise<void> {
  for (let from = 0; from < 50; ) {
    const range = await storage.fileRange?.(id, from, bytesMax);
    if (range === undefined) return; // It need not be in a file.
    const { startOffset, length, next } = range;
    assert.equal(startOffset, Math.max(from, 7));
    assert.ok(next > startOffset, "reading goes on");
    const { chunks } = await storage.read(id, from, 1_000_000);
    const covered = batchesIn(chunks).filter(({ baseOffset }) => baseOffset < next);
    assert.equal(
      length,
      covered.reduce((sum, { bytes }) => sum + bytes.length, 0),
    );
    assert.ok(length <= bytesMax || covered.length === 1);
    await range.release();
    await range.release();
    from = next;
  }
}
