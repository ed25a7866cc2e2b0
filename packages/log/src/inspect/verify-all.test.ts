import assert from "node:assert/strict";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { dumpFile, type VerifyReport, verifyDirectory } from "../format.js";
import { openLog } from "../index.js";
import { batchField, crc32c } from "../record/index.js";

const firstSegment = "topics/sample-0/00000000000000000000";

/** A log of one topic with several batches and several segments, closed. */
async function withSample(action: (directory: string) => Promise<void>): Promise<void> {
  const directory = fs.mkdtempSync(join(tmpdir(), "strandlog-verify-"));
  try {
    const log = await openLog(directory);
    const topic = await log.topic("sample", { segmentBytes: 16 * 1024 });
    for (let n = 0; n < 20; n++) await topic.append({ key: `key-${n}`, value: "x".repeat(2000) });
    await log.close();
    await action(directory);
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
}

/** A copy of a log's directory as a killed process would leave it: the journal holds everything. */
async function withKilled(action: (directory: string) => Promise<void>): Promise<void> {
  const directory = fs.mkdtempSync(join(tmpdir(), "strandlog-verify-"));
  const log = await openLog(`${directory}/open`);
  try {
    const topic = await log.topic("sample");
    for (let n = 0; n < 5; n++) await topic.append({ value: `value ${n}` });
    const filter = (path: string): boolean => !/lock-[0-9a-f]+$/.test(path);
    fs.cpSync(`${directory}/open`, `${directory}/killed`, { recursive: true, filter });
    await action(`${directory}/killed`);
  } finally {
    await log.close();
    fs.rmSync(directory, { recursive: true });
  }
}

function change(path: string, action: (content: Buffer) => Buffer): void {
  fs.writeFileSync(path, action(fs.readFileSync(path)));
}

function flip(path: string, position: number): void {
  change(path, (content) => {
    content[position] = (content[position] as number) ^ 0x01;
    return content;
  });
}

function brief({ damages }: VerifyReport): string[] {
  return damages.map(({ file, position, code, offsets }) => {
    const affected = offsets === undefined ? "" : ` ${offsets.from}-${offsets.to}`;
    return `${file.replace(/^.*?(?=topics|journal|checkpoint)/, "")} ${position} ${code}${affected}`;
  });
}

test("a log that was closed holds no damage and nothing to note", () =>
  withSample(async (directory) => {
    const report = await verifyDirectory(directory);
    assert.deepEqual(report.damages, []);
    assert.deepEqual(report.notes, []);
    assert.equal(report.records, 20);
    assert.ok(report.segments > 1);
  }));

test("a log whose process was killed holds no damage, and the journal's records are counted", () =>
  withKilled(async (directory) => {
    const report = await verifyDirectory(directory);
    assert.deepEqual(report.damages, []);
    assert.equal(report.records, 5);
  }));

test("a flipped byte in a record is reported with the file, the batch's position and its offsets", () =>
  withSample(async (directory) => {
    const content = fs.readFileSync(`${directory}/${firstSegment}.log`);
    const second = content.readInt32BE(batchField.batchLength) + 12;
    flip(`${directory}/${firstSegment}.log`, second + 500);
    assert.deepEqual(brief(await verifyDirectory(directory)), [
      `${firstSegment}.log ${second} CORRUPT_BATCH 1-1`,
    ]);
  }));

test("a damaged length is passed over up to the next good batch", () =>
  withSample(async (directory) => {
    flip(`${directory}/${firstSegment}.log`, batchField.batchLength + 2);
    assert.deepEqual(brief(await verifyDirectory(directory)), [`${firstSegment}.log 0 CORRUPT_BATCH 0-0`]);
  }));

test("a batch that carries another offset than the one that follows is reported", () =>
  withSample(async (directory) => {
    const path = `${directory}/${firstSegment}.log`;
    const second = fs.readFileSync(path).readInt32BE(batchField.batchLength) + 12;
    change(path, (content) => content.fill(0, second, second + 8));
    assert.deepEqual(brief(await verifyDirectory(directory)), [
      `${firstSegment}.log ${second} CORRUPT_BATCH 1-1`,
    ]);
  }));

test("records that do not decode are reported even when the checksum matches", () =>
  withSample(async (directory) => {
    change(`${directory}/${firstSegment}.log`, (content) => {
      const length = content.readInt32BE(batchField.batchLength) + 12;
      content[61] = 0x03; // The first record's length, as a varint: −2.
      content.writeUInt32BE(crc32c(content.subarray(batchField.attributes, length)), batchField.crc);
      return content;
    });
    assert.deepEqual(brief(await verifyDirectory(directory)), [`${firstSegment}.log 0 CORRUPT_BATCH 0-0`]);
  }));

test("a segment file that is too short is reported where it ends", () =>
  withSample(async (directory) => {
    const path = `${directory}/${firstSegment}.log`;
    const length = fs.statSync(path).size;
    fs.truncateSync(path, length - 10);
    const found = brief(await verifyDirectory(directory));
    assert.ok(
      found.some((damage) => damage.startsWith(`${firstSegment}.log ${length - 10} CORRUPT_SEGMENT`)),
    );
  }));

test("a missing segment file is reported with the offsets that went with it", () =>
  withSample(async (directory) => {
    fs.rmSync(`${directory}/${firstSegment}.log`);
    assert.deepEqual(brief(await verifyDirectory(directory)), [`${firstSegment}.log 0 CORRUPT_SEGMENT 0-6`]);
  }));

for (const suffix of [".index", ".timeindex"]) {
  test(`a flipped byte in ${suffix} is reported with its position`, () =>
    withSample(async (directory) => {
      flip(`${directory}/${firstSegment}${suffix}`, 9);
      assert.deepEqual(brief(await verifyDirectory(directory)), [`${firstSegment}${suffix} 9 CORRUPT_INDEX`]);
    }));

  test(`a ${suffix} that is missing is reported`, () =>
    withSample(async (directory) => {
      fs.rmSync(`${directory}/${firstSegment}${suffix}`);
      assert.deepEqual(brief(await verifyDirectory(directory)), [`${firstSegment}${suffix} 0 CORRUPT_INDEX`]);
    }));

  test(`a ${suffix} that is too short is reported where it ends`, () =>
    withSample(async (directory) => {
      fs.truncateSync(`${directory}/${firstSegment}${suffix}`, 5);
      assert.deepEqual(brief(await verifyDirectory(directory)), [`${firstSegment}${suffix} 5 CORRUPT_INDEX`]);
    }));
}

test("a flipped byte in the checkpoint is reported, and the segments are checked all the same", () =>
  withSample(async (directory) => {
    flip(`${directory}/checkpoint`, 200);
    flip(`${directory}/${firstSegment}.log`, 100);
    const found = brief(await verifyDirectory(directory));
    assert.deepEqual(found, ["checkpoint 0 CORRUPT_CHECKPOINT", `${firstSegment}.log 0 CORRUPT_BATCH 0-0`]);
  }));

test("a checkpoint that is missing beside data is damage", () =>
  withSample(async (directory) => {
    fs.rmSync(`${directory}/checkpoint`);
    assert.deepEqual(brief(await verifyDirectory(directory)), ["checkpoint 0 CORRUPT_CHECKPOINT"]);
  }));

/** Positions of the blocks in the only journal file that has some. */
async function blocksOf(directory: string): Promise<{ path: string; positions: number[] }> {
  const path = `${directory}/journal/${fs.readdirSync(`${directory}/journal`)[0]}`;
  const positions: number[] = [];
  for await (const { kind, position } of dumpFile(path)) if (kind === "block") positions.push(position);
  return { path, positions };
}

test("a journal block that later blocks know to be synced is damage when it does not read back", () =>
  withKilled(async (directory) => {
    const { path, positions } = await blocksOf(directory);
    const position = positions.at(-4) as number;
    flip(path, position + 100);
    const where = path.slice(directory.length + 1);
    assert.deepEqual(brief(await verifyDirectory(directory)), [`${where} ${position} CORRUPT_JOURNAL`]);
  }));

test("a torn last journal block is the end of the log and no damage", () =>
  withKilled(async (directory) => {
    const { path, positions } = await blocksOf(directory);
    flip(path, (positions.at(-1) as number) + 100);
    const report = await verifyDirectory(directory);
    assert.deepEqual(report.damages, []);
    assert.equal(report.records, 4);
  }));

test("bytes beyond the checkpointed length and unknown files are notes, not damage", () =>
  withSample(async (directory) => {
    fs.appendFileSync(`${directory}/${firstSegment}.log`, "rest of an interrupted checkpoint");
    fs.writeFileSync(`${directory}/stranger`, "");
    fs.mkdirSync(`${directory}/topics/gone-0`);
    fs.writeFileSync(`${directory}/topics/sample-0/00000000000000099999.log`, "");
    const { damages, notes } = await verifyDirectory(directory);
    assert.deepEqual(damages, []);
    assert.deepEqual(
      notes.map(({ file }) => file.slice(directory.length + 1)),
      [`${firstSegment}.log`, "stranger", "topics/gone-0", "topics/sample-0/00000000000000099999.log"],
    );
  }));

test("damage in one file does not keep that in another from being found", () =>
  withSample(async (directory) => {
    const logs = fs.readdirSync(`${directory}/topics/sample-0`).filter((name) => name.endsWith(".log"));
    for (const name of logs) flip(`${directory}/topics/sample-0/${name}`, 80);
    assert.equal((await verifyDirectory(directory)).damages.length, logs.length);
  }));

test("segments that the journal says are deleted may be missing", async () => {
  const directory = fs.mkdtempSync(join(tmpdir(), "strandlog-verify-"));
  const first = await openLog(directory);
  const topic = await first.topic("sample", { segmentBytes: 16 * 1024 });
  for (let n = 0; n < 20; n++) await topic.append({ value: "x".repeat(2000) });
  await first.close();
  const log = await openLog(directory);
  try {
    await (await log.topic("sample")).partition(0).deleteRecords(15);
    assert.ok(!fs.existsSync(`${directory}/${firstSegment}.log`));
    const report = await verifyDirectory(directory);
    assert.deepEqual(report.damages, []);
    await log.deleteTopic("sample");
    assert.deepEqual((await verifyDirectory(directory)).damages, []);
  } finally {
    await log.close();
    fs.rmSync(directory, { recursive: true });
  }
});

test("a directory without a log is an error", async () => {
  await assert.rejects(verifyDirectory("/nonexistent/strandlog"), { code: "IO" });
});

test("beside a writer that appends, checkpoints and deletes, nothing looks like damage", async () => {
  const directory = fs.mkdtempSync(join(tmpdir(), "strandlog-verify-"));
  const log = await openLog(directory, { tailBytesMax: 256 * 1024, journalBytesMax: 512 * 1024 });
  try {
    const topic = await log.topic("busy", { segmentBytes: 64 * 1024 });
    const verified = { isDone: false };
    const writing = (async () => {
      for (let n = 0; !verified.isDone; n++) {
        const { offset } = await topic.append({ value: "x".repeat(5000) });
        if (n % 50 === 49) await topic.partition(0).deleteRecords(offset - 20);
      }
    })();
    try {
      for (let run = 0; run < 20; run++) {
        assert.deepEqual((await verifyDirectory(directory)).damages, []);
      }
    } finally {
      verified.isDone = true;
      await writing;
    }
  } finally {
    await log.close();
    fs.rmSync(directory, { recursive: true });
  }
});
