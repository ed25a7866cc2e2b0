// Deletions that meet a checkpoint at work. The disk is real and held up at a chosen step, so that the order is certain.
import assert from "node:assert/strict";
import { cpSync, readdirSync, rmSync } from "node:fs";
import { type TestContext, test } from "node:test";
import type { LogOptions } from "../open.js";
import {
  collect,
  Gate,
  hookedFileSystem,
  ManualClock,
  openAt,
  partitionDirectories,
  settlesSoon,
  temporaryDirectory,
  valuesOf,
} from "../test-support.js";
import type { Log } from "./log.js";

interface Held {
  directory: string;
  gate: Gate;
  log: Log;
  /** Starts a checkpoint by the clock of the journal; it then stands at the gate. */
  startCheckpoint(): Promise<void>;
}

async function openHeld(
  t: TestContext,
  matches: (operation: string, path: string) => boolean,
  options: LogOptions = {},
): Promise<Held> {
  const directory = temporaryDirectory(t);
  const clock = new ManualClock();
  let isArmed = false;
  const gate = new Gate((operation, path) => isArmed && matches(operation, path));
  const log = await openAt(t, directory, {
    fileSystem: hookedFileSystem(gate.hook),
    journalRotateMs: 1000,
    clock,
    ...options,
  });
  return {
    directory,
    gate,
    log,
    startCheckpoint: () => {
      isArmed = true;
      clock.advance(1000);
      return settlesSoon(gate.reached, "the checkpoint");
    },
  };
}

test("records deleted while a checkpoint rolls segments take no other record with them", async (t) => {
  const { directory, gate, log, startCheckpoint } = await openHeld(
    t,
    (operation, path) => operation === "open" && path.endsWith("00000000000000000002.log"),
  );
  // Its own batch for each record: one is acknowledged before the next is appended.
  const topic = await log.topic("a", { segmentBytes: 1024, durability: "os" });
  for (let n = 0; n < 300; n++) await topic.append({ value: `${n}`.padEnd(500, ".") });
  await startCheckpoint();
  await topic.partition(0).deleteRecords(200);
  gate.release();
  await log.close();
  const again = await openAt(t, directory);
  const found = await collect((await again.topic("a")).partition(0).read());
  assert.deepEqual(
    found.map(({ offset }) => offset),
    Array.from({ length: 100 }, (_, n) => 200 + n),
  );
});

test("a topic that is deleted before a checkpoint has come to it is not written", async (t) => {
  const { directory, gate, log, startCheckpoint } = await openHeld(
    t,
    (operation, path) => operation === "write" && path.endsWith(".log"),
    { lanes: 1 },
  );
  // Four are written at once; the last one has to wait.
  const names = ["a", "b", "c", "d", "e", "last"];
  for (const name of names) await (await log.topic(name)).append({ value: name });
  await startCheckpoint();
  const deleted = log.deleteTopic("last");
  while (await log.hasTopic("last")) await new Promise((resolve) => setImmediate(resolve));
  gate.release();
  await deleted;
  await log.close();
  assert.deepEqual(
    partitionDirectories(directory),
    names.slice(0, -1).map((name) => `${name}-0`),
  );
});

test("a topic that is deleted while a checkpoint tidies up before it fails no checkpoint", async (t) => {
  const directory = temporaryDirectory(t);
  const before = await openAt(t, directory);
  await (await before.topic("a")).append({ value: "in a segment" });
  await before.close();

  const clock = new ManualClock();
  let isArmed = false;
  const gate = new Gate((_, path) => isArmed && path.endsWith("/topics/a-0"));
  const disk = hookedFileSystem(gate.hook);
  const list = async (path: string): Promise<string[] | undefined> => {
    await gate.hook("read", path);
    return disk.list(path);
  };
  const fileSystem = { ...disk, list };
  const log = await openAt(t, directory, { fileSystem, journalRotateMs: 1000, clock });
  await (await log.existingTopic("a")).append({ value: "in the journal" });
  isArmed = true;
  clock.advance(1000);
  await settlesSoon(gate.reached, "the checkpoint");
  const deleted = log.deleteTopic("a");
  while (await log.hasTopic("a")) await new Promise((resolve) => setImmediate(resolve));
  gate.release();
  await deleted;
  assert.equal((await log.stats()).storage.trouble, undefined);
  assert.deepEqual(partitionDirectories(directory), []);
});

test("a topic that is made again during a checkpoint keeps its records", async (t) => {
  const { directory, gate, log, startCheckpoint } = await openHeld(
    t,
    (operation, path) => operation === "rename" && path.endsWith("/checkpoint"),
  );
  const other = await log.topic("other");
  const topic = await log.topic("a");
  await topic.append({ value: "old" });
  await other.append({ value: "x" });
  await startCheckpoint();
  const deleted = log.deleteTopic("a");
  gate.release();
  await deleted;
  const fresh = await log.topic("a");
  await fresh.append({ value: "new" });
  await log.close();
  const again = await openAt(t, directory);
  assert.deepEqual(await valuesOf((await again.topic("a")).read()), ["new"]);
});

