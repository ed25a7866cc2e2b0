// Each kind of damage, repaired: what is left, what is told, what comes next. The row "bitflip" of the crash lab does the
// same for every byte.
import assert from "node:assert/strict";
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { dumpFile, type RepairReport, repairDirectory, verifyDirectory } from "../format.js";
import { openLog } from "../index.js";
import { batchLengthAt } from "../record/index.js";
import { openAt, temporaryDirectory, withCode } from "../test-support.js";
import { Crashed, Simulation } from "../testing/index.js";

const count = 20;
const firstLog = "topics/a-0/00000000000000000000.log";

/** A closed log: records 0 to 19 in as many batches and three segments. */
async function closedLog(t: TestContext): Promise<string> {
  const directory = temporaryDirectory(t);
  const log = await openLog(directory);
  const topic = await log.topic("a", { segmentBytes: 16 * 1024 });
  for (let n = 0; n < count; n++) await topic.append({ key: `${n}`, value: "x".repeat(2000) });
  await log.close();
  return directory;
}

/** As a killed process leaves it: records 0 to 9 of two topics, all of it in the journal, each in its own block. */
async function killedLog(t: TestContext): Promise<string> {
  const directory = temporaryDirectory(t);
  const log = await openAt(t, `${directory}/open`);
  const topics = [await log.topic("a"), await log.topic("b")];
  for (let n = 0; n < 10; n++) for (const topic of topics) await topic.append({ key: `${n}`, value: "v" });
  const filter = (path: string): boolean => !/lock-[0-9a-f]+$/.test(path);
  cpSync(`${directory}/open`, `${directory}/killed`, { recursive: true, filter });
  return `${directory}/killed`;
}

function change(path: string, action: (content: Buffer) => Buffer | undefined): void {
  const content = readFileSync(path);
  writeFileSync(path, action(content) ?? content);
}

function positionsIn(path: string): number[] {
  return batchStarts(readFileSync(path));
}

const lostIn = ({ lost }: RepairReport): string[] =>
  lost.map(({ topic, partition, from, to, isUncertain }) => {
    return `${topic}-${partition} ${from}-${to}${isUncertain ? " perhaps" : ""}`;
  });

/** Repairs, and makes sure that nothing is left to find, that the rest reads well, and that offsets go on. */
async function repaired(
  t: TestContext,
  directory: string,
  end: number = count,
): Promise<[RepairReport, number[]]> {
  const dry = await repairDirectory(directory, { dryRun: true });
  const report = await repairDirectory(directory);
  assert.deepEqual([dry.steps, dry.lost, dry.losses], [report.steps, report.lost, report.losses]);
  const { damages, notes } = await verifyDirectory(directory);
  assert.deepEqual([damages, notes], [[], []]);
  assert.deepEqual((await repairDirectory(directory)).steps, []);
  const log = await openAt(t, directory);
  const topic = await log.topic("a");
  const offsets: number[] = [];
  for await (const { offset, key } of topic.read()) {
    assert.equal(key?.toString(), `${offset}`);
    offsets.push(offset);
  }
  const { offset } = await topic.append({ key: "next", value: "" });
  assert.ok(offset >= end, `${offset} was given again`);
  return [report, offsets];
}

const upTo = (end: number, from = 0): number[] => Array.from({ length: end - from }, (_, n) => from + n);

test("a log without damage is left alone", async (t) => {
  const directory = await closedLog(t);
  const before = readdirSync(directory);
  const report = await repairDirectory(directory);
  assert.deepEqual([report.steps, report.lost, report.losses, report.kept], [[], [], [], undefined]);
  assert.deepEqual(readdirSync(directory), before);
});

test("a damaged batch is left out, what lies before and after it is kept, and so is a copy", async (t) => {
  const directory = await closedLog(t);
  const path = `${directory}/${firstLog}`;
  change(path, (content) =>
    content.fill(0, (positionsIn(path)[3] as number) + 500, (positionsIn(path)[3] as number) + 510),
  );
  const damaged = readFileSync(path);
  const [report, offsets] = await repaired(t, directory);
  assert.deepEqual(lostIn(report), ["a-0 3-3"]);
  assert.deepEqual(offsets, [...upTo(3), ...upTo(count, 4)]);
  assert.deepEqual(readFileSync(`${report.kept}/${firstLog}`), damaged);
  const told = JSON.parse(readFileSync(`${report.kept}/repair.json`, "utf8")) as RepairReport;
  assert.deepEqual(told.lost, report.lost);
});

