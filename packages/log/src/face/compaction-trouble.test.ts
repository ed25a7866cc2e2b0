// Compactions that are cut short: by the disk, by whoever asked for them, by deletion and by the end.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { verifyDirectory } from "../format.js";
import type { LogOptions } from "../open.js";
import { openLog } from "../open.js";
import {
  cleanUp,
  Gate,
  hookedFileSystem,
  isPending,
  openAt,
  settlesSoon,
  temporaryDirectory,
  valuesOf,
  withCode,
} from "../test-support.js";
import type { Log } from "./log.js";
import { compactedConfig, filesOf, fill, numbersOf } from "./test-support.js";
import type { Topic } from "./topic.js";

/** A log with sixty records on a disk with a hook. */
async function hooked(
  t: Parameters<typeof temporaryDirectory>[0],
  hook: Parameters<typeof hookedFileSystem>[0],
  options: LogOptions = {},
): Promise<{ log: Log; topic: Topic; directory: string }> {
  const directory = temporaryDirectory(t);
  const log = await openLog(directory, { fileSystem: hookedFileSystem(hook), ...options });
  cleanUp(t, () => settlesSoon(log.close(), "close"));
  const topic = await log.topic("t", compactedConfig);
  await fill(topic, 60);
  return { log, topic, directory };
}

test("a disk that is full in the middle leaves all as it was, is told of, and is tried again later", async (t) => {
  let isFull = false;
  const { log, topic, directory } = await hooked(t, (operation, path) => {
    if (isFull && operation === "write" && path.endsWith(".swap"))
      throw Object.assign(new Error("no space"), { code: "ENOSPC" });
  });
  isFull = true;
  await assert.rejects(topic.compact(), /no space/);
  assert.match((await log.stats()).storage.trouble ?? "", /compaction: no space/);
  assert.equal((await numbersOf(topic)).length, 60);
  assert.ok(
    filesOf(directory).every((name) => !name.endsWith(".swap")),
    "what was made is given back",
  );
  isFull = false;
  await topic.compact();
  assert.equal((await log.stats()).storage.trouble, undefined);
  assert.ok((await numbersOf(topic)).length < 60);
});

test("a compaction that could fill the disk does not begin", async (t) => {
  const directory = temporaryDirectory(t);
  let free = 8 * 1024 * 1024;
  const fileSystem = { ...hookedFileSystem(() => undefined), freeBytes: async () => free };
  const log = await openAt(t, directory, { fileSystem });
  const topic = await log.topic("t", compactedConfig);
  await fill(topic, 60);
  await assert.rejects(topic.compact(), withCode("DISK_FULL"));
  assert.match((await log.stats()).storage.trouble ?? "", /compaction: .* are needed to compact/);
  assert.equal((await numbersOf(topic)).length, 60);
  free *= 2;
  await topic.compact();
  assert.ok((await numbersOf(topic)).length < 60);
});

test("a checkpoint file that cannot be written leaves both, and is written later", async (t) => {
  let isFull = false;
  const { log, topic, directory } = await hooked(t, (operation, path) => {
    if (isFull && operation === "rename" && path.endsWith("/checkpoint"))
      throw Object.assign(new Error("no entry"), { code: "ENOSPC" });
  });
  // All of it is in segments by then.
  await topic.compact();
  await fill(topic, 60, 60);
  const before = await numbersOf(topic);
  isFull = true;
  await assert.rejects(topic.compact(), /no entry/);
  await assert.rejects(topic.compact(), /no entry/);
  assert.deepEqual(await numbersOf(topic), before);
  isFull = false;
  await topic.compact();
  const left = await numbersOf(topic);
  assert.ok(left.length < before.length);
  await log.close();
  assert.ok(filesOf(directory).every((name) => !name.endsWith(".swap")));
  const again = await openAt(t, directory);
  assert.deepEqual(await numbersOf(await again.topic("t")), left);
});

