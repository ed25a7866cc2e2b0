import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { systemClock } from "../clock.js";
import { nodeFileSystem } from "../fs/index.js";
import { temporaryDirectory } from "../test-support.js";
import { FileCache } from "./file-cache.js";
import { SegmentFiles } from "./segment-files.js";
import { emptySegment, segmentName, swapName } from "./segment-state.js";

test("who waits for a turn to read what a compaction has written finds it when it has got its lasting name", async (t) => {
  const directory = temporaryDirectory(t);
  const path = `${directory}/${segmentName(0)}.log`;
  writeFileSync(path, "old");
  writeFileSync(path + swapName(1), "new");
  const cache = new FileCache(nodeFileSystem, systemClock, 8);
  const files = new SegmentFiles(cache, { directory }, { ...emptySegment(0), rewrite: 1, swap: true });
  const release: (() => void)[] = [];
  const others = [0, 1].map(() =>
    cache.gate.run(1, () => new Promise<void>((resolve) => release.push(resolve))),
  );
  const bytes = Buffer.alloc(3);
  const reading = files.read(".log", bytes, 0);
  await files.settle(nodeFileSystem, swapName(1));
  assert.deepEqual(readdirSync(directory), [`${segmentName(0)}.log`]);
  for (const each of release) each();
  await Promise.all(others);
  assert.equal(await reading, 3);
  assert.equal(`${bytes}`, "new");
  await cache.close();
});
