// What the log does by itself, and what it tells: retention by the clock, figures, events.
import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { readdirSync, statSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { LogError } from "../errors.js";
import {
  cleanUp,
  hookedFileSystem,
  ManualClock,
  openAt,
  settlesSoon,
  temporaryDirectory,
  valuesOf,
} from "../test-support.js";
import type { Log } from "./log.js";

const checkMs = 30_000;

/** Tells when the next check for retention is due: then the last one has ended. */
class RetentionClock extends ManualClock {
  #ended: () => void = () => undefined;

  override startTimer(delayMs: number, callback: () => void): { cancel(): void } {
    if (delayMs === checkMs) this.#ended();
    return super.startTimer(delayMs, callback);
  }

  async check(advanceMs = checkMs): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      this.#ended = resolve;
    });
    this.advance(advanceMs);
    await settlesSoon(ended, "the check");
  }
}

/** Everything to segments: a log that was closed and opened again has nothing in its tail. */
async function reopen(t: TestContext, log: Log, directory: string, clock: ManualClock): Promise<Log> {
  await log.close();
  return openAt(t, directory, { clock, retentionCheckMs: checkMs });
}

for (const place of ["the tail", "segments"] as const) {
  test(`records in ${place} go when they are older than retentionMs, and only those`, async (t) => {
    const directory = temporaryDirectory(t);
    const clock = new RetentionClock();
    let log = await openAt(t, directory, { clock, retentionCheckMs: checkMs });
    // A log that is opened again counts its 30 s from there.
    const retentionMs = place === "segments" ? 35_000 : 20_000;
    const topic = await log.topic("a", { retentionMs, segmentMs: 1 });
    await topic.append({ value: "at 0 s" });
    clock.advance(15_000);
    await topic.append({ value: "at 15 s" });
    if (place === "segments") log = await reopen(t, log, directory, clock);
    const values = async (): Promise<string[]> => valuesOf((await log.topic("a")).read());
    await clock.check(place === "segments" ? checkMs : 15_000);
    assert.deepEqual(await values(), ["at 15 s"]);
    await clock.check();
    assert.deepEqual(await values(), []);
    assert.equal((await log.topic("a")).append({ value: "next" }).offset, 2);
  });

  test(`the oldest records in ${place} go when there is more than retentionBytes`, async (t) => {
    const directory = temporaryDirectory(t);
    const clock = new RetentionClock();
    const values = Array.from({ length: 10 }, (_, n) => `${n}`.padEnd(950, "."));
    let log = await openAt(t, directory, { clock, retentionCheckMs: checkMs });
    const topic = await log.topic("a", { retentionBytes: 3000, segmentBytes: 1024 });
    for (const value of values) await topic.append({ value });
    if (place === "segments") log = await reopen(t, log, directory, clock);
    await clock.check();
    assert.deepEqual(await valuesOf((await log.topic("a")).read()), values.slice(-3));
    await log.close();
    const logs = readdirSync(`${directory}/topics/a-0`).filter((name) => name.endsWith(".log"));
    assert.equal(logs.length, 3);
  });
}

test("without limits nothing goes, however old", async (t) => {
  const clock = new RetentionClock();
  const log = await openAt(t, temporaryDirectory(t), { clock, retentionCheckMs: checkMs });
  const topic = await log.topic("a");
  await topic.append({ value: "x", timestamp: 0 });
  await clock.check();
  assert.deepEqual(await valuesOf(topic.read()), ["x"]);
});

test("the figures agree with what is on the disk and in the partitions", async (t) => {
  const directory = temporaryDirectory(t);
  let log = await openAt(t, directory);
  const first = await log.topic("a", { partitions: 3 });
  for (let n = 0; n < 30; n++) await first.append({ key: `${n}`, value: "x".repeat(100) });
  await log.close();
  log = await openAt(t, directory);
  const topic = await log.topic("a");
  for (let n = 0; n < 12; n++) await topic.append({ key: `${n}`, value: "x" });
  const { topics, formingBytes, waitingBytes, storage } = await log.stats();
  assert.deepEqual([formingBytes, waitingBytes], [0, 0]);
  assert.deepEqual(
    topics.map(({ name, topicId, config }) => [name, topicId, config]),
    [["a", topic.topicId, topic.config]],
  );
  const partitions = topics[0]?.partitions ?? [];
  const sum = (pick: (partition: (typeof partitions)[number]) => number): number =>
    partitions.reduce((total, partition) => total + pick(partition), 0);
  assert.equal(
    sum(({ logEndOffset }) => logEndOffset),
    42,
  );
  assert.equal(
    sum(({ tailBytes }) => tailBytes),
    storage.tailBytes,
  );
  assert.equal(
    sum(({ segmentBytes }) => segmentBytes),
    storage.segmentBytes,
  );
  const bytesOf = (path: string, suffix: string): number =>
    readdirSync(`${directory}/${path}`, { recursive: true })
      .filter((name) => `${name}`.endsWith(suffix))
      .reduce((total, name) => total + statSync(`${directory}/${path}/${name}`).size, 0);
  assert.equal(bytesOf("topics", ".log"), storage.segmentBytes);
  assert.equal(bytesOf("journal", ".journal"), storage.journalBytes);
  assert.ok(storage.tailBytes >= 12 * 61 && storage.tailBytes <= storage.tailBytesMax);
  assert.ok(storage.journalLiveBytes > 0 && storage.journalLiveBytes <= storage.journalBytes);
});

