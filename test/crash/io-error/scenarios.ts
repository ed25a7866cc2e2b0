// What a log does on a disk that fails. Each scenario has a disk and a ledger of its own; what it finds wrong goes to
// the ledger, and afterwards everything is looked at once more.
import { setTimeout as sleep } from "node:timers/promises";
import { Author } from "../ledger/author.js";
import { lastLook } from "../ledger/last-look.js";
import { Ledger } from "../ledger/ledger.js";
import { storyOptions } from "../ledger/story.js";
import { lineOf } from "../ledger/words.js";
import type { FailingDisk } from "./failing-disk.js";

interface Scene {
  readonly disk: FailingDisk;
  readonly author: Author;
  readonly ledger: Ledger;
}

type Scenario = (scene: Scene) => Promise<void>;

const burstsMax = 15;
const pollMs = 5;
const waitMsMax = 60_000;

export const scenarios: Readonly<Record<string, Scenario>> = {
  "a synced write fails": (scene) => failing(scene, () => scene.author.append([["orders", 0, 1]])),
  "a sync fails after a write": (scene) =>
    failing(scene, async () => {
      await scene.author.append([["events", 0, 5]]);
      await scene.author.append([["orders", 1, 5]]);
    }),
  "a sync fails under many appends": (scene) => failing(scene, () => burst(scene.author)),
  "a transaction's write fails": (scene) =>
    failing(scene, () =>
      scene.author.transact([
        ["orders", 0, 2],
        ["orders", 1, 2],
      ]),
    ),
  "a deletion's write fails": (scene) => failing(scene, () => scene.author.deleteShare("orders", 0, 0.5)),
  "it is opened while the disk still fails": openedWhileFailing,
  "it is mounted anew before it is opened": mountedAnew,
  "a checkpoint's sync fails": checkpointFails,
  "the checkpoint of a close fails": closeFails,
};

/** Answers what went wrong. */
export async function runScenario(name: string, disk: FailingDisk): Promise<readonly string[]> {
  const ledger = new Ledger();
  const author = new Author(disk.data, storyOptions, 1, (word, ...args) => ledger.take(lineOf(word, args)));
  try {
    await play(name, { disk, author, ledger });
  } catch (error) {
    ledger.problems.push(`${error instanceof Error ? error.stack : error}`);
  }
  return ledger.problems;
}

async function play(name: string, scene: Scene): Promise<void> {
  const { disk, author, ledger } = scene;
  await author.open();
  await author.make("orders", 1, { partitions: 2, durability: "disk", segmentBytes: 16 * 1024 });
  await author.make("events", 2, { partitions: 1, durability: "os" });
  await burst(author);
  await scenarios[name]?.(scene);
  disk.mend();
  await author.close();
  disk.remount();
  await lastLook(disk.data, storyOptions, ledger, "disk");
}

async function burst(author: Author): Promise<void> {
  await author.append([
    ["orders", 0, 10],
    ["orders", 1, 10],
    ["events", 0, 10],
  ]);
}

/** The journal cannot be written: nothing more is acknowledged, all can be read, and it goes on once opened again. */
async function failing({ disk, author, ledger }: Scene, action: () => Promise<void>): Promise<void> {
  disk.failJournal();
  await action();
  await mustHaveFailed(author, ledger);
  // The disk may work again: this log takes nothing more.
  disk.mend();
  await mustRefuse(author, ledger);
  await author.close();
  await author.open();
  await burst(author);
  await author.deleteShare("orders", 1, 0.5);
}

async function openedWhileFailing({ disk, author, ledger }: Scene): Promise<void> {
  disk.failJournal();
  await burst(author);
  await mustHaveFailed(author, ledger);
  await author.close();
  if (await author.open()) await burst(author);
  disk.mend();
  await author.close();
  if (!(await author.open())) ledger.problems.push("it cannot be opened though the disk works again");
}

/** What was refused is in the page cache, and may be on the disk or not. */
async function mountedAnew({ disk, author, ledger }: Scene): Promise<void> {
  disk.failJournal();
  await burst(author);
  await mustHaveFailed(author, ledger);
  await author.close();
  disk.mend();
  disk.remount();
  if (!(await author.open())) ledger.problems.push("it cannot be opened though the disk works again");
}

/** The journal has its blocks, segments get none: appends wait until the disk works, and none of them fails. */
async function checkpointFails({ disk, author, ledger }: Scene): Promise<void> {
  await settle(author);
  disk.fail();
  author.patience = Number.POSITIVE_INFINITY;
  const waiting = manyBursts(author);
  await until(
    async () => (await author.trouble()) !== undefined,
    ledger,
    "a failed checkpoint does not show",
  );
  disk.mend();
  await waiting;
  await until(
    async () => (await author.trouble()) === undefined,
    ledger,
    "no checkpoint ends well afterwards",
  );
  if (ledger.refusals.length > 0) ledger.problems.push(`appends were refused: ${ledger.refusals.join(", ")}`);
}

async function closeFails({ disk, author, ledger }: Scene): Promise<void> {
  await settle(author);
  await burst(author);
  disk.fail();
  await author.close();
  if (ledger.refusals.length === 0) ledger.problems.push("closing did not fail");
  disk.mend();
  if (!(await author.open())) ledger.problems.push("it cannot be opened though the disk works again");
  await burst(author);
}

/** Everything is in segments, nothing goes on behind the scenes, and directories need no more blocks. */
async function settle(author: Author): Promise<void> {
  await author.close();
  await author.open();
}

/** More than the journal takes without a checkpoint. */
async function manyBursts(author: Author): Promise<void> {
  for (let bursts = 0; bursts < burstsMax; bursts++) await burst(author);
}

async function until(isSo: () => Promise<boolean>, ledger: Ledger, otherwise: string): Promise<void> {
  for (const end = performance.now() + waitMsMax; performance.now() < end; ) {
    if (await isSo()) return;
    await sleep(pollMs);
  }
  ledger.problems.push(otherwise);
}

async function mustHaveFailed(author: Author, ledger: Ledger): Promise<void> {
  if (!author.isBroken || author.log === undefined || !ledger.refusals.includes("JOURNAL_FAILED"))
    ledger.problems.push(`the journal did not fail: ${ledger.refusals.join(", ")}`);
  else await ledger.checkReadable(author.log);
}

async function mustRefuse(author: Author, ledger: Ledger): Promise<void> {
  const before = ledger.refusals.length;
  await burst(author);
  await author.deleteShare("orders", 0, 0.9);
  const codes = ledger.refusals.slice(before);
  if (codes.length !== 2 || codes.some((code) => code !== "JOURNAL_FAILED"))
    ledger.problems.push(`after the failure calls were answered with ${codes.join(", ") || "success"}`);
  if (author.log !== undefined) await ledger.checkReadable(author.log);
}
