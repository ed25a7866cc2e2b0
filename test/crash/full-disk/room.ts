// What the scenarios of a full disk share: the disk with its filler, a log with little of everything, the last look.
import assert from "node:assert/strict";
import { rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type LogOptions, openLog, type TopicConfig } from "@strandlog/log";
import { verifyDirectory } from "@strandlog/log/format";
import { checkDirectory } from "../../interop/format-reader.js";
import { fastClock } from "../ledger/fast-clock.js";
import type { Expected } from "./load.js";

export const kibibyte = 1024;
export const mebibyte: number = 1024 * kibibyte;
export const diskMegabytes = 24;

/** The journal is what limits appends, and has its two files before the disk is full. */
export const options: LogOptions = {
  // It soon tries again what the disk had no room for.
  clock: fastClock(20),
  journalFileBytes: 256 * kibibyte,
  journalBytesMax: 512 * kibibyte,
  tailBytesMax: 2 * mebibyte,
};
export const topicConfig: Partial<TopicConfig> = { segmentBytes: 256 * kibibyte };

export class Room {
  readonly data: string;
  readonly disk: string;
  readonly #filler: string;

  constructor(disk: string) {
    this.disk = disk;
    this.data = join(disk, "data");
    this.#filler = join(disk, "filler");
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.disk);
    return bavail * bsize;
  }

  /** Leaves no more than `bytes` of the disk to the log. */
  leave(bytes: number): void {
    writeFileSync(this.#filler, Buffer.alloc(this.freeBytes - bytes));
  }

  /** The filler goes. */
  makeSpace(): void {
    rmSync(this.#filler);
  }
}

/** After a close: no damage in the files, and once opened again everything is there and goes on. */
export async function lastLook(room: Room, targets: readonly Expected[]): Promise<void> {
  await verify(room);
  await using log = await openLog(room.data, options);
  assert.deepEqual(await log.topics(), [...new Set(targets.map(({ place }) => place.topic))].sort());
  for (const target of targets) await target.check(log);
  for (const { place } of targets) {
    const topic = await log.existingTopic(place.topic);
    await topic.append({ value: "and on it goes", partition: place.partition });
  }
}

async function verify({ data }: Room): Promise<void> {
  const { damages, notes } = await verifyDirectory(data);
  assert.deepEqual(damages, []);
  assert.deepEqual(notes, []);
  assert.deepEqual(checkDirectory(data).problems, []);
}
