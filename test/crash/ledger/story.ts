// What a process does with a log so that every part of the write path has its turn: topics made and deleted, appends at
// each level, awaited and in flight, a transaction, deletions, segments that roll, checkpoints, journal files that are
// used again, a clean close, an opening. Small and the same each time, as far as threads allow.

import { setImmediate as turn } from "node:timers/promises";
import type { LogOptions, TopicConfig } from "@strandlog/log";
import type { Author } from "./author.js";
import { fastClock } from "./fast-clock.js";

const kibibyte = 1024;
const openTriesMax = 3;
const burstsMax = 20;

/** The smallest journal that there can be, and few files open. */
export const storyOptions: LogOptions = {
  clock: fastClock(100),
  journalFileBytes: 64 * kibibyte,
  journalBytesMax: 128 * kibibyte,
  tailBytesMax: 256 * kibibyte,
  lanes: 1,
  openFilesMax: 32,
  idleMs: 24 * 60 * 60 * 1000,
};

const topics: Readonly<Record<string, Partial<TopicConfig>>> = {
  orders: { partitions: 2, durability: "disk", segmentBytes: 24 * kibibyte },
  events: { partitions: 1, durability: "os", segmentBytes: 8 * kibibyte, compression: "gzip" },
  brief: { partitions: 1, durability: "disk" },
};

type Step = (author: Author) => Promise<unknown>;

const burst: Step = (author) =>
  author.append([
    ["orders", 0, 10],
    ["orders", 1, 5],
    ["events", 0, 5],
  ]);

const makeAll = (round: number): Step[] =>
  Object.entries(topics).map(
    ([name, config], index) =>
      (author) =>
        author.make(name, round * 10 + index, config),
  );

/** "full": everything, from making topics on. "short": opened, appended to, closed. */
export type Life = "full" | "short";

/** The steps of a life between an opening and a close. */
function stepsOf(life: Life, round: number): Step[] {
  if (life === "short") return [...makeAll(round).slice(0, 1), (author) => author.append([["orders", 0, 1]])];
  return [
    ...makeAll(round),
    (author) => author.append([["orders", 0, 1]]),
    (author) => author.append([["events", 0, 1]]),
    (author) =>
      author.append([
        ["brief", 0, 10],
        ["events", 0, 10],
      ]),
    (author) => author.append([["events", 0, 2]], "disk"),
    (author) =>
      author.transact([
        ["orders", 0, 2],
        ["orders", 1, 2],
        ["events", 0, 2],
      ]),
    untilCheckpoint,
    // What is deleted next must have been whole.
    (author) => author.readAll(),
    (author) => author.deleteShare("events", 0, 0.5),
    (author) => author.drop("brief"),
    (author) => author.make("brief", round * 10 + 9, topics["brief"] ?? {}),
    (author) => author.append([["brief", 0, 3]]),
    untilCheckpoint,
    (author) => author.readAll(),
    (author) => author.deleteShare("orders", 0, 0.5),
    burst,
  ];
}

/** One life of a log, with openings in between where something broke: true if the story can go on after it. */
export async function live(author: Author, life: Life, round: number): Promise<boolean> {
  if (!(await openAtLast(author))) return false;
  for (const step of stepsOf(life, round)) {
    await step(author);
    for (let tries = 0; author.isBroken; tries++) {
      if (author.isStuck || tries === openTriesMax) return false;
      await author.close();
      if (author.isStuck || !(await openAtLast(author))) return false;
      for (const make of makeAll(round)) if (!author.isBroken) await make(author);
    }
    if (author.isStuck) return false;
  }
  await author.close();
  return !author.isStuck;
}

/** What fails to open may fail again, but not for ever. */
async function openAtLast(author: Author): Promise<boolean> {
  for (let tries = 0; tries < openTriesMax; tries++) if (await author.open()) return true;
  return false;
}

async function untilCheckpoint(author: Author): Promise<void> {
  const before = await author.checkpoints();
  for (let bursts = 0; bursts < burstsMax && !author.isBroken && !author.isStuck; bursts++) {
    await burst(author);
    if ((await author.checkpoints()) > before) return;
  }
}

/** Appends that will not be waited for: the process is to be killed in the midst of them. */
export async function beginLast(author: Author, round: number): Promise<void> {
  if (!(await author.open())) return;
  for (const make of makeAll(round)) await make(author);
  for (let bursts = 0; bursts < 3; bursts++) await burst(author);
  await author.deleteShare("events", 0, 0.2);
  void burst(author);
  await turn();
}
