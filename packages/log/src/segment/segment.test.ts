// Segments as the log leaves them: when they roll, how a place in them is found, what happens when a file is damaged.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { systemClock } from "../clock.js";
import { LogError } from "../errors.js";
import type { GetResult, Partition } from "../face/partition.js";
import { type FileSystem, nodeFileSystem } from "../fs/index.js";
import { ImageFileSystem } from "../fuzz/image-file-system.js";
import type { TopicConfig } from "../options.js";
import { batchLengthAt, crc32c } from "../record/index.js";
import { collect, openAt, temporaryDirectory, withCode } from "../test-support.js";
import { emptySegment, FileCache, Segment, segmentName } from "./index.js";

interface Written {
  readonly directory: string;
  /** Where the partition's files are. */
  readonly files: string;
}

/** A closed log whose topic "a" has a batch for each timestamp; records take 300 bytes and tell their number. */
async function writeLog(
  t: TestContext,
  timestamps: readonly number[],
  config: Partial<TopicConfig>,
): Promise<Written> {
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory);
  const topic = await log.topic("a", { durability: "os", ...config });
  for (const [n, timestamp] of timestamps.entries())
    await topic.append({ value: `${n}`.padEnd(300, "."), timestamp });
  await log.close();
  return { directory, files: `${directory}/topics/a-0` };
}

async function openPartition(t: TestContext, directory: string): Promise<Partition> {
  return (await (await openAt(t, directory)).topic("a")).partition(0);
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
const named = (files: string, suffix: string): string[] =>
  readdirSync(files).filter((name) => name.endsWith(suffix));
const baseOffsets = (files: string): number[] =>
  named(files, ".log").map((name) => Number(name.slice(0, 20)));

/** Where each batch of a log file begins. */
function positionsIn(path: string): number[] {
  const content = readFileSync(path);
  const positions: number[] = [];
  for (let at = 0; at < content.length; at += batchLengthAt(content, at)) positions.push(at);
  return positions;
}

async function numberAt(partition: Partition, offset: number): Promise<number> {
  return Number.parseInt((await partition.get(offset)).record?.value?.toString() ?? "", 10);
}

test("a segment is as full as segmentBytes allows, and no fuller", async (t) => {
  const { files } = await writeLog(t, upTo(60), { segmentBytes: 4096 });
  const sizes = named(files, ".log").map((name) => statSync(`${files}/${name}`).size);
  assert.ok(sizes.length >= 5);
  assert.ok(Math.max(...sizes) <= 4096, `${sizes}`);
  assert.ok(Math.min(...sizes.slice(0, -1)) > 4096 - 400, `${sizes}`);
});

test("a segment ends when the next batch is younger than its first by more than segmentMs", async (t) => {
  const { files } = await writeLog(t, [0, 500, 1000, 1001, 1500, 2001, 2002, 9000], { segmentMs: 1000 });
  assert.deepEqual(baseOffsets(files), [0, 3, 6, 7]);
});

test("a batch larger than segmentBytes gets a segment of its own", async (t) => {
  const { files } = await writeLog(t, upTo(3), { segmentBytes: 1024 });
  assert.deepEqual(baseOffsets(files), [0, 2]);
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory);
  const topic = await log.topic("a", { segmentBytes: 1024 });
  for (const length of [10, 5000, 10]) await topic.append({ value: "x".repeat(length) });
  await log.close();
  assert.deepEqual(baseOffsets(`${directory}/topics/a-0`), [0, 1, 2]);
});

test("every offset is found among many segments, in any order", async (t) => {
  const { directory } = await writeLog(t, upTo(300), { segmentBytes: 8192 });
  const partition = await openPartition(t, directory);
  for (let n = 0; n < 300; n++) {
    const offset = (n * 101) % 300;
    assert.equal(await numberAt(partition, offset), offset);
  }
  const from = await collect(partition.read({ from: 217 }));
  assert.deepEqual(
    from.map(({ offset }) => offset),
    upTo(300).slice(217),
  );
});

test("a time leads to the first record at or after it, over many segments and out of order", async (t) => {
  const timestamps = upTo(300).map((n) => 10_000 + n * 10 + ((n * 37) % 23) * 20);
  const { directory } = await writeLog(t, timestamps, { segmentBytes: 8192 });
  const partition = await openPartition(t, directory);
  for (let time = 9990; time < 13_600; time += 7) {
    const found = timestamps.findIndex((timestamp) => timestamp >= time);
    assert.equal(await partition.offsetOf(new Date(time)), found < 0 ? 300 : found, `at ${time}`);
  }
});

