// What a checkpoint does when the disk or the journal fails it, on a simulated disk.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Log, type LogOptions, openLog } from "../index.js";
import { Simulation } from "../testing/index.js";

const rotateMs = 1000;

function open(machine: Simulation, options: LogOptions = {}): Promise<Log> {
  return openLog("/disk/log", { ...machine.options(), lanes: 1, journalRotateMs: rotateMs, ...options });
}

/** Lets time pass on the machine until something has come about. */
async function until(machine: Simulation, isSo: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await isSo())) await new Promise<void>((resolve) => machine.clock.startTimer(rotateMs, resolve));
}

test("once a partition could not be written no further one is begun, and all are written again", async () => {
  const machine = new Simulation(1);
  await machine.run(
    (async () => {
      const log = await open(machine);
      const topic = await log.topic("t", { partitions: 12 });
      await Promise.all(
        Array.from({ length: 12 }, (_, partition) => topic.append({ partition, value: "x" })),
      );
      machine.disk.faults = [{ code: "EIO", verbs: ["write"], path: /\.log$/, skip: 0, times: 1 }];
      const begun = new Set<string>();
      machine.disk.onOperation = (verb, path) => {
        if (verb === "write" && path.endsWith(".log") && machine.disk.hits.length > 0) begun.add(path);
      };
      await until(machine, () => machine.disk.hits.length === 1);
      await until(machine, async () => (await log.stats()).storage.checkpoints > 0);
      assert.equal(begun.size, 12);
      assert.equal((await log.stats()).storage.trouble, undefined);
    })(),
  );
});

test("a checkpoint that finds the journal failed is not tried again", async () => {
  const machine = new Simulation(2);
  await machine.run(
    (async () => {
      const log = await open(machine);
      const topic = await log.topic("t", { durability: "os" });
      await topic.append({ value: "x" });
      machine.disk.faults = [{ code: "EIO", verbs: ["sync"], path: /\/journal\//, skip: 0, times: 1 }];
      await until(machine, () => machine.disk.hits.length === 1);
      await assert.rejects(topic.append({ value: "y" }), { code: "JOURNAL_FAILED" });
      assert.equal((await log.stats()).storage.checkpoints, 0);
    })(),
  );
});
