// What may come in the way of opening a directory, and that it is no worse for it.
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { relative } from "node:path";
import { test } from "node:test";
import { LogError } from "../../errors.js";
import { openLog } from "../../open.js";
import {
  hookedFileSystem,
  ManualClock,
  openAt,
  temporaryDirectory,
  valuesOf,
  withCode,
} from "../../test-support.js";
import { Simulation } from "../../testing/index.js";

test("a disk without space for what must be written anew keeps a log closed, and loses nothing", async () => {
  const machine = new Simulation(1);
  const open = () => openLog("/disk/log", machine.options());
  const test = async (): Promise<void> => {
    const topic = await (await open()).topic("a");
    for (const value of ["0", "1", "2"]) await topic.append({ value }, { durability: "os" });
    machine.crash("process");
    machine.disk.freeBytes = 0;
    await assert.rejects(open(), withCode("DISK_FULL"));
    machine.disk.freeBytes = Number.POSITIVE_INFINITY;
    const again = await open();
    assert.deepEqual(await valuesOf((await again.topic("a")).read()), ["0", "1", "2"]);
    await again.close();
  };
  await machine.run(test());
});

test("a disk that fails while what is uncertain is written anew keeps a log closed, and loses nothing", async () => {
  const machine = new Simulation(1);
  const open = () => openLog("/disk/log", machine.options());
  const test = async (): Promise<void> => {
    const topic = await (await open()).topic("a");
    for (const value of ["0", "1", "2"]) await topic.append({ value }, { durability: "os" });
    machine.crash("process");
    machine.disk.faults = [{ code: "EIO", verbs: ["sync"], path: /journal$/, skip: 0, times: 1 }];
    await assert.rejects(open(), withCode("JOURNAL_FAILED"));
    const again = await open();
    assert.deepEqual(await valuesOf((await again.topic("a")).read()), ["0", "1", "2"]);
    await again.close();
  };
  await machine.run(test());
});

test("a failed log closes though a checkpoint was to be tried again", async (t) => {
  let isFailing = false;
  const fileSystem = hookedFileSystem((operation, path) => {
    const isJournal = path.endsWith(".journal");
    if (
      isJournal ? isFailing && operation.startsWith("write") : operation === "write" && path.endsWith(".log")
    )
      throw new LogError("IO", `${path}: EIO`);
  });
  const clock = new ManualClock();
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory, { fileSystem, clock, journalRotateMs: 1000 });
  const topic = await log.topic("a");
  await topic.append({ value: "0" });
  clock.advance(1000);
  while ((await log.stats()).storage.trouble === undefined)
    await new Promise((resolve) => setImmediate(resolve));
  isFailing = true;
  await assert.rejects(topic.append({ value: "1" }), withCode("JOURNAL_FAILED"));
  await log.close();
  assert.equal(clock.timerCount, 0);
  assert.deepEqual(await valuesOf((await (await openAt(t, directory)).topic("a")).read()), ["0"]);
});

test("a log whose journal directory is gone is not opened", async (t) => {
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory);
  await (await log.topic("a")).append({ value: "0" });
  await log.close();
  rmSync(`${directory}/journal`, { recursive: true });
  await assert.rejects(openLog(directory), withCode("IO"));
});

test("a log may lie in a directory that is named from where the process is", async (t) => {
  const directory = `${relative(process.cwd(), temporaryDirectory(t))}/some/where`;
  const log = await openAt(t, directory);
  await (await log.topic("a")).append({ value: "0" });
  await log.close();
  assert.deepEqual(await valuesOf((await (await openAt(t, directory)).topic("a")).read()), ["0"]);
});

/** A disk on which the directory above the log cannot be synced, for this reason. */
function refusing(parent: string, code: string) {
  return hookedFileSystem((operation, path) => {
    if (operation !== "syncDirectory" || path !== parent) return;
    throw new LogError("IO", `${path}: ${code}`, { cause: Object.assign(new Error(code), { code }) });
  });
}

test("a directory above the log that this process may not open does not keep it from being made", async (t) => {
  const parent = temporaryDirectory(t);
  for (const code of ["EACCES", "EPERM"])
    await (await openAt(t, `${parent}/${code}`, { fileSystem: refusing(parent, code) })).close();
});

test("a directory above the log that cannot be synced keeps it from being made", async (t) => {
  const parent = temporaryDirectory(t);
  await assert.rejects(openLog(`${parent}/log`, { fileSystem: refusing(parent, "EIO") }), withCode("IO"));
  assert.equal((await openAt(t, `${parent}/log`)).constructor.name, "Log");
});