const indexDamages: [string, (path: string) => void][] = [
  ["missing", (path) => rmSync(path)],
  ["empty", (path) => truncateSync(path, 0)],
  ["short", (path) => truncateSync(path, statSync(path).size - 3)],
  ["wrong", (path) => writeFileSync(path, readFileSync(path).reverse())],
  ["zeros", (path) => writeFileSync(path, Buffer.alloc(statSync(path).size))],
];
for (const [name, damage] of indexDamages) {
  test(`index files that are ${name} are rebuilt to the same bytes when they are needed`, async (t) => {
    const timestamps = upTo(100).map((n) => 10_000 + n * 10);
    const { directory, files } = await writeLog(t, timestamps, { segmentBytes: 16_384 });
    const indexes = readdirSync(files).filter((file) => /index$/.test(file));
    const contents = indexes.map((file) => readFileSync(`${files}/${file}`));
    assert.ok(contents.filter(({ length }) => length > 0).length >= 4);
    for (const file of indexes) if (statSync(`${files}/${file}`).size > 0) damage(`${files}/${file}`);
    const partition = await openPartition(t, directory);
    for (let n = 99; n >= 0; n--) {
      assert.equal(await numberAt(partition, n), n);
      assert.equal(await partition.offsetOf(new Date(10_000 + n * 10 - 5)), n);
    }
    for (const [index, file] of indexes.entries()) {
      assert.deepEqual(readFileSync(`${files}/${file}`), contents[index], file);
    }
  });
}

for (const [where, timestamp, batches] of [
  ["in the same segment", 5, 6],
  ["in another one", Date.now(), 5],
] as const) {
  test(`bytes beyond what was checkpointed are not read, and gone when the next checkpoint writes ${where}`, async (t) => {
    const { directory, files } = await writeLog(t, upTo(5), {});
    const path = `${files}/${"0".repeat(20)}.log`;
    const before = readFileSync(path);
    writeFileSync(path, Buffer.concat([before, before.subarray(0, 350)]));
    const log = await openAt(t, directory);
    const topic = await log.topic("a");
    assert.equal((await collect(topic.read())).length, 5);
    await topic.append({ value: "more", timestamp });
    await log.close();
    const after = readFileSync(path);
    assert.deepEqual(after.subarray(0, before.length), before);
    assert.equal(positionsIn(path).length, batches);
    if (batches === 5) assert.equal(after.length, before.length);
  });
}

const damagedBatch = 7;
const logDamages: [string, (content: Buffer, position: number) => Buffer][] = [
  ["a changed byte in its records", (content, at) => content.fill(0xff, at + 100, at + 101)],
  ["a changed length", (content, at) => content.fill(0x7f, at + 8, at + 9)],
  ["a changed offset", (content, at) => content.fill(0x01, at + 6, at + 7)],
  ["zeros", (content, at) => content.fill(0, at, at + 361)],
];
for (const [name, damage] of logDamages) {
  test(`a batch with ${name} is reported with file and position, and the others are read`, async (t) => {
    const { directory, files } = await writeLog(t, upTo(20), {});
    const path = `${files}/${"0".repeat(20)}.log`;
    const position = positionsIn(path)[damagedBatch] as number;
    writeFileSync(path, damage(readFileSync(path), position));
    const partition = await openPartition(t, directory);
    const isDamage = (error: unknown): boolean => {
      assert.ok(withCode("CORRUPT_SEGMENT")(error) && error instanceof LogError);
      assert.deepEqual(error.details, { path, position });
      assert.ok(error.message.includes(path) && error.message.includes(`${position}`));
      return true;
    };
    await assert.rejects(partition.get(damagedBatch), isDamage);
    await assert.rejects(collect(partition.read()), isDamage);
    for (const offset of upTo(damagedBatch)) assert.equal(await numberAt(partition, offset), offset);
  });
}

test("a segment that is cut short is reported with file and position", async (t) => {
  const { directory, files } = await writeLog(t, upTo(20), {});
  const path = `${files}/${"0".repeat(20)}.log`;
  const position = (positionsIn(path)[15] as number) + 20;
  truncateSync(path, position);
  const partition = await openPartition(t, directory);
  await assert.rejects(collect(partition.read()), (error) => {
    assert.ok(withCode("CORRUPT_SEGMENT")(error) && error instanceof LogError);
    assert.deepEqual(error.details, { path, position });
    return true;
  });
  await assert.rejects(partition.get(19), withCode("CORRUPT_SEGMENT"));
});

/** The real disk, counting the files that are open. */
function countingFileSystem(): { fs: FileSystem; most(): number } {
  let open = 0;
  let most = 0;
  const fs: FileSystem = {
    ...nodeFileSystem,
    async open(path, mode) {
      const file = await nodeFileSystem.open(path, mode);
      most = Math.max(most, ++open);
      return {
        read: (buffer, length, position) => file.read(buffer, length, position),
        write: (pieces, position) => file.write(pieces, position),
        writeSynced: (pieces, position) => file.writeSynced(pieces, position),
        sync: () => file.sync(),
        truncate: (length) => file.truncate(length),
        size: () => file.size(),
        close: () => {
          open--;
          return file.close();
        },
      };
    },
  };
  return { fs, most: () => most };
}