test("a segment that is larger than segmentBytes has become is compacted into several", async (t) => {
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory);
  const topic = await log.topic("t", { cleanup: "compact", segmentBytes: 20_000 });
  for (let n = 0; n < 400; n++) {
    const key = n % 2 === 0 ? `once-${n}` : "again";
    await topic.append({ key, value: `${n}`.padEnd(100, ".") });
  }
  await topic.alter({ segmentBytes: 2048 });
  const [outcome] = await topic.compact();
  const left = await numbersOf(topic);
  const end = outcome?.end ?? 0;
  for (let n = 0; n < 400; n += 2) assert.ok(left.includes(n), `${n} is there`);
  assert.equal(left.filter((n) => n < end && n % 2 === 1).length, 1);
  await log.close();
  const logs = filesOf(directory).filter((name) => name.endsWith(".log"));
  assert.ok(logs.length > 10, `${logs.length} segments`);
  const { damages } = await verifyDirectory(directory);
  assert.deepEqual(damages, []);
});

test("what cannot be cleared away afterwards goes with the next checkpoint", async (t) => {
  let isStuck = true;
  const { log, topic, directory } = await hooked(t, (operation) => {
    if (isStuck && operation === "remove") throw Object.assign(new Error("busy"), { code: "EBUSY" });
  });
  await topic.compact();
  const left = await numbersOf(topic);
  assert.ok(left.length < 60);
  isStuck = false;
  await log.close();
  assert.ok(filesOf(directory).every((name) => !name.endsWith(".swap")));
  const again = await openAt(t, directory);
  assert.deepEqual(await numbersOf(await again.topic("t")), left);
});

test("closing the log gives up a compaction, and leaves no file of it", async (t) => {
  const gate = new Gate((operation, path) => operation === "sync" && path.endsWith(".swap"));
  const { log, topic, directory } = await hooked(t, gate.hook);
  const compacting = assert.rejects(topic.compact(), withCode("CLOSED"));
  await gate.reached;
  const closing = log.close();
  assert.ok(await isPending(closing));
  gate.release();
  await settlesSoon(closing, "close");
  await compacting;
  assert.ok(filesOf(directory).every((name) => !name.endsWith(".swap")));
  const again = await openAt(t, directory);
  assert.equal((await numbersOf(await again.topic("t"))).length, 60);
});

test("a topic that is deleted while it is compacted is gone, and may be made again", async (t) => {
  const gate = new Gate((operation, path) => operation === "write" && path.endsWith(".log.1.swap"));
  const { log, topic, directory } = await hooked(t, gate.hook);
  const compacting = assert.rejects(topic.compact(), withCode("TOPIC_NOT_FOUND"));
  await gate.reached;
  const gone = assert.rejects(topic.partition(0).watch(1000), withCode("TOPIC_NOT_FOUND"));
  const deleting = log.deleteTopic("t");
  await gone;
  assert.ok(await isPending(deleting));
  gate.release();
  await settlesSoon(deleting, "the deletion");
  await compacting;
  assert.deepEqual(readdirSync(`${directory}/topics`), []);
  const again = await log.topic("t", compactedConfig);
  await again.append({ key: "k", value: "new" });
  assert.deepEqual(await valuesOf(again.read()), ["new"]);
});

test("a compaction is given up when it is told to, and what others append goes on", async (t) => {
  const controller = new AbortController();
  const gate = new Gate((operation, path) => operation === "write" && path.endsWith(".swap"));
  const { topic } = await hooked(t, gate.hook);
  const compacting = assert.rejects(topic.compact({ signal: controller.signal }), /enough/);
  await gate.reached;
  await fill(topic, 4, 60);
  controller.abort(new Error("enough"));
  gate.release();
  await compacting;
  assert.equal((await numbersOf(topic)).length, 64);
  await topic.compact();
  assert.ok((await numbersOf(topic)).length < 64);
});