test("a topic is deleted though one checkpoint follows the other", async (t) => {
  const directory = temporaryDirectory(t);
  // Each checkpoint asks for the next: the journal is as small as it can be.
  const log = await openAt(t, directory, { journalBytesMax: 128 * 1024, journalFileBytes: 64 * 1024 });
  const busy = await log.topic("busy", { durability: "os" });
  await log.topic("a");
  let isStopped = false;
  const value = Buffer.alloc(20_000);
  const producing = (async () => {
    while (!isStopped) await Promise.all([busy.append({ value }), busy.append({ value })]);
  })();
  try {
    await settlesSoon(log.deleteTopic("a"), "deleteTopic");
  } finally {
    isStopped = true;
    await producing;
  }
});

test("a topic deleted during a checkpoint gives its memory back once", async (t) => {
  const { gate, log, startCheckpoint } = await openHeld(
    t,
    (operation, path) => operation === "sync" && path.endsWith(".log"),
  );
  const topic = await log.topic("a");
  await topic.append({ value: "x".repeat(10_000) });
  await startCheckpoint();
  const follower = topic.partition(0).read({ from: "latest", follow: true }).next();
  const deleted = log.deleteTopic("a");
  // Its end tells that the deletion has taken effect while the checkpoint still stands at the gate.
  await assert.rejects(settlesSoon(follower, "the follower"));
  gate.release();
  await settlesSoon(deleted, "deleteTopic");
  await log.sync();
  assert.equal((await log.stats()).storage.tailBytes, 0);
});

test("segments whose records are deleted while a checkpoint writes them leave no file behind", async (t) => {
  const { directory, gate, log, startCheckpoint } = await openHeld(
    t,
    (operation, path) => operation === "sync" && path.endsWith(".log"),
  );
  const topic = await log.topic("a", { segmentBytes: 1024, durability: "os" });
  for (let n = 0; n < 50; n++) await topic.append({ value: `${n}`.padEnd(500, ".") });
  await startCheckpoint();
  await topic.partition(0).deleteRecords(20);
  gate.release();
  await log.close();
  const logs = readdirSync(`${directory}/topics/a-0`).filter((name) => name.endsWith(".log"));
  const bases = logs.map((name) => Number(name.slice(0, 20))).sort((left, right) => left - right);
  assert.ok((bases[0] as number) >= 18, `segments from ${bases[0]} on are left of a log that starts at 20`);
});

test("many topics deleted at once leave no directory behind", async (t) => {
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory);
  const names = Array.from({ length: 20 }, (_, n) => `t${n}`);
  for (const name of names) await (await log.topic(name)).append({ value: "x" });
  await log.close();
  const again = await openAt(t, directory);
  await Promise.all(names.map((name) => again.deleteTopic(name)));
  assert.deepEqual(partitionDirectories(directory), []);
});

test("a topic deleted while a checkpoint clears another one away is gone after a kill, too", async (t) => {
  const directory = temporaryDirectory(t);
  const first = await openAt(t, directory);
  for (const name of ["busy", "one", "two"]) await (await first.topic(name)).append({ value: "x" });
  await first.close();
  let stage: "served" | "writing" | "tidying" | "removing" = "served";
  const writing = new Gate((verb, path) => stage === "writing" && verb === "write" && path.endsWith(".log"));
  const tidying = new Gate(
    (verb, path) => stage === "tidying" && verb === "syncDirectory" && path.endsWith("/topics"),
  );
  const removing = new Gate(
    (verb, path) => stage === "removing" && verb === "remove" && path.includes("/two-0/"),
  );
  const gates = [writing, tidying, removing];
  const clock = new ManualClock();
  const log = await openAt(t, directory, {
    fileSystem: hookedFileSystem(async (verb, path) => {
      for (const gate of gates) await gate.hook(verb, path);
    }),
    journalRotateMs: 1000,
    clock,
  });
  await (await log.topic("busy")).append({ value: "x" });
  stage = "writing";
  clock.advance(1000);
  await settlesSoon(writing.reached, "the checkpoint");
  const one = await beginDeletion(log, "one");
  stage = "tidying";
  writing.release();
  await settlesSoon(tidying.reached, "clearing away the first topic");
  const two = await beginDeletion(log, "two");
  stage = "removing";
  tidying.release();
  await settlesSoon(removing.reached, "clearing away the second topic");
  const killed = `${directory}-killed`;
  t.after(() => rmSync(killed, { recursive: true }));
  cpSync(directory, killed, { recursive: true, filter: (path) => !path.includes("/lock-") });
  removing.release();
  await Promise.all([one.deleted, two.deleted]);
  await log.close();
  const again = await openAt(t, killed);
  assert.deepEqual(await again.topics(), ["busy"]);
  assert.deepEqual(partitionDirectories(killed), ["busy-0"]);
});

/** Answers when the deletion has taken effect, though files may be there still. */
async function beginDeletion(log: Log, name: string): Promise<{ deleted: Promise<void> }> {
  const topic = await log.existingTopic(name);
  const follower = topic.partition(0).read({ from: "latest", follow: true }).next();
  const deleted = log.deleteTopic(name);
  await assert.rejects(settlesSoon(follower, `the follower of ${name}`));
  return { deleted };
}
