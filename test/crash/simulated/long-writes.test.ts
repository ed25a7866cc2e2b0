// Checkpoints of several mebibytes, which are synced on the way: they fail, or are cut short, at every step of it.
import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { type Log, openLog } from "@strandlog/log";
import { Simulation } from "@strandlog/log/testing";

const rotateMs = 1000;
const records = 5;
const value = (n: number): Buffer => Buffer.alloc(900_000, n + 1);

test("a sync that fails on the way has the checkpoint made again, and nothing is lost", async () => {
  for (let skip = 0; skip < 3; skip++) {
    const machine = new Simulation(1 + skip);
    await machine.run(
      (async () => {
        const log = await filled(machine);
        machine.disk.faults = [{ code: "EIO", verbs: ["sync"], path: /\.log$/, skip, times: 1 }];
        await checkpointed(machine);
        equal(machine.disk.hits.length, 1);
        machine.disk.faults = [];
        // Made again: with what the failed one wrote cut off.
        await checkpointed(machine);
        await log.sync();
      })(),
    );
    machine.crash("power", "nothing");
    await machine.run(checkRecords(machine));
  }
});

test("a power cut at any step of it loses nothing", async () => {
  const machine = new Simulation(7);
  await machine.run(filled(machine));
  let tried = 0;
  machine.onChange = async (_, path) => {
    if (!path.includes("/topics/")) return;
    for (const style of ["nothing", "prefix", "scattered"] as const) {
      const twin = machine.fork(++tried);
      twin.crash("power", style);
      await twin.run(checkRecords(twin));
    }
  };
  await machine.run(checkpointed(machine));
  ok(tried > 3 * 10, "it has many steps");
});

async function filled(machine: Simulation): Promise<Log> {
  const log = await openLog("/disk/log", { ...machine.options(), journalRotateMs: rotateMs });
  const topic = await log.topic("t");
  await Promise.all(Array.from({ length: records }, (_, n) => topic.append({ value: value(n) })));
  return log;
}

/** Waits long enough for the checkpoint that the journal's clock asks for, and for its second try. */
function checkpointed(machine: Simulation): Promise<void> {
  return new Promise((resolve) => machine.clock.startTimer(rotateMs * 1.5, resolve));
}

async function checkRecords(machine: Simulation): Promise<void> {
  const log = await openLog("/disk/log", machine.options());
  const found: Buffer[] = [];
  for await (const record of (await log.existingTopic("t")).read()) found.push(record.value as Buffer);
  deepEqual(
    found.map((bytes) => bytes.length),
    Array.from({ length: records }, () => value(0).length),
  );
  for (const [n, bytes] of found.entries()) ok(bytes.equals(value(n)), `record ${n} is what was appended`);
}
