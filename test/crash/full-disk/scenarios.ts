// Each scenario has a small disk to itself and a process of its own: `node scenarios.js DIRECTORY NAME`.
// Started by full-disk.ts; exit code 1 and the reason on standard output when a promise was broken.
import assert from "node:assert/strict";
import { realpathSync } from "node:fs";
import { type Log, openLog, type Receipt } from "@strandlog/log";
import { killedThenOpenedWhileFull, killedThenOpenedWithSpace, untilKilled } from "./killed-writer.js";
import { Load, type Target, targetsOf } from "./load.js";
import { kibibyte, lastLook, mebibyte, options, Room, topicConfig } from "./room.js";
import { Troubles } from "./troubles.js";

const workers = 64;

export interface Scenario {
  readonly sentence: string;
  readonly run: (room: Room) => Promise<void>;
}

export const scenarios: Readonly<Record<string, Scenario>> = {
  waits: {
    sentence: "appends wait while the disk is full, all is readable and deletable, and it goes on by itself",
    run: appendsWait,
  },
  killed: {
    sentence: "a process that is killed while the disk is full loses nothing",
    run: killedThenOpenedWithSpace,
  },
  reopened: {
    sentence: "a log is opened while the disk is full, or says that it is",
    run: killedThenOpenedWhileFull,
  },
  growing: {
    sentence: "deletion works although the disk was full before the journal had its size",
    run: journalStillGrows,
  },
  memory: {
    sentence: "a topic that is kept in memory is readable and deletable while the disk is full",
    run: memoryTopic,
  },
  leftovers: {
    sentence: "what a checkpoint that failed has left behind does not keep the disk full",
    run: leftoversGo,
  },
};

async function appendsWait(room: Room): Promise<void> {
  room.leave(8 * mebibyte);
  const troubles = new Troubles();
  const log = await openLog(room.data, options);
  const old = await filled(log, "old");
  await filled(log, "gone");
  const targets = targetsOf(await log.topic("load", { ...topicConfig, partitions: 3 }));
  const load = new Load(targets, workers);
  await load.untilStuck(troubles);
  await troubleIsVisible(log, room, troubles);
  await waitingIsAChoice(log);
  for (const target of [old, ...targets]) await target.check(log);

  await troubles.outrun(deleteHead(old), "deleting records");
  await troubles.outrun(log.deleteTopic("gone"), "deleting a topic");
  await troubles.outrun(load.progress(), "appending after a deletion");
  await load.untilStuck(troubles);
  for (const target of [old, ...targets]) await target.check(log);

  load.end();
  room.makeSpace();
  await load.ended();
  await troubleIsOver(log, targets);
  await log.close();
  await lastLook(room, [old, ...targets]);
}

/** A topic of one partition, with several segments. */
async function filled(log: Log, name: string): Promise<Target> {
  const [target] = targetsOf(await log.topic(name, topicConfig));
  assert.ok(target);
  while ((await target.partition.describe()).segmentCount < 3)
    await Promise.all(Array.from({ length: workers }, () => target.append()));
  return target;
}

async function troubleIsVisible(log: Log, room: Room, { all }: Troubles): Promise<void> {
  const { trouble } = (await log.stats()).storage;
  assert.match(trouble ?? "none", /ENOSPC/);
  for (const { directory, where, error } of all) {
    assert.equal(directory, room.data);
    assert.ok(["checkpoint", "journal growth"].includes(where), where);
    assert.equal(error.code, "DISK_FULL", error.message);
    assert.ok(error.retriable);
  }
}

/** Fills the budget for what forms: whoever does not want to wait is told, and whoever waits may give up. */
async function waitingIsAChoice(log: Log): Promise<void> {
  const topic = await log.createTopic("patience");
  const value = Buffer.alloc(8 * kibibyte);
  const patience = new AbortController();
  const append = (): Receipt => topic.append({ value }, { signal: patience.signal });
  const receipts = [append()];
  while (receipts.at(-1)?.offset !== undefined) receipts.push(append());
  await assert.rejects(topic.append({ value }, { wait: false }), { code: "BACKPRESSURE" });
  patience.abort(new Error("enough"));
  await assert.rejects(receipts.pop() as Receipt, /enough/);
  const refused = Promise.all(
    receipts.map((receipt) => assert.rejects(receipt, { code: "TOPIC_NOT_FOUND" })),
  );
  await log.deleteTopic("patience");
  await refused;
}

/** The first deletions free nothing: the journal has kept room for them. */
async function deleteHead(target: Target): Promise<void> {
  for (const before of [1, 2, 3, 4, 5, 6, 7, 8, Math.floor(target.end / 2)]) {
    await target.partition.deleteRecords(before);
    target.start = before;
  }
}

async function troubleIsOver(log: Log, [target]: readonly Target[]): Promise<void> {
  // As much as makes the log write a checkpoint.
  for (let checkpoints = await checkpointsOf(log), before = checkpoints; checkpoints < before + 2; ) {
    await Promise.all(Array.from({ length: workers }, () => target?.append()));
    checkpoints = await checkpointsOf(log);
  }
  assert.equal((await log.stats()).storage.trouble, undefined);
}

async function checkpointsOf(log: Log): Promise<number> {
  return (await log.stats()).storage.checkpoints;
}

async function journalStillGrows(room: Room): Promise<void> {
  const troubles = new Troubles();
  const log = await openLog(room.data, { ...options, journalBytesMax: 8 * mebibyte });
  await (await log.topic("old")).append({ value: "old" });
  const targets = targetsOf(await log.topic("load", topicConfig));
  room.leave(0);
  const load = new Load(targets, workers);
  await load.untilStuck(troubles);
  await troubles.outrun(log.deleteTopic("old"), "deleting a topic");
  load.end();
  room.makeSpace();
  await load.ended();
  await log.close();
}

async function memoryTopic(room: Room): Promise<void> {
  const troubles = new Troubles();
  const log = await openLog(room.data, options);
  const topic = await log.topic("memory", { ...topicConfig, durability: "memory" });
  room.leave(mebibyte);
  const load = new Load(targetsOf(topic), workers);
  await load.untilStuck(troubles);
  await troubles.outrun(log.stats(), "stats");
  await troubles.outrun(topic.partition(0).get(0), "reading");
  await troubles.outrun(topic.partition(0).deleteRecords(10), "deleting records");
  load.end();
  room.makeSpace();
  await load.ended();
  await log.close();
}

async function leftoversGo(room: Room): Promise<void> {
  const troubles = new Troubles();
  const log = await openLog(room.data, options);
  await filled(log, "before");
  await log.deleteTopic("before");
  const topic = await log.topic("load", topicConfig);
  room.leave(16 * kibibyte);
  const load = new Load(targetsOf(topic), workers);
  await load.untilStuck(troubles);
  load.end();
  await topic.partition(0).deleteRecords("latest");
  await troubles.outrun(load.ended(), "appending after all was deleted");
  room.makeSpace();
  await log.close();
}

if (process.argv[1] !== undefined && import.meta.filename === realpathSync(process.argv[1])) {
  const [, , disk = "", name = ""] = process.argv;
  const run = name === "until-killed" ? untilKilled : scenarios[name]?.run;
  try {
    await run?.(new Room(disk));
    process.exit(run === undefined ? 2 : 0);
  } catch (error) {
    console.log(error instanceof Error ? error.stack : error);
    process.exit(1);
  }
}
