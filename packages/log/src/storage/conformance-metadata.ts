// Conformance: the metadata store.
import assert from "node:assert/strict";
import { type ConformanceOptions, isPending, type Register, refuses } from "./conformance-tools.js";

export function testMetadata(test: Register, manifest: ConformanceOptions["manifest"]): void {
  test("a key has no value until it is put", async ({ storage: { metadata } }) => {
    assert.equal(await metadata.get("k"), undefined);
    assert.deepEqual(await metadata.list(""), []);
    assert.equal(await metadata.put("k", "v"), 1);
    assert.deepEqual(await metadata.get("k"), { key: "k", value: "v", version: 1 });
  });

  test("each change makes the version one higher", async ({ storage: { metadata } }) => {
    assert.equal(await metadata.put("k", "1"), 1);
    assert.equal(await metadata.put("k", "2"), 2);
    assert.equal(await metadata.put("k", "3", 2), 3);
    assert.deepEqual(await metadata.get("k"), { key: "k", value: "3", version: 3 });
  });

  test("a put or delete that expects another version is refused", async ({ storage: { metadata } }) => {
    await refuses("VERSION_CONFLICT", () => metadata.put("k", "v", 1));
    await metadata.put("k", "v", 0);
    await refuses("VERSION_CONFLICT", () => metadata.put("k", "w", 0));
    await refuses("VERSION_CONFLICT", () => metadata.put("k", "w", 2));
    await refuses("VERSION_CONFLICT", () => metadata.delete("k", 2));
    assert.deepEqual(await metadata.get("k"), { key: "k", value: "v", version: 1 });
  });

  test("a deleted key is gone and may be put again", async ({ storage: { metadata } }) => {
    await metadata.put("k", "v");
    await metadata.delete("k", 1);
    assert.equal(await metadata.get("k"), undefined);
    await metadata.delete("k");
    await metadata.put("k", "w", 0);
    assert.equal((await metadata.get("k"))?.value, "w");
  });

  test("of several puts at once that expect the same version, one succeeds", async ({
    storage: { metadata },
  }) => {
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, (_, n) => metadata.put("k", `${n}`, 0)),
    );
    assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
    assert.equal((await metadata.get("k"))?.version, 1);
  });

  test("keys are listed by prefix, in order", async ({ storage: { metadata } }) => {
    for (const key of ["b/2", "a/1", "b/10", "b/1", "c"]) await metadata.put(key, `value of ${key}`);
    const keysOf = async (prefix: string): Promise<string[]> =>
      (await metadata.list(prefix)).map(({ key }) => key);
    assert.deepEqual(await keysOf("b/"), ["b/1", "b/10", "b/2"]);
    assert.deepEqual(await keysOf(""), ["a/1", "b/1", "b/10", "b/2", "c"]);
    assert.deepEqual(await keysOf("d"), []);
    assert.equal((await metadata.list("c"))[0]?.value, "value of c");
  });

  test("values keep every character", async ({ storage: { metadata } }) => {
    const value = 'ключ "quoted" \\ \n \u0000 😀';
    await metadata.put("ключ/😀", value);
    assert.equal((await metadata.get("ключ/😀"))?.value, value);
  });

  test("watching settles at the next change below the prefix", async ({ storage: { metadata } }) => {
    await metadata.put("a/1", "old");
    const watched = metadata.watch("a/");
    assert.ok(await isPending(watched));
    await metadata.put("b/1", "elsewhere");
    assert.ok(await isPending(watched));
    await metadata.put("a/1", "new");
    await watched;
    const deleted = metadata.watch("a/");
    await metadata.delete("a/1");
    await deleted;
  });

  test("watching metadata ends with its signal", async ({ storage: { metadata } }) => {
    const reason = new Error("enough");
    await assert.rejects(metadata.watch("a/", AbortSignal.abort(reason)), reason);
    const stop = new AbortController();
    const stopped = metadata.watch("a/", stop.signal);
    stop.abort(reason);
    await assert.rejects(stopped, reason);
    const other = metadata.watch("a/");
    await metadata.put("a/1", "v");
    await other;
  });

  if (manifest.atomicGroups) {
    test("puts of one group come together", async ({ storage }) => {
      const metadata = [
        { key: "a", value: "1" },
        { key: "b", value: "2", version: 0 },
      ];
      await storage.append({ batches: [], metadata, durability: "disk" }).durable;
      assert.deepEqual(
        (await storage.metadata.list("")).map(({ key, value, version }) => [key, value, version]),
        [
          ["a", "1", 1],
          ["b", "2", 1],
        ],
      );
      const deletion = [{ key: "a", value: undefined }];
      await storage.append({ batches: [], metadata: deletion, durability: "disk" }).durable;
      assert.equal(await storage.metadata.get("a"), undefined);
    });
  }
}
