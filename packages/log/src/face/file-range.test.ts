// Descriptors of segment files through the public API: what they hold, how long they stay, what deletion does meanwhile.
import assert from "node:assert/strict";
import { createReadStream, existsSync, readdirSync, readSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { LogError } from "../errors.js";
import { type File, type FileSystem, nodeFileSystem } from "../fs/index.js";
import type { LogOptions } from "../open.js";
import type { FileRange } from "../storage/contracts.js";
import {
  collect,
  hookedFileSystem,
  ManualClock,
  openAt,
  openTestLog,
  settlesSoon,
  temporaryDirectory,
  valuesOf,
  withCode,
} from "../test-support.js";
import { decodeBatches } from "./decode-batches.js";
import type { Log } from "./log.js";
import type { Partition } from "./partition.js";
import type { FileRangeOptions } from "./raw.js";

const patienceMs = 60_000;
const rotateMs = 1000;
/** Readers no longer give way to the writer. */
const idleMs = 100;

function numbers(from: number, until: number): string[] {
  return Array.from({ length: until - from }, (_, n) => `${from + n}`);
}

/** Records "0" to count − 1 of topic "a", each in a batch of about 400 bytes, all in segments. */
async function written(t: TestContext, count: number, options?: LogOptions): Promise<[Log, string]> {
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory, options);
  await append(log, 0, count);
  await log.close();
  const again = await openAt(t, directory, options);
  if (options?.clock instanceof ManualClock) options.clock.advance(idleMs);
  return [again, directory];
}

async function append(log: Log, from: number, until: number): Promise<void> {
  const topic = await log.topic("a", { segmentBytes: 4096, durability: "os" });
  for (const value of numbers(from, until)) await topic.append({ value, headers: { pad: "x".repeat(300) } });
}

async function partitionOf(log: Log): Promise<Partition> {
  return (await log.topic("a")).partition(0);
}

async function rangeOf(partition: Partition, options: FileRangeOptions): Promise<FileRange> {
  const range = await partition.fileRange(options);
  assert.ok(range !== undefined);
  return range;
}

function bytesOf({ fd, position, length }: FileRange): Buffer {
  const bytes = Buffer.alloc(length);
  assert.equal(readSync(fd, bytes, 0, length, position), length);
  return bytes;
}

function valuesIn(range: FileRange): string[] {
  return Array.from(
    decodeBatches(bytesOf(range), { from: range.startOffset }),
    ({ value }) => value?.toString() ?? "",
  );
}

/** The same answers as long as nothing changes, one after the other to the end. */
async function valuesFrom(partition: Partition, options: FileRangeOptions): Promise<string[]> {
  const found: string[] = [];
  let from = options.from;
  for (;;) {
    await using range = await partition.fileRange({ ...options, from });
    if (range === undefined) return found;
    found.push(...valuesIn(range));
    from = range.next;
  }
}

const logFiles = (directory: string): string[] =>
  readdirSync(`${directory}/topics/a-0`).filter((name) => name.endsWith(".log"));

test("file ranges, one after the other, hold all that is in segments", async (t) => {
  const [log, directory] = await written(t, 100);
  assert.ok(logFiles(directory).length > 5);
  const partition = await partitionOf(log);
  for (const bytesMax of [1, 1000, 100_000]) {
    assert.deepEqual(await valuesFrom(partition, { from: 0, bytesMax }), numbers(0, 100));
  }
  assert.deepEqual(await valuesFrom(partition, { from: 37 }), numbers(37, 100));
  assert.deepEqual(await valuesFrom(partition, { from: "earliest" }), numbers(0, 100));
});

test("a file range is the bytes that a raw read answers, and its figures are the file's", async (t) => {
  const [log, directory] = await written(t, 100);
  const partition = await partitionOf(log);
  const raw = await partition.readRaw({ from: 37, bytesMax: 1500 });
  await using range = await rangeOf(partition, { from: 37, bytesMax: 1500 });
  assert.ok(bytesOf(range).equals(Buffer.concat([...raw.chunks])));
  assert.ok(range.length <= 1500 && range.length > 700);
  assert.deepEqual([range.startOffset, range.next], [37, raw.next]);
  assert.ok(range.path.startsWith(`${directory}/topics/a-0/`) && existsSync(range.path));
});

test("a file range can be streamed", async (t) => {
  const [log] = await written(t, 100);
  await using range = await rangeOf(await partitionOf(log), { from: 0 });
  const { fd, position, length } = range;
  for (let time = 0; time < 2; time++) {
    const stream = createReadStream("", {
      fd,
      start: position,
      end: position + length - 1,
      autoClose: false,
    });
    assert.ok(Buffer.concat(await collect(stream)).equals(bytesOf(range)));
  }
});

