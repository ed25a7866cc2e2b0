// Whatever is done through the public API, a clean close leaves a directory in which another reader of Kafka's formats
// finds nothing wrong: batches, offsets, both indexes, epochs, topic ids.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { type TestContext, test } from "node:test";
import { type Compression, type Log, openLog, type TopicConfig } from "@strandlog/log";
import { checkDirectory, readPartition } from "../interop/format-reader.js";

type Appended = Map<number, string>;

function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "strandlog-format-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Numbers that look random and are the same in each run. */
function sequenceOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Batches of changing size with keys, headers, nulls and timestamps out of order; answers what went where. */
async function fill(
  log: Log,
  topicName: string,
  rounds: number,
  config?: Partial<TopicConfig>,
): Promise<Appended[]> {
  const topic = await log.topic(topicName, config);
  const appended: Appended[] = Array.from({ length: topic.partitionCount }, () => new Map());
  const random = sequenceOf(rounds);
  for (let round = 0; round < rounds; round++) {
    const receipts = Array.from({ length: 1 + random(20) }, async (_, n) => {
      const value = `${round}-${n} ${"lorem ipsum ".repeat(random(30))}`;
      const key = random(3) === 0 ? null : `key-${random(50)}`;
      const headers = random(4) === 0 ? { source: "test", none: null } : undefined;
      const timestamp = 1_700_000_000_000 + round * 1000 - random(5000);
      const record = { key, value, timestamp, ...(headers === undefined ? {} : { headers }) };
      const { partition, offset } = await topic.append(record);
      appended[partition]?.set(offset, value);
    });
    await Promise.all(receipts);
  }
  return appended;
}

/** Nothing is wrong, and each partition holds what was appended to it, from its start offset on. */
function assertHolds(directory: string, topicName: string, appended: readonly Appended[], start = 0): void {
  const report = checkDirectory(directory);
  assert.deepEqual(report.problems, []);
  for (const [partition, expected] of appended.entries()) {
    if (expected.size === 0) continue;
    const found = readPartition(join(directory, "topics", `${topicName}-${partition}`));
    const values = found
      .filter(({ offset }) => offset >= start)
      .map(({ offset, value }) => [offset, Buffer.from(value ?? []).toString()]);
    const wanted = [...expected]
      .filter(([offset]) => offset >= start)
      .sort(([left], [right]) => left - right);
    assert.deepEqual(values, wanted);
  }
}

for (const compression of ["none", "gzip", "snappy", "lz4", "zstd"] as Compression[]) {
  test(`a topic with compression ${compression} and small segments is in order`, async (t) => {
    const directory = temporaryDirectory(t);
    const log = await openLog(directory);
    const appended = await fill(log, "a", 60, {
      compression,
      partitions: 3,
      segmentBytes: 16_384,
      durability: "os",
    });
    await log.close();
    assertHolds(directory, "a", appended);
  });
}

test("segments that roll by time are in order", async (t) => {
  const directory = temporaryDirectory(t);
  const log = await openLog(directory);
  const appended = await fill(log, "a", 60, { segmentMs: 5000, durability: "os" });
  await log.close();
  assertHolds(directory, "a", appended);
});

test("a log that many checkpoints wrote is in order", async (t) => {
  const directory = temporaryDirectory(t);
  const log = await openLog(directory, { tailBytesMax: 256 * 1024, journalBytesMax: 256 * 1024 });
  const appended = await fill(log, "a", 200, { partitions: 2, segmentBytes: 40_000, durability: "os" });
  assert.ok((await log.stats()).storage.checkpoints > 1);
  await log.close();
  assertHolds(directory, "a", appended);
});

test("a log that was opened again and again is in order, with an epoch for each opening", async (t) => {
  const directory = temporaryDirectory(t);
  const all: Appended = new Map();
  for (let opening = 0; opening < 5; opening++) {
    const log = await openLog(directory);
    const [appended = new Map()] = await fill(log, "a", 20 + opening);
    for (const [offset, value] of appended) all.set(offset, value);
    await log.close();
    assertHolds(directory, "a", [all]);
  }
});

