import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { test } from "node:test";
import type { Log, LogOptions, Topic } from "@strandlog/log";
import { openLog } from "@strandlog/log";
import { Crashed, Simulation, Violation } from "@strandlog/log/testing";
import { checkOrder, type DiskEvent, recordEvents } from "./disk-events.js";
import { exploreRecovery } from "./recovery.js";

const kibibyte = 1024;
const settings = { journalFileBytes: 64 * kibibyte, journalBytesMax: 128 * kibibyte, lanes: 1 };

function open(machine: Simulation, options: LogOptions = {}): Promise<Log> {
  return openLog("/disk/log", { ...settings, ...machine.options(), ...options });
}

/** Runs a test on a machine of its own. */
async function onMachine(action: (machine: Simulation) => Promise<void>): Promise<void> {
  const machine = new Simulation(1);
  await machine.run(action(machine));
}

async function values(topic: Topic): Promise<string[]> {
  const found: string[] = [];
  for await (const record of topic.read()) found.push(`${record.value}`);
  return found;
}

/** Where the journal was changed while the action ran. */
async function journalChange(
  machine: Simulation,
  action: () => Promise<unknown>,
): Promise<{ path: string; position: number }> {
  const files = [...machine.disk.root.files("")].filter(([path]) => path.endsWith(".journal"));
  const before = files.map(([, file]) => file.content);
  await action();
  for (const [index, [path, file]] of files.entries()) {
    const position = file.content.findIndex((byte, at) => byte !== before[index]?.[at]);
    if (position >= 0) return { path, position };
  }
  throw new Error("the journal did not change");
}

function pause(machine: Simulation, milliseconds: number): Promise<void> {
  return new Promise((resolve) => machine.clock.startTimer(milliseconds, resolve));
}

function damage(machine: Simulation, { path, position }: { path: string; position: number }): void {
  machine.disk.file(path)?.damage(position + 100, Buffer.from("damage"));
}

test("a torn last block is dropped on open", () =>
  onMachine(async (machine) => {
    const topic = await (await open(machine)).topic("t");
    await topic.append({ value: "kept" });
    const torn = await journalChange(machine, () => topic.append({ value: "torn" }, { durability: "os" }));
    damage(machine, torn);
    machine.crash("process");
    deepEqual(await values(await (await open(machine)).topic("t")), ["kept"]);
  }));

test("a damaged block before the last durable one is reported with its file and position", () =>
  onMachine(async (machine) => {
    const topic = await (await open(machine)).topic("t");
    const damaged = await journalChange(machine, () => topic.append({ value: "damaged" }));
    await topic.append({ value: "later" });
    await topic.append({ value: "the one that vouches for it" });
    damage(machine, damaged);
    machine.crash("process");
    await rejects(open(machine), (error: { code: string; details: Record<string, unknown> }) => {
      equal(error.code, "CORRUPT_JOURNAL");
      equal(error.details["path"], damaged.path);
      equal(error.details["position"], damaged.position);
      return true;
    });
  }));