test("what is not in a segment yet has no file range, and has one after the next checkpoint", async (t) => {
  const clock = new ManualClock();
  const [log] = await written(t, 20, { clock, journalRotateMs: rotateMs });
  const partition = await partitionOf(log);
  await append(log, 20, 25);
  clock.advance(idleMs);
  assert.deepEqual(await valuesFrom(partition, { from: 0 }), numbers(0, 20));
  for (const from of [20, 24, 25, 99, "latest"] as const) {
    assert.equal(await partition.fileRange({ from }), undefined, `${from}`);
  }
  await checkpoint(log, clock);
  assert.deepEqual(await valuesFrom(partition, { from: 0 }), numbers(0, 25));
  assert.equal(await partition.fileRange({ from: 25 }), undefined);
});

/** Lets the journal rotate and waits until the checkpoint that follows has written the partition's tail. */
async function checkpoint(log: Log, clock: ManualClock): Promise<void> {
  const partition = await partitionOf(log);
  const { checkpoints } = (await log.stats()).storage;
  clock.advance(rotateMs);
  await until(async () => (await log.stats()).storage.checkpoints > checkpoints);
  assert.equal((await partition.describe()).tailRecords, 0);
  clock.advance(idleMs);
}

/** The checkpoint tells nobody but its channel when it ends, and that not when it fails. */
async function until(isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + patienceMs;
  while (!(await isTrue())) {
    assert.ok(Date.now() < deadline, "it takes too long");
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test("a range into a segment that grows keeps its end, and its bytes", async (t) => {
  const clock = new ManualClock();
  const [log] = await written(t, 3, { clock, journalRotateMs: rotateMs });
  const partition = await partitionOf(log);
  await using range = await rangeOf(partition, { from: 0 });
  const before = bytesOf(range);
  await append(log, 3, 6);
  await checkpoint(log, clock);
  assert.ok(bytesOf(range).equals(before));
  await using later = await rangeOf(partition, { from: range.next });
  assert.deepEqual([later.path, later.position], [range.path, range.position + range.length]);
  assert.deepEqual(valuesIn(later), numbers(3, 6));
});

test("a range begins at the log's start after a deletion", async (t) => {
  const [log] = await written(t, 100);
  const partition = await partitionOf(log);
  await partition.deleteRecords(55);
  await using range = await rangeOf(partition, { from: 3 });
  assert.equal(range.startOffset, 55);
  assert.equal(valuesIn(range)[0], "55");
});

const deletions: [string, (log: Log, partition: Partition) => Promise<void>][] = [
  ["its records are deleted", (_, partition) => partition.deleteRecords("latest")],
  ["its topic is deleted", (log) => log.deleteTopic("a")],
  ["the log is closed", (log) => log.close()],
];
for (const [name, action] of deletions) {
  test(`a range stays readable when ${name}, which does not wait for its release`, async (t) => {
    const [log, directory] = await written(t, 100);
    const partition = await partitionOf(log);
    const range = await rangeOf(partition, { from: 0 });
    const before = bytesOf(range);
    await settlesSoon(action(log, partition), name);
    assert.ok(bytesOf(range).equals(before));
    if (!name.startsWith("the log")) assert.ok(!existsSync(range.path), "on Linux its name goes at once");
    else assert.ok(existsSync(directory));
    await range.release();
  });
}

test("a topic that is made again is not what a range of the old one shows", async (t) => {
  const clock = new ManualClock();
  const [log] = await written(t, 100, { clock, journalRotateMs: rotateMs });
  await using old = await rangeOf(await partitionOf(log), { from: 0 });
  const before = bytesOf(old);
  await log.deleteTopic("a");
  await append(log, 0, 5);
  await checkpoint(log, clock);
  await using fresh = await rangeOf(await partitionOf(log), { from: 0 });
  assert.equal(fresh.path, old.path);
  assert.deepEqual(valuesIn(fresh), numbers(0, 5));
  assert.ok(bytesOf(old).equals(before));
});

test("ranges hold files beyond openFilesMax, and let go of them at their release", async (t) => {
  const [log] = await written(t, 100, { openFilesMax: 8 });
  const partition = await partitionOf(log);
  const openFiles = async (): Promise<number> => (await log.stats()).storage.openFiles;
  const ranges: FileRange[] = [];
  for (let n = 0; n < 50; n++) ranges.push(await rangeOf(partition, { from: 2 * n, bytesMax: 1 }));
  assert.ok((await openFiles()) >= 50);
  assert.deepEqual(await valuesOf(partition.read()), numbers(0, 100));
  for (const [n, range] of ranges.entries()) assert.deepEqual(valuesIn(range), [`${2 * n}`]);
  for (const range of ranges) await range.release();
  for (const range of ranges) await range.release();
  assert.ok((await openFiles()) <= 20);
});

test("a driver without files says that it has none", async (t) => {
  const partition = (await (await openTestLog(t, "memory")).topic("a")).partition(0);
  await assert.rejects(partition.fileRange({ from: 0 }), withCode("UNSUPPORTED"));
});

test("a file system without descriptors says so", async (t) => {
  const [log] = await written(t, 3, { fileSystem: hookedFileSystem(() => undefined) });
  const partition = await partitionOf(log);
  await assert.rejects(partition.fileRange({ from: 0 }), withCode("UNSUPPORTED"));
  assert.equal(await partition.fileRange({ from: 3 }), undefined);
});

test("asking for a file range refuses what it does not know", async (t) => {
  const [log] = await written(t, 3);
  const partition = await partitionOf(log);
  for (const wrong of [{}, { from: -1 }, { from: 0, bytesMax: 0 }, { from: 0, signal: 1 }, null, undefined]) {
    const options = wrong as unknown as FileRangeOptions;
    await assert.rejects(partition.fileRange(options), withCode("INVALID_ARGUMENT"));
  }
});

test("a closed log and a deleted topic have no ranges", async (t) => {
  const [log] = await written(t, 3);
  const partition = await partitionOf(log);
  await log.deleteTopic("a");
  await assert.rejects(partition.fileRange({ from: 0 }), withCode("TOPIC_NOT_FOUND"));
  await log.close();
  await assert.rejects(partition.fileRange({ from: 0 }), withCode("CLOSED"));
});

/** A disk as Windows has it: what is open is not removed. */
function clingingFileSystem(): FileSystem {
  const open = new Map<string, number>();
  const count = (path: string, change: number): void => {
    open.set(path, (open.get(path) ?? 0) + change);
  };
  const refuse = (path: string): void => {
    for (const [name, handles] of open) {
      if (handles === 0 || (name !== path && !name.startsWith(`${path}/`))) continue;
      throw new LogError("IO", `cannot remove ${path} (EBUSY)`, { details: { systemCode: "EBUSY" } });
    }
  };
  return {
    ...nodeFileSystem,
    async open(path, mode) {
      const file = await nodeFileSystem.open(path, mode);
      count(path, 1);
      const close = file.close.bind(file);
      return Object.assign(file, {
        close: async () => {
          await close();
          count(path, -1);
        },
      } satisfies Partial<File>);
    },
    async remove(path) {
      refuse(path);
      await nodeFileSystem.remove(path);
    },
    async removeDirectory(path) {
      refuse(path);
      await nodeFileSystem.removeDirectory(path);
    },
  };
}

test("where open files are not removed, a pinned one goes with a checkpoint after its release", async (t) => {
  const clock = new ManualClock();
  const options = { clock, journalRotateMs: rotateMs, fileSystem: clingingFileSystem() };
  const [log, directory] = await written(t, 100, options);
  const partition = await partitionOf(log);
  const range = await rangeOf(partition, { from: 50 });
  const before = bytesOf(range);
  await settlesSoon(partition.deleteRecords("latest"), "the deletion");
  assert.deepEqual(
    logFiles(directory).map((name) => `${directory}/topics/a-0/${name}`),
    [range.path],
  );
  await append(log, 100, 105);
  await checkpoint(log, clock);
  assert.ok(bytesOf(range).equals(before));
  assert.equal(logFiles(directory).length, 2);
  await range.release();
  await append(log, 105, 110);
  await checkpoint(log, clock);
  assert.ok(!existsSync(range.path));
  assert.deepEqual(await valuesOf(partition.read()), numbers(100, 110));
});

test("where open files are not removed, a topic that is made again waits for the release with its segments", async (t) => {
  const clock = new ManualClock();
  const options = { clock, journalRotateMs: rotateMs, fileSystem: clingingFileSystem() };
  const [log, directory] = await written(t, 100, options);
  const range = await rangeOf(await partitionOf(log), { from: 0 });
  const before = bytesOf(range);
  await settlesSoon(log.deleteTopic("a"), "the deletion");
  await append(log, 0, 5);
  clock.advance(rotateMs);
  await until(async () => (await log.stats()).storage.trouble !== undefined);
  assert.ok(bytesOf(range).equals(before), "nothing is written over it");
  assert.deepEqual(await valuesOf((await partitionOf(log)).read()), numbers(0, 5));
  await range.release();
  clock.advance(10_000);
  await until(async () => (await log.stats()).storage.trouble === undefined);
  clock.advance(idleMs);
  assert.deepEqual(await valuesFrom(await partitionOf(log), { from: 0 }), numbers(0, 5));
  await log.close();
  assert.deepEqual(logFiles(directory).length, 1);
  assert.deepEqual(await valuesOf((await partitionOf(await openAt(t, directory))).read()), numbers(0, 5));
});

test("where open files are not removed, a deleted topic's directory goes after the release", async (t) => {
  const clock = new ManualClock();
  const options = { clock, journalRotateMs: rotateMs, fileSystem: clingingFileSystem() };
  const [log, directory] = await written(t, 100, options);
  const range = await rangeOf(await partitionOf(log), { from: 0 });
  await settlesSoon(log.deleteTopic("a"), "the deletion");
  assert.ok(existsSync(range.path));
  await (await log.topic("b")).append({ value: "x" });
  const { checkpoints } = (await log.stats()).storage;
  clock.advance(rotateMs);
  await until(async () => (await log.stats()).storage.checkpoints > checkpoints);
  assert.ok(existsSync(range.path));
  await range.release();
  await log.close();
  assert.deepEqual(
    readdirSync(`${directory}/topics`).filter((name) => name.startsWith("a")),
    [],
  );
});