test("a damaged header that its neighbours determine is put back, and nothing is lost", async (t) => {
  const directory = await closedLog(t);
  const path = `${directory}/${firstLog}`;
  const whole = readFileSync(path);
  const [, second = 0, third = 0] = positionsIn(path);
  change(path, (content) => content.fill(0xee, second, second + 17).fill(7, third + 12, third + 16));
  const [report, offsets] = await repaired(t, directory);
  assert.deepEqual([lostIn(report), offsets], [[], upTo(count)]);
  assert.deepEqual(readFileSync(path), whole);
});

test("batches that have changed places are put back into their order", async (t) => {
  const directory = await closedLog(t);
  const path = `${directory}/${firstLog}`;
  const whole = readFileSync(path);
  const [, second = 0, third = 0, fourth = 0] = positionsIn(path);
  const parts = [whole.subarray(0, second), whole.subarray(third, fourth), whole.subarray(second, third)];
  writeFileSync(path, Buffer.concat([...parts, whole.subarray(fourth)]));
  assert.deepEqual(lostIn((await repaired(t, directory))[0]), []);
  assert.deepEqual(readFileSync(path), whole);
});

test("a missing segment is given up, the others are kept", async (t) => {
  const directory = await closedLog(t);
  rmSync(`${directory}/${firstLog}`);
  const [report, offsets] = await repaired(t, directory);
  assert.deepEqual([lostIn(report), offsets], [["a-0 0-6"], upTo(count, 7)]);
});

test("offsets that the end of a log has lost are not given again, not even after another opening", async (t) => {
  const directory = await closedLog(t);
  const logs = readdirSync(`${directory}/topics/a-0`).filter((name) => name.endsWith(".log"));
  truncateSync(`${directory}/topics/a-0/${logs.at(-1)}`, 100);
  await repairDirectory(directory);
  await (await openLog(directory)).close();
  const [, offsets] = await repaired(t, directory);
  assert.deepEqual(offsets, upTo(14));
});

test("indexes are made anew, byte for byte", async (t) => {
  const directory = await closedLog(t);
  const paths = [".index", ".timeindex"].map((suffix) => `${directory}/${firstLog}`.replace(".log", suffix));
  const whole = paths.map((path) => readFileSync(path));
  rmSync(paths[0] as string);
  writeFileSync(paths[1] as string, "something else that is much too long to be an index");
  assert.deepEqual(lostIn((await repaired(t, directory))[0]), []);
  assert.deepEqual(
    paths.map((path) => readFileSync(path)),
    whole,
  );
});

test("what lies beyond what counts goes, and a copy is kept", async (t) => {
  const directory = await closedLog(t);
  change(`${directory}/${firstLog}`, (content) => Buffer.concat([content, Buffer.from("rest")]));
  writeFileSync(`${directory}/topics/a-0/00000000000000000999.log`, "left over");
  const [report, offsets] = await repaired(t, directory);
  assert.deepEqual([lostIn(report), offsets], [[], upTo(count)]);
  assert.ok(existsSync(`${report.kept}/topics/a-0/00000000000000000999.log`));
});

for (const damage of ["damaged", "missing"]) {
  test(`a ${damage} checkpoint file is replaced by its copy, and nothing is lost`, async (t) => {
    const directory = await closedLog(t);
    if (damage === "missing") rmSync(`${directory}/checkpoint`);
    else truncateSync(`${directory}/checkpoint`, 100);
    const [report, offsets] = await repaired(t, directory);
    assert.deepEqual([lostIn(report), offsets], [[], upTo(count)]);
  });
}

test("without a checkpoint file and without a good copy nothing is touched", async (t) => {
  const directory = await closedLog(t);
  rmSync(`${directory}/checkpoint`);
  change(`${directory}/checkpoint-copy`, (content) => content.fill(0, 200, 201));
  const before = readdirSync(directory);
  await assert.rejects(repairDirectory(directory), withCode("CORRUPT_CHECKPOINT"));
  assert.deepEqual(readdirSync(directory), before);
});

test("a log that is open is not repaired", async (t) => {
  const directory = await closedLog(t);
  await openAt(t, directory);
  await assert.rejects(repairDirectory(directory), withCode("LOCKED"));
});

/** Where the journal's blocks begin that hold a batch, in order. */
async function batchBlocks(directory: string): Promise<{ path: string; positions: number[] }> {
  const [name] = readdirSync(`${directory}/journal`);
  const path = `${directory}/journal/${name}`;
  const positions: number[] = [];
  let block = -1;
  for await (const { kind, position, fields } of dumpFile(path)) {
    if (kind === "block") block = position;
    else if (kind === "entry" && fields["type"] === "batch") positions.push(block);
  }
  return { path, positions };
}

