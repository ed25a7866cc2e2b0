// Conformance: appending groups, and what readers see of them when.
import assert from "node:assert/strict";
import { RecordBatch } from "../record/index.js";
import {
  append,
  batchesIn,
  type ConformanceOptions,
  config,
  groupOf,
  makeBatch,
  numbered,
  partitionName,
  type Register,
  readAll,
  refuses,
  refusesGroup,
  withPartition,
} from "./conformance-tools.js";
import type { Durability } from "./contracts.js";

const levels: readonly Durability[] = ["memory", "os", "disk"];

export function testAppends(test: Register, manifest: ConformanceOptions["manifest"]): void {
  test("a batch reads back with its bytes, at its offset", async ({ storage }) => {
    const id = await withPartition(storage);
    const sent = new RecordBatch(Buffer.from(makeBatch({ values: ["x", "y"] })));
    await append(storage, id, 0, { values: ["x", "y"] });
    const [found, ...others] = batchesIn((await storage.read(id, 0, 4096)).chunks);
    assert.deepEqual(others, []);
    assert.equal(found?.baseOffset, 0);
    // Offset and leader epoch are the driver's to set; what the checksum covers is the producer's.
    assert.deepEqual(found?.bytes.subarray(16), sent.bytes.subarray(16));
  });

  for (const compression of ["none", "gzip"] as const) {
    test(`batches with compression ${compression} are passed on as they are`, async ({ storage }) => {
      const id = await withPartition(storage);
      const values = numbered(0, 100);
      await append(storage, id, 0, { values, compression });
      const [found] = batchesIn((await storage.read(id, 0, 4096)).chunks);
      assert.equal(found?.compression, compression);
      assert.deepEqual(
        [...(found?.records() ?? [])].map(({ value }) => value?.toString()),
        values,
      );
    });
  }

  for (const visibleAt of levels) {
    for (const durability of levels) {
      test(`a batch visible at ${visibleAt} is there once its group has reached ${durability}`, async ({
        storage,
      }) => {
        const id = await withPartition(storage);
        const bytes = makeBatch({ values: ["x"] });
        // What is visible only on the disk has to be asked for.
        const asked = visibleAt === "disk" ? "disk" : durability;
        const batches = [{ partitionId: id, bytes, baseOffset: 0, visibleAt }];
        const { written, durable } = storage.append({ batches, durability: asked });
        await written;
        if (visibleAt !== "disk") assert.deepEqual(await readAll(storage, id), ["0:x"]);
        await durable;
        assert.deepEqual(await readAll(storage, id), ["0:x"]);
        assert.equal((await storage.describe(id)).highWatermark, 1);
      });
    }
  }

  test("one group holds batches for several partitions, and several for one", async ({ storage }) => {
    const names = [partitionName("a", 0), partitionName("a", 1), partitionName("b", 0)];
    await storage.createPartitions(names, config);
    const batches = names.flatMap(({ id }) =>
      [0, 2].map((baseOffset) => ({
        partitionId: id,
        bytes: makeBatch({ values: numbered(baseOffset, 2) }),
        baseOffset,
        visibleAt: "disk" as const,
      })),
    );
    await storage.append({ batches, durability: "disk" }).durable;
    for (const { id } of names) {
      assert.deepEqual(await readAll(storage, id), ["0:0", "1:1", "2:2", "3:3"]);
    }
  });

  test("groups that are not awaited keep their order", async ({ storage }) => {
    const id = await withPartition(storage);
    const outcomes = Array.from({ length: 50 }, (_, n) =>
      storage.append(groupOf(id, n, { values: [`${n}`] })),
    );
    await outcomes.at(-1)?.durable;
    assert.deepEqual(
      await readAll(storage, id),
      numbered(0, 50).map((n) => `${n}:${n}`),
    );
    await Promise.all(outcomes.flatMap(({ written, durable }) => [written, durable]));
  });

  test("a group without batches is durable when everything before it is", async ({ storage }) => {
    const id = await withPartition(storage);
    let isDurable = false;
    const { durable } = storage.append(groupOf(id, 0, { values: ["x"] }));
    const marked = durable.then(() => {
      isDurable = true;
    });
    await storage.append({ batches: [], durability: "disk", force: true }).durable;
    await marked;
    assert.ok(isDurable);
    assert.deepEqual(await readAll(storage, id), ["0:x"]);
  });

  test("an offset beyond the end leaves a gap", async ({ storage }) => {
    const id = await withPartition(storage);
    await append(storage, id, 0, { values: ["x"] });
    await append(storage, id, 100, { values: ["y", "z"] });
    assert.deepEqual(await readAll(storage, id), ["0:x", "100:y", "101:z"]);
    assert.deepEqual(await readAll(storage, id, 50), ["100:y", "101:z"]);
    const { logStartOffset, highWatermark, logEndOffset } = await storage.describe(id);
    assert.deepEqual([logStartOffset, highWatermark, logEndOffset], [0, 102, 102]);
  });

  test("an offset before the end is refused", async ({ storage }) => {
    const id = await withPartition(storage);
    await append(storage, id, 0, { values: ["x", "y"] });
    await refusesGroup("OFFSET_OUT_OF_RANGE", storage, groupOf(id, 1, { values: ["again"] }));
    await append(storage, id, 2, { values: ["z"] });
    assert.deepEqual(await readAll(storage, id), ["0:x", "1:y", "2:z"]);
  });

  test("a partition that does not exist is refused", async ({ storage }) => {
    await refusesGroup("PARTITION_NOT_FOUND", storage, groupOf("nowhere/0", 0, { values: ["x"] }));
  });

  test("a group comes with its metadata", async ({ storage }) => {
    const id = await withPartition(storage);
    const metadata = [{ key: "k", value: "v" }];
    await storage.append(groupOf(id, 0, { values: ["x"] }, { metadata })).durable;
    assert.deepEqual(await readAll(storage, id), ["0:x"]);
    assert.deepEqual(await storage.metadata.get("k"), { key: "k", value: "v", version: 1 });
  });

  test("a group as large as the manifest allows is taken", async ({ storage }) => {
    const id = await withPartition(storage);
    const overhead = makeBatch({ values: [""] }).length + 16;
    const value = "x".repeat(storage.manifest.groupBytesMax - overhead);
    await append(storage, id, 0, { values: [value] });
    const [found] = batchesIn((await storage.read(id, 0, 1)).chunks);
    assert.equal([...(found?.records() ?? [])][0]?.value?.length, value.length);
  });

  test("a partition that exists keeps its records when it is created again", async ({ storage }) => {
    const id = await withPartition(storage);
    await append(storage, id, 0, { values: ["x"] });
    await storage.createPartitions([partitionName("a")], { ...config, segmentBytes: 2048 });
    await append(storage, id, 1, { values: ["y"] });
    assert.deepEqual(await readAll(storage, id), ["0:x", "1:y"]);
  });

  if (manifest.atomicGroups) {
    test("of a group with one unknown partition, nothing comes", async ({ storage }) => {
      const id = await withPartition(storage);
      const good = groupOf(id, 0, { values: ["x"] }).batches;
      const bad = groupOf("nowhere/0", 0, { values: ["x"] }).batches;
      await refusesGroup("PARTITION_NOT_FOUND", storage, { batches: [...good, ...bad], durability: "disk" });
      assert.deepEqual(await readAll(storage, id), []);
      await append(storage, id, 0, { values: ["y"] });
      assert.deepEqual(await readAll(storage, id), ["0:y"]);
    });

    test("of a group with one offset before the end, nothing comes", async ({ storage }) => {
      const ids = [await withPartition(storage, "a"), await withPartition(storage, "b")] as const;
      await append(storage, ids[1], 0, { values: ["x"] });
      const batches = ids.flatMap((id) => groupOf(id, 0, { values: ["y"] }).batches);
      await refusesGroup("OFFSET_OUT_OF_RANGE", storage, { batches, durability: "disk" });
      await append(storage, ids[0], 0, { values: ["z"] });
      assert.deepEqual(await readAll(storage, ids[0]), ["0:z"]);
      assert.deepEqual(await readAll(storage, ids[1]), ["0:x"]);
    });

    test("of a group whose metadata conflicts, nothing comes", async ({ storage }) => {
      const id = await withPartition(storage);
      await storage.metadata.put("k", "old");
      const metadata = [{ key: "k", value: "new", version: 7 }];
      await refusesGroup("VERSION_CONFLICT", storage, groupOf(id, 0, { values: ["x"] }, { metadata }));
      assert.equal((await storage.metadata.get("k"))?.value, "old");
      await append(storage, id, 0, { values: ["y"] });
      assert.deepEqual(await readAll(storage, id), ["0:y"]);
    });

    test("of two groups that expect the same version, one comes", async ({ storage }) => {
      const id = await withPartition(storage);
      const metadata = [{ key: "k", value: "v", version: 0 }];
      const results = await Promise.allSettled([
        storage.append({ batches: [], metadata, durability: "disk" }).durable,
        storage.append({ batches: [], metadata, durability: "disk" }).durable,
      ]);
      assert.deepEqual(results.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
      assert.equal((await storage.metadata.get("k"))?.version, 1);
      await refuses("VERSION_CONFLICT", () => storage.metadata.put("k", "again", 0));
      await append(storage, id, 0, { values: ["x"] });
    });
  }
}
