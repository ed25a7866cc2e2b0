import assert from "node:assert/strict";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type DumpLine, dumpFile } from "../format.js";
import { openLog } from "../index.js";

/** A closed log with six records in six batches, the last one not text. */
async function withSample(action: (directory: string) => Promise<void>): Promise<void> {
  const directory = fs.mkdtempSync(join(tmpdir(), "strandlog-dump-"));
  try {
    const log = await openLog(directory);
    const topic = await log.topic("sample", { compression: "gzip" });
    for (let n = 0; n < 5; n++)
      await topic.append({ key: `k${n}`, value: `value ${n}`, headers: { h: "1" } });
    await topic.append({ value: Buffer.from([0xff, 0xfe]) });
    await log.close();
    await action(directory);
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
}

async function dumped(path: string, options: { records?: boolean } = {}): Promise<DumpLine[]> {
  const lines: DumpLine[] = [];
  for await (const line of dumpFile(path, options)) lines.push(line);
  return lines;
}

const kinds = (lines: readonly DumpLine[]): string[] => lines.map(({ kind }) => kind);
const logFile = "topics/sample-0/00000000000000000000.log";

test("a .log shows its batches and, if asked, their records", () =>
  withSample(async (directory) => {
    assert.deepEqual(kinds(await dumped(`${directory}/${logFile}`)), [...Array(6).fill("batch"), "file"]);
    const records = (await dumped(`${directory}/${logFile}`, { records: true })).filter(
      ({ kind }) => kind === "record",
    );
    assert.equal(records.length, 6);
    assert.match(records[0]?.text ?? "", /offset 0, .* key "k0" headers h="1" value "value 0"/);
    assert.equal(records[5]?.fields["value"], "0xfffe");
  }));

test("damage in a .log is one line among the others", () =>
  withSample(async (directory) => {
    const content = fs.readFileSync(`${directory}/${logFile}`);
    content[70] = (content[70] as number) ^ 1;
    fs.writeFileSync(`${directory}/${logFile}`, Buffer.concat([content, Buffer.alloc(100)]));
    const lines = await dumped(`${directory}/${logFile}`);
    assert.deepEqual(kinds(lines), ["damage", "note", ...Array(5).fill("batch"), "damage", "file"]);
    assert.match(lines[7]?.text ?? "", /100 bytes that are zeros/);
  }));

test("indexes show offsets and positions, and say when an entry is out of order or cut short", async (t) => {
  const directory = fs.mkdtempSync(join(tmpdir(), "strandlog-dump-"));
  t.after(() => fs.rmSync(directory, { recursive: true }));
  const entries = Buffer.alloc(20);
  entries.writeInt32BE(5, 0);
  entries.writeInt32BE(4100, 4);
  entries.writeInt32BE(3, 8);
  entries.writeInt32BE(8200, 12);
  const path = `${directory}/00000000000000000100.index`;
  fs.writeFileSync(path, entries);
  const lines = await dumped(path);
  assert.deepEqual(kinds(lines), ["index", "index", "damage", "damage", "file"]);
  assert.equal(lines[0]?.text, "0: offset 105 is in the batch at 4100");
  const times = `${directory}/00000000000000000100.timeindex`;
  fs.writeFileSync(times, Buffer.alloc(12));
  assert.deepEqual(kinds(await dumped(times)), ["time", "file"]);
});

test("a journal shows blocks with their entries, and which of them still count", async (t) => {
  const directory = fs.mkdtempSync(join(tmpdir(), "strandlog-dump-"));
  const log = await openLog(directory);
  t.after(async () => {
    await log.close();
    fs.rmSync(directory, { recursive: true });
  });
  const topic = await log.topic("sample");
  await topic.append({ value: "one" });
  await topic.append({ value: "two" });
  const path = `${directory}/journal/00000000.journal`;
  const live = await dumped(path, { records: true });
  const blocks = live.filter(({ kind }) => kind === "block");
  assert.ok(blocks.length >= 3);
  assert.ok(blocks.every(({ fields }) => fields["state"] === "live"));
  assert.ok(live.some(({ kind, text }) => kind === "entry" && text.includes("create sample-0 as number 1")));
  assert.ok(live.some(({ kind, text }) => kind === "record" && text.endsWith('value "two"')));
  await log.close();
  const done = (await dumped(path)).filter(({ kind }) => kind === "block");
  assert.ok(done.every(({ fields }) => fields["state"] === "done"));

  const last = blocks.at(-1)?.position as number;
  const content = fs.readFileSync(path);
  content[last + 100] = (content[last + 100] as number) ^ 1;
  content.copyWithin(last + 2 * 4096, 0, 4096);
  fs.writeFileSync(path, content);
  const changed = (await dumped(path)).filter(({ kind }) => kind === "block");
  assert.deepEqual(
    changed.map(({ fields }) => fields["state"]),
    [...blocks.slice(0, -1).map(() => "done"), "torn", "left over"],
  );
});

test("the text files show their content, and what is wrong with it", () =>
  withSample(async (directory) => {
    const checkpoint = await dumped(`${directory}/checkpoint`);
    assert.ok(
      checkpoint.some(({ text }) => text.startsWith("sample-0, number 1: starts at 0, in segments up to 6")),
    );
    assert.ok(!kinds(checkpoint).includes("damage"));
    assert.deepEqual(kinds(await dumped(`${directory}/topics/sample-0/partition.metadata`)), ["line"]);
    assert.deepEqual(kinds(await dumped(`${directory}/topics/sample-0/leader-epoch-checkpoint`)), ["line"]);
    const recoveryPoints = `${directory}/topics/recovery-point-offset-checkpoint`;
    const offsets = await dumped(recoveryPoints);
    assert.deepEqual(
      offsets.map(({ kind, text }) => [kind, text]),
      [["line", "4: sample-0: 6"]],
    );
    fs.writeFileSync(recoveryPoints, "0\n1\nsample 0\n");
    assert.deepEqual(kinds(await dumped(recoveryPoints)), ["damage", "damage"]);

    const changed = fs
      .readFileSync(`${directory}/checkpoint`, "utf8")
      .replace('"recoveryPoint":6', '"recoveryPoint":7');
    fs.writeFileSync(`${directory}/checkpoint`, changed);
    const damaged = await dumped(`${directory}/checkpoint`);
    assert.equal(damaged[0]?.kind, "damage");
    assert.ok(damaged.some(({ text }) => text.includes("in segments up to 7")));
    fs.writeFileSync(`${directory}/checkpoint`, changed.replace('"segments":', '"parts":'));
    assert.deepEqual(kinds(await dumped(`${directory}/checkpoint`)), ["damage"]);
    fs.writeFileSync(`${directory}/topics/sample-0/partition.metadata`, "version: 9");
    assert.deepEqual(kinds(await dumped(`${directory}/topics/sample-0/partition.metadata`)), ["damage"]);
    fs.writeFileSync(`${directory}/topics/sample-0/leader-epoch-checkpoint`, "0\n2\n1 0\nx\n");
    assert.deepEqual(kinds(await dumped(`${directory}/topics/sample-0/leader-epoch-checkpoint`)), [
      "line",
      "damage",
      "damage",
    ]);
  }));

test("a file that is none of ours is refused, one that is missing is an I/O error", async () => {
  await assert.rejects(dumped("/etc/hostname"), { code: "INVALID_ARGUMENT" });
  await assert.rejects(dumped("/nonexistent/00000000000000000000.log"), { code: "IO" });
});
