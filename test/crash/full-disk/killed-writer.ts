// The writer is another process, killed with -9 while the disk is full; this one knows what it has acknowledged.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { type Log, LogError, openLog } from "@strandlog/log";
import { Expected, Load, targetsOf } from "./load.js";
import { lastLook, mebibyte, options, type Room, topicConfig } from "./room.js";
import { Troubles } from "./troubles.js";

const program: string = new URL("scenarios.js", import.meta.url).pathname;
const topic = "load";
const partitions = 3;
const workers = 64;

export async function killedThenOpenedWithSpace(room: Room): Promise<void> {
  const targets = await killWriter(room);
  {
    await using log = await openLog(room.data, { ...options, readOnly: true });
    for (const target of targets) await target.check(log);
  }
  room.makeSpace();
  await allIsThere(room, targets);
}

export async function killedThenOpenedWhileFull(room: Room): Promise<void> {
  const targets = await killWriter(room);
  const log = await new Troubles().outrun(openOrFull(room), "opening");
  if (log !== undefined) for (const target of targets) await target.check(log);
  room.makeSpace();
  await log?.close();
  await allIsThere(room, targets);
}

/** The log, or undefined if it says that the disk is full. */
async function openOrFull({ data }: Room): Promise<Log | undefined> {
  try {
    return await openLog(data, options);
  } catch (error) {
    if (error instanceof LogError && error.code === "DISK_FULL") return undefined;
    throw error;
  }
}

async function allIsThere(room: Room, targets: readonly Expected[]): Promise<void> {
  const log = await openLog(room.data, options);
  for (const target of targets) await target.check(log);
  await log.close();
  await lastLook(room, targets);
}

/** Answers what the writer has appended, and what of it was acknowledged. */
async function killWriter(room: Room): Promise<Expected[]> {
  room.leave(8 * mebibyte);
  const child = spawn(process.execPath, [program, room.disk, "until-killed"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const gone = once(child, "close");
  const { value: line } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
  child.kill("SIGKILL");
  await gone;
  const told = JSON.parse(line ?? "[]") as { next: number; end: number }[];
  assert.equal(told.length, partitions, `the writer said "${line}"`);
  return told.map(({ next, end }, partition) => new Expected(topic, partition, next, end));
}

/** The writer: tells how far each partition was appended to and acknowledged once the disk is full, and hangs on. */
export async function untilKilled(room: Room): Promise<void> {
  const troubles = new Troubles();
  const log = await openLog(room.data, options);
  const targets = targetsOf(await log.topic(topic, { ...topicConfig, partitions }));
  const load = new Load(targets, workers);
  await load.untilStuck(troubles);
  console.log(JSON.stringify(targets.map(({ next, end }) => ({ next, end }))));
  await load.ended();
}