test("a journal block that is lost leaves a gap, and the blocks behind it are kept", async (t) => {
  const directory = await killedLog(t);
  const { path, positions } = await batchBlocks(directory);
  assert.equal(positions.length, 20);
  change(path, (content) => content.fill(0, positions[6], (positions[6] as number) + 200)); // a's record 3
  const [report, offsets] = await repaired(t, directory, 10);
  assert.deepEqual([lostIn(report), offsets], [["a-0 3-3"], [...upTo(3), ...upTo(10, 4)]]);
  assert.deepEqual(report.losses.length, 1);
});

test("where nothing follows a lost block offsets are given up rather than given twice", async (t) => {
  const directory = await killedLog(t);
  const { path, positions } = await batchBlocks(directory);
  change(path, (content) => content.fill(0, positions[18], (positions[18] as number) + 64)); // a's record 9
  const [report, offsets] = await repaired(t, directory, 10);
  assert.deepEqual([lostIn(report), offsets], [["a-0 9-4104 perhaps"], upTo(9)]);
});

test("a journal file that has become shorter is repaired from what is left of it", async (t) => {
  const directory = await killedLog(t);
  const { path, positions } = await batchBlocks(directory);
  truncateSync(path, positions[10] as number);
  const [report, offsets] = await repaired(t, directory, 10);
  assert.deepEqual(offsets, upTo(5));
  assert.ok(report.lost.every(({ isUncertain, from, to }) => isUncertain && from === 5 && to > 10));
});

test("what a segment has lost and the journal still holds is not lost", async (t) => {
  const directory = temporaryDirectory(t);
  const log = await openAt(t, `${directory}/open`, {
    tailBytesMax: 256 * 1024,
    journalFileBytes: 1024 * 1024,
  });
  const topic = await log.topic("a");
  for (let n = 0; n < 60; n++) await topic.append({ key: `${n}`, value: "x".repeat(5000) });
  const filter = (path: string): boolean => !/lock-[0-9a-f]+$/.test(path);
  cpSync(`${directory}/open`, `${directory}/killed`, { recursive: true, filter });
  const path = `${directory}/killed/${firstLog}`;
  truncateSync(path, positionsIn(path)[10] as number);
  const [report, offsets] = await repaired(t, `${directory}/killed`, 60);
  assert.deepEqual([lostIn(report), offsets], [[], upTo(60)]);
});

/** Damages the first segment of a log with twelve records in two segments; tells which are left. */
const simulatedDamages: readonly (readonly [string, (content: Buffer) => void, readonly number[]])[] = [
  ["a batch", (content) => void content.fill(0, 1500, 1510), [0, ...upTo(12, 2)]],
  [
    "the order of two batches, and a third one",
    (content) => {
      const [, second = 0, third = 0] = batchStarts(content);
      const first = Buffer.from(content.subarray(0, second));
      content.copy(content, 0, second, third);
      first.copy(content, third - second);
      content.fill(0, third + 500, third + 510);
    },
    [0, ...upTo(12, 3)],
  ],
];

function batchStarts(content: Buffer): number[] {
  const starts: number[] = [];
  for (let at = 0; at < content.length; at += batchLengthAt(content, at)) starts.push(at);
  return starts;
}

for (const [what, damage, left] of simulatedDamages)
  test(`a repair of ${what} that a power cut interrupts anywhere can be run again`, async () => {
    for (let step = 0; ; step++) {
      const simulation = new Simulation(step);
      const { disk } = simulation;
      const log = await simulation.run(openLog("/disk/data", simulation.options()));
      const topic = await simulation.run(log.topic("a", { segmentBytes: 4096 }));
      for (let n = 0; n < 12; n++)
        await simulation.run(topic.append({ key: `${n}`, value: "x".repeat(1000) }));
      await simulation.run(log.close());
      const file = disk.file(`/disk/data/${firstLog}`);
      assert.ok(file !== undefined);
      const { content } = file;
      damage(content);
      file.damage(0, content);
      disk.file("/disk/data/checkpoint")?.damage(50, Buffer.alloc(10));
      simulation.crashAfter(step, "power");
      const repair = (): Promise<RepairReport> => {
        const { fileSystem, clock } = simulation.options();
        assert.ok(fileSystem !== undefined && clock !== undefined);
        return simulation.run(repairDirectory("/disk/data", { fileSystem, clock }));
      };
      const isWhole = await repair().then(
        () => true,
        (error: unknown) => {
          assert.ok(error instanceof Crashed, `${(error as Error).stack}`);
          return false;
        },
      );
      simulation.disarm();
      if (!isWhole) await repair();
      const again = await simulation.run(openLog("/disk/data", simulation.options()));
      const offsets: number[] = [];
      const read = async (): Promise<void> => {
        for await (const { offset } of (await again.topic("a")).read()) offsets.push(offset);
      };
      await simulation.run(read());
      assert.deepEqual(offsets, left, `after a power cut before step ${step}`);
      await simulation.run(again.close());
      if (isWhole) return;
    }
  });