for (const verb of ["sync", "write"] as const) {
  test(`a failed ${verb} of the journal poisons the log until it is opened again`, () =>
    onMachine(async (machine) => {
      const { disk } = machine;
      const log = await open(machine);
      const topic = await log.topic("t");
      await topic.append({ value: "before" });
      disk.faults = [{ code: "EIO", verbs: [verb], path: /\/journal\//, skip: 0, times: 1 }];
      const pending = [
        topic.append({ value: "lost" }),
        topic.append({ value: "lost" }, { durability: "os" }),
      ];
      const outcomes = await Promise.allSettled(pending);
      deepEqual(
        outcomes.map(({ status }) => status),
        ["rejected", "rejected"],
      );
      let journalOperations = 0;
      disk.onOperation = (_, path) => {
        if (path.includes("/journal/")) journalOperations++;
      };
      await rejects(topic.append({ value: "refused" }), { code: "JOURNAL_FAILED" });
      await rejects(log.sync(), { code: "JOURNAL_FAILED" });
      equal(journalOperations, 0, "nothing is tried again");
      deepEqual(await values(topic), ["before"]);
      await log.close();

      const again = await (await open(machine)).topic("t");
      ok((await values(again)).length <= 3, "nothing is invented");
      equal((await values(again))[0], "before");
      await again.append({ value: "after" });
      machine.crash("power");
      const last = await values(await (await open(machine)).topic("t"));
      equal(last[0], "before");
      equal(last.at(-1), "after");
    }));
}

test("a full disk makes appends wait, lets deletion through, and all resumes when there is space", () =>
  onMachine(async (machine) => {
    const { disk } = machine;
    const log = await open(machine);
    const topic = await log.topic("t");
    const value = (n: number): string => `${n}`.padEnd(6 * kibibyte, ".");
    // Both files of the ring exist before the disk is full.
    for (let n = 0; n < 12; n++) await topic.append({ value: value(n) });
    disk.freeBytes = 0;
    let acknowledged = 0;
    const pending = Array.from({ length: 40 }, async (_, n) => {
      await topic.append({ value: value(12 + n) });
      acknowledged++;
    });
    await pause(machine, 30_000);
    ok(acknowledged < pending.length, "some wait");
    ok((await log.stats()).storage.trouble !== undefined, "the trouble is visible");
    await topic.partition(0).deleteRecords(3);
    equal((await topic.partition(0).describe()).logStartOffset, 3);
    disk.freeBytes = Number.POSITIVE_INFINITY;
    await Promise.all(pending);
    machine.crash("power");
    const found = await values(await (await open(machine)).topic("t"));
    deepEqual(
      found,
      Array.from({ length: 49 }, (_, n) => value(n + 3)),
    );
  }));

for (const kind of ["power", "process"] as const) {
  test(`a ${kind} crash between the writing of segments and of the checkpoint file changes nothing`, async () => {
    const machine = new Simulation(1);
    const log = await machine.run(open(machine));
    const topic = await machine.run(log.topic("t", { segmentBytes: kibibyte }));
    const expected = Array.from({ length: 20 }, (_, n) => `${n}`.padEnd(300, "."));
    for (const value of expected) await machine.run(topic.append({ value }));
    machine.crashBefore((verb, path) => verb === "rename" && path.endsWith("checkpoint.tmp"), kind);
    await rejects(machine.run(log.close()), Crashed);
    const again = await machine.run(open(machine));
    deepEqual(await machine.run(again.topic("t").then(values)), expected);
    await machine.run(again.close());
    deepEqual(
      await machine.run(
        open(machine)
          .then((third) => third.topic("t"))
          .then(values),
      ),
      expected,
    );
  });
}

test("recovery may be interrupted at every step, twice in a row", async (t) => {
  const { points, steps } = await exploreRecovery(2);
  t.diagnostic(`${steps} steps, ${points} crashes`);
  ok(steps >= 8);
});

test("a journal file is used again only after what it held is in segments that are synced", async () => {
  const events: DiskEvent[] = [];
  const machine = new Simulation(5);
  machine.disguise = (disk) => recordEvents(disk, events);
  await machine.run(
    (async () => {
      const log = await open(machine);
      const topic = await log.topic("t", { partitions: 3, segmentBytes: 16 * kibibyte });
      for (let n = 0; n < 120; n++) await topic.append({ value: "x".repeat(3 * kibibyte), partition: n % 3 });
      await log.close();
    })(),
  );
  ok(checkOrder(events) >= 4, "files are used again");
  // The check sees what it looks for.
  for (const missing of [/^sync .*\.log$/, /^syncDirectory \/disk\/log$/, /^syncDirectory .*\/t-0$/]) {
    const others = events.filter(({ verb, path }) => !missing.test(`${verb} ${path}`));
    throws(() => checkOrder(others), Violation, `it does not miss ${missing}`);
  }
});
