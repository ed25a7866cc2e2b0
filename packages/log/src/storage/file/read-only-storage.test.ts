// A reader beside the writer, in its own words: the public API of a log that was opened with readOnly.
import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { existsSync, readdirSync, readSync, truncateSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { decodeBatches } from "../../face/decode-batches.js";
import type { Log } from "../../face/log.js";
import { type LogOptions, openLog } from "../../open.js";
import {
  ManualClock,
  openAt,
  settlesSoon,
  temporaryDirectory,
  valuesOf,
  withCode,
} from "../../test-support.js";

/** A log with the records "0" to count − 1 in the topic "a", each in its own batch. */
async function openWith(
  t: TestContext,
  directory: string,
  count: number,
  options?: LogOptions,
): Promise<Log> {
  const log = await openAt(t, directory, options);
  const topic = await log.topic("a");
  for (let n = 0; n < count; n++) await topic.append({ value: `${n}` });
  return log;
}

/** A directory with a log of three records that was closed. */
async function closedLog(t: TestContext): Promise<string> {
  const directory = temporaryDirectory(t);
  await (await openWith(t, directory, 3)).close();
  return directory;
}

/** The next checkpoint that ends in this directory. */
function nextCheckpoint(directory: string): Promise<void> {
  return new Promise((resolve) => {
    const listener = (message: unknown): void => {
      if ((message as { directory: string }).directory !== directory) return;
      unsubscribe("strandlog:checkpoint", listener);
      resolve();
    };
    subscribe("strandlog:checkpoint", listener);
  });
}

const values = async (log: Log, topic = "a"): Promise<string[]> => valuesOf((await log.topic(topic)).read());

test("a reader beside the writer sees what was there and what comes later", async (t) => {
  const directory = temporaryDirectory(t);
  const writer = await openWith(t, directory, 2);
  const reader = await openAt(t, directory, { readOnly: true });
  assert.deepEqual(await values(reader), ["0", "1"]);
  await (await writer.topic("a")).append({ value: "2" });
  assert.deepEqual(await values(reader), ["0", "1", "2"]);
});

test("a reader beside the writer sees a topic that is made later, and one that goes", async (t) => {
  const directory = temporaryDirectory(t);
  const writer = await openWith(t, directory, 1);
  const reader = await openAt(t, directory, { readOnly: true });
  await (await writer.topic("b")).append({ value: "b0" });
  assert.deepEqual(await reader.topics(), ["a", "b"]);
  assert.deepEqual(await values(reader, "b"), ["b0"]);
  await writer.deleteTopic("a");
  assert.deepEqual(await reader.topics(), ["b"]);
});

test("a reader beside the writer goes on over the writer's checkpoints", async (t) => {
  const directory = temporaryDirectory(t);
  const clock = new ManualClock();
  const writer = await openWith(t, directory, 1, { clock, journalRotateMs: 1000 });
  const reader = await openAt(t, directory, { readOnly: true });
  const topic = await writer.topic("a");
  for (let n = 1; n <= 5; n++) {
    await topic.append({ value: `${n}` });
    assert.equal((await values(reader)).length, n + 1);
    const checkpoint = nextCheckpoint(directory);
    clock.advance(1000);
    await settlesSoon(checkpoint, "the checkpoint");
    assert.deepEqual(
      await values(reader),
      Array.from({ length: n + 1 }, (_, m) => `${m}`),
    );
  }
});

test("a reader goes on when the writer closes, and when the next one opens", async (t) => {
  const directory = temporaryDirectory(t);
  const first = await openWith(t, directory, 1);
  const reader = await openAt(t, directory, { readOnly: true });
  await first.close();
  assert.deepEqual(await values(reader), ["0"]);
  const second = await openAt(t, directory);
  await (await second.topic("a")).append({ value: "1" });
  assert.deepEqual(await values(reader), ["0", "1"]);
});

test("a reader follows one writer after the other", async (t) => {
  const directory = temporaryDirectory(t);
  const first = await openWith(t, directory, 1);
  const reader = await openAt(t, directory, { readOnly: true });
  const following = (await reader.topic("a")).partition(0).read({ follow: true });
  const next = async (): Promise<unknown> =>
    (await settlesSoon(following.next(), "the follower")).value?.value?.toString();
  assert.equal(await next(), "0");
  const later = next();
  await (await first.topic("a")).append({ value: "1" });
  assert.equal(await later, "1");
  await first.close();
  const second = await openAt(t, directory);
  const last = next();
  await (await second.topic("a")).append({ value: "2" });
  assert.equal(await last, "2");
});

test("a reader needs no writer, and writes nothing", async (t) => {
  const directory = await closedLog(t);
  const files = (): string[] => readdirSync(directory, { recursive: true }).map(String).sort();
  const before = files();
  const reader = await openAt(t, directory, { readOnly: true });
  assert.deepEqual(await values(reader), ["0", "1", "2"]);
  await reader.close();
  assert.deepEqual(files(), before);
});

test("a reader's attempts to write are refused with READ_ONLY", async (t) => {
  const reader = await openAt(t, await closedLog(t), { readOnly: true });
  const topic = await reader.topic("a");
  await assert.rejects(topic.append({ value: "x" }), withCode("READ_ONLY"));
  await assert.rejects(topic.alter({ retentionMs: 1 }), withCode("READ_ONLY"));
  await assert.rejects(topic.partition(0).deleteRecords(1), withCode("READ_ONLY"));
  await assert.rejects(reader.createTopic("b"), withCode("READ_ONLY"));
  await assert.rejects(reader.deleteTopic("a"), withCode("READ_ONLY"));
  assert.deepEqual(await values(reader), ["0", "1", "2"]);
});

test("a reader of a directory without a log is told so", async (t) => {
  const directory = temporaryDirectory(t);
  await assert.rejects(openLog(directory, { readOnly: true }), withCode("IO"));
  assert.deepEqual(readdirSync(directory), []);
});

test("a reader of a log whose checkpoint file is empty is told that it is damaged", async (t) => {
  const directory = await closedLog(t);
  truncateSync(`${directory}/checkpoint`, 0);
  await assert.rejects(openLog(directory, { readOnly: true }), withCode("CORRUPT_CHECKPOINT"));
});

test("a reader hands out the writer's files, and they stay readable when the writer deletes them", async (t) => {
  const directory = await closedLog(t);
  const reader = await openAt(t, directory, { readOnly: true });
  const partition = (await reader.topic("a")).partition(0);
  await using range = await partition.fileRange({ from: 1 });
  assert.ok(range !== undefined);
  const valuesIn = (): (string | undefined)[] => {
    const bytes = Buffer.alloc(range.length);
    readSync(range.fd, bytes, 0, range.length, range.position);
    return Array.from(decodeBatches(bytes), ({ value }) => value?.toString());
  };
  assert.deepEqual(valuesIn(), ["1", "2"]);
  assert.equal(range.next, 3);
  const writer = await openAt(t, directory);
  await (await writer.topic("a")).append({ value: "3" });
  assert.equal(await partition.fileRange({ from: 3 }), undefined);
  await (await writer.topic("a")).partition(0).deleteRecords(3);
  assert.ok(!existsSync(range.path));
  assert.equal(await partition.fileRange({ from: 1 }), undefined);
  await writer.deleteTopic("a");
  await assert.rejects(partition.fileRange({ from: 1 }), withCode("PARTITION_NOT_FOUND"));
  assert.deepEqual(valuesIn(), ["1", "2"]);
});

test("a reader does not take an old topic's files for those of one that is made again", async (t) => {
  const directory = await closedLog(t);
  const reader = await openAt(t, directory, { readOnly: true });
  assert.deepEqual(await values(reader), ["0", "1", "2"]);
  const old = (await reader.topic("a")).partition(0);
  const writer = await openAt(t, directory);
  await writer.deleteTopic("a");
  const topic = await writer.topic("a");
  for (const value of ["new 0", "new 1", "new 2"]) await topic.append({ value });
  await writer.close();
  await assert.rejects(old.fileRange({ from: 0 }), withCode("PARTITION_NOT_FOUND"));
  assert.deepEqual(await values(reader), ["new 0", "new 1", "new 2"]);
});