test("the figures count groups, blocks and syncs", async (t) => {
  const log = await openAt(t, temporaryDirectory(t));
  const topic = await log.topic("a");
  const before = (await log.stats()).storage;
  for (let n = 0; n < 10; n++) await topic.append({ value: "x" });
  const after = (await log.stats()).storage;
  assert.deepEqual(
    [after.groups - before.groups, after.journalBlocks - before.journalBlocks, after.syncs - before.syncs],
    [10, 10, 10],
  );
  assert.equal(after.journalBlockBytes - before.journalBlockBytes, 10 * 4096);
  const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);
  assert.equal(total(after.groupBatches), after.groups);
  assert.ok(total(after.commitMicros) >= 10);
  assert.equal(after.trouble, undefined);
});

/** Collects what a channel tells until the test ends; `next` settles with the next message. */
function listen<T>(t: TestContext, name: string): { messages: T[]; next(): Promise<T> } {
  const messages: T[] = [];
  let arrived: (message: T) => void = () => undefined;
  const listener = (message: unknown): void => {
    messages.push(message as T);
    arrived(message as T);
  };
  subscribe(name, listener);
  cleanUp(t, () => void unsubscribe(name, listener));
  const next = (): Promise<T> =>
    settlesSoon(
      new Promise<T>((resolve) => {
        arrived = resolve;
      }),
      name,
    );
  return { messages, next };
}

test("strandlog:group tells of each group that was written", async (t) => {
  const log = await openAt(t, temporaryDirectory(t));
  const topic = await log.topic("a");
  const groups = listen<{ payloads: number; bytes: number; writeMs: number; syncMs: number }>(
    t,
    "strandlog:group",
  );
  const next = groups.next();
  await topic.append({ value: "x".repeat(1000) });
  const { payloads, bytes, writeMs, syncMs } = await next;
  assert.equal(payloads, 1);
  assert.ok(1000 < bytes && bytes < 1200, `${bytes} bytes`);
  assert.ok(writeMs >= 0 && syncMs >= 0);
});

test("strandlog:checkpoint tells of each checkpoint that ended", async (t) => {
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory);
  const topic = await log.topic("a", { partitions: 2 });
  for (const partition of [0, 1]) await topic.append({ value: "x".repeat(1000), partition });
  const checkpoints = listen<{ directory: string; bytes: number; partitions: number; ms: number }>(
    t,
    "strandlog:checkpoint",
  );
  await log.close();
  const [told] = checkpoints.messages;
  assert.deepEqual([told?.directory, told?.partitions], [directory, 2]);
  assert.ok((told?.bytes ?? 0) > 2000 && (told?.ms ?? -1) >= 0);
});

test("strandlog:trouble tells of a checkpoint that failed, and the figures until one succeeds", async (t) => {
  const directory = temporaryDirectory(t);
  const clock = new ManualClock();
  let isFull = false;
  const fileSystem = hookedFileSystem((operation, path) => {
    if (isFull && operation === "write" && path.includes("/topics/"))
      throw new LogError("DISK_FULL", "no space");
  });
  const log = await openAt(t, directory, { clock, fileSystem, journalRotateMs: 1000 });
  const topic = await log.topic("a");
  await topic.append({ value: "x" });
  const troubles = listen<{ directory: string; where: string; error: LogError }>(t, "strandlog:trouble");
  isFull = true;
  const failed = troubles.next();
  clock.advance(1000);
  const { where, error, ...rest } = await failed;
  assert.deepEqual([rest.directory, where, error.code], [directory, "checkpoint", "DISK_FULL"]);
  assert.match((await log.stats()).storage.trouble ?? "", /no space/);
  assert.equal((await topic.append({ value: "y" })).offset, 1);
  isFull = false;
  const ended = listen(t, "strandlog:checkpoint").next();
  clock.advance(5000);
  await ended;
  assert.equal((await log.stats()).storage.trouble, undefined);
  assert.deepEqual(await valuesOf(topic.read()), ["x", "y"]);
});