test("what is left after deletions is in order", async (t) => {
  const directory = temporaryDirectory(t);
  let log = await openLog(directory);
  const [appended = new Map()] = await fill(log, "a", 60, { segmentBytes: 16_384 });
  await fill(log, "gone", 5);
  await log.close();
  log = await openLog(directory);
  const topic = await log.topic("a");
  const [more = new Map()] = await fill(log, "a", 10);
  const start = Math.floor((appended.size + more.size) / 2);
  await topic.partition(0).deleteRecords(start);
  await log.deleteTopic("gone");
  const again = await fill(log, "gone", 3);
  await log.close();
  assertHolds(directory, "a", [new Map([...appended, ...more])], start);
  assertHolds(directory, "gone", again);
});

test("records that were deleted before they reached a segment leave a gap that is in order", async (t) => {
  const directory = temporaryDirectory(t);
  let log = await openLog(directory);
  const [before = new Map()] = await fill(log, "a", 20);
  await log.close();
  log = await openLog(directory);
  await fill(log, "a", 20);
  await (await log.topic("a")).partition(0).deleteRecords("latest");
  const [after = new Map()] = await fill(log, "a", 21);
  await log.close();
  assertHolds(directory, "a", [after], Math.min(...after.keys()));
  assert.ok(before.size < Math.min(...after.keys()));
});

test("partitions that were added, and settings that changed on the way, are in order", async (t) => {
  const directory = temporaryDirectory(t);
  const log = await openLog(directory);
  const appended = await fill(log, "a", 20, { segmentBytes: 8192 });
  const topic = await log.topic("a");
  await topic.alter({ partitions: 3, compression: "zstd", segmentBytes: 4096, maxMessageBytes: 2000 });
  for (const [partition, more] of (await fill(log, "a", 21)).entries()) {
    appended[partition] = new Map([...(appended[partition] ?? []), ...more]);
  }
  await log.close();
  assertHolds(directory, "a", appended);
});

// Appends for ever, with checkpoints as often as a small journal makes them, and tells of each acknowledged record.
const writer = (directory: string): string => `
  import { openLog } from ${JSON.stringify(import.meta.resolve("@strandlog/log"))};
  const log = await openLog(${JSON.stringify(directory)}, { journalBytesMax: 256 * 1024, tailBytesMax: 256 * 1024 });
  const topic = await log.topic("a", { segmentBytes: 30_000, compression: "lz4" });
  for (;;) {
    const results = await Promise.all(Array.from({ length: 50 }, () => topic.append({ value: "killed ".repeat(50) })));
    process.stdout.write(results.map(({ offset }) => offset + "\\n").join(""));
  }`;

test("a log whose process was killed with -9 is in order after the next close, three times over", async (t) => {
  const directory = temporaryDirectory(t);
  let end = 0;
  for (let round = 0; round < 3; round++) {
    const child = spawn(process.execPath, ["--input-type=module", "-e", writer(directory)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exit = once(child, "exit");
    let told = "";
    for await (const text of (child.stdout as Readable).setEncoding("utf8")) {
      told += text as string;
      if (told.split("\n").length > 1500 + round * 500) child.kill("SIGKILL");
    }
    await exit;
    const last = Number(told.split("\n").at(-2));
    const log = await openLog(directory);
    const { highWatermark } = await (await log.topic("a")).partition(0).describe();
    assert.ok(highWatermark > last, `${last} was acknowledged, the log ends at ${highWatermark}`);
    await log.close();
    assert.deepEqual(checkDirectory(directory).problems, []);
    const offsets = readPartition(join(directory, "topics", "a-0")).map(({ offset }) => offset);
    assert.deepEqual(
      offsets,
      Array.from({ length: highWatermark }, (_, n) => n),
    );
    assert.ok(highWatermark > end);
    end = highWatermark;
  }
});