test("500 partitions are written, checkpointed and read with few descriptors", async (t) => {
  const directory = temporaryDirectory(t);
  const partitions = 500;
  const writing = countingFileSystem();
  const log = await openAt(t, directory, { fileSystem: writing.fs, openFilesMax: 16 });
  const topic = await log.topic("a", { partitions, durability: "os" });
  await Promise.all(upTo(partitions).map((partition) => topic.append({ value: `${partition}`, partition })));
  await log.close();
  assert.ok(writing.most() <= 30, `${writing.most()} files were open`);
  const reading = countingFileSystem();
  const again = await openAt(t, directory, { fileSystem: reading.fs, openFilesMax: 16 });
  const found = await collect((await again.topic("a")).read());
  assert.deepEqual(
    found.map(({ value }) => value?.toString()),
    upTo(partitions).map(String),
  );
  assert.ok(reading.most() <= 30, `${reading.most()} files were open`);
  assert.ok((await again.stats()).storage.openFiles <= 20);
});

test("an index that leads before the file's beginning is reported, though its checksum is right", async () => {
  const fs = new ImageFileSystem();
  const index = Buffer.alloc(8);
  index.writeInt32BE(-4096, 4);
  const directory = "topics/a-0";
  fs.files = new Map([
    [`${directory}/${segmentName(0)}.log`, Buffer.alloc(8192)],
    [`${directory}/${segmentName(0)}.index`, index],
  ]);
  const sizes = { nextOffset: 100, logBytes: 8192, offsetIndexBytes: 8, offsetIndexCrc: crc32c(index) };
  const segment = new Segment(
    new FileCache(fs, systemClock, 4),
    { directory },
    { ...emptySegment(0), ...sizes },
  );
  await assert.rejects(segment.read(50, 1000), withCode("CORRUPT_SEGMENT"));
});

/** A closed log of one segment: offsets 0 to 9, and from 20 to 29, a batch each. */
async function writeGap(t: TestContext): Promise<Written> {
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory);
  const topic = await log.topic("a");
  for (let n = 0; n < 20; n++)
    await topic.append({ value: `${n < 10 ? n : n + 10}` }, n === 10 ? { offset: 20 } : {});
  await log.close();
  return { directory, files: `${directory}/topics/a-0` };
}

/** Knows nothing of where records lie, as long as nothing was asked of it. */
async function besides(t: TestContext, directory: string): Promise<Partition> {
  return (await (await openAt(t, directory, { readOnly: true })).topic("a")).partition(0);
}

const damages: readonly (readonly [
  what: string,
  change: (content: Buffer, starts: readonly number[]) => void,
])[] = [
  [
    "moves into the gap before it",
    (content, starts) => void content.writeUInt8(18, (starts[10] as number) + 7),
  ],
  [
    "moves into the gap after it",
    (content, starts) => void content.writeUInt8(12, (starts[9] as number) + 7),
  ],
  ["claims an offset too large for a number", (content, starts) => void content.writeUInt8(0x7f, starts[5])],
  [
    "claims other offsets than it holds",
    (content, starts) => void content.writeUInt8(7, (starts[5] as number) + 26),
  ],
];

for (const [what, change] of damages) {
  test(`a batch that ${what} is damage for whoever comes across it, and no record is passed over`, async (t) => {
    const { directory, files } = await writeGap(t);
    const path = `${files}/${named(files, ".log")[0]}`;
    const content = readFileSync(path);
    change(content, positionsIn(path));
    writeFileSync(path, content);
    let refused = 0;
    for (const offset of [...upTo(10), ...upTo(10).map((n) => n + 20)]) {
      const partition = await besides(t, directory);
      const found = await partition.get(offset).catch((error: unknown) => error);
      if (found instanceof Error) {
        withCode("CORRUPT_SEGMENT")(found);
        refused++;
      } else assert.equal((found as GetResult).record?.value?.toString(), `${offset}`);
    }
    assert.ok(refused > 0);
    await assert.rejects(collect((await besides(t, directory)).read()), withCode("CORRUPT_SEGMENT"));
  });
}

test("a batch that leaves a gap is in the index", async (t) => {
  const { files } = await writeGap(t);
  const starts = positionsIn(`${files}/${named(files, ".log")[0]}`);
  const index = readFileSync(`${files}/${named(files, ".index")[0]}`);
  assert.deepEqual([index.length, index.readInt32BE(0), index.readInt32BE(4)], [8, 20, starts[10]]);
});
