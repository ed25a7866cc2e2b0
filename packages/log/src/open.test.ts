// Opening: who may, what is refused and left alone, how recovery reports, and closing.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { Readable } from "node:stream";
import { type TestContext, test } from "node:test";
import { LogError } from "./errors.js";
import type { Log } from "./face/log.js";
import type { Topic } from "./face/topic.js";
import { type LogOptions, openLog } from "./open.js";
import { crc32c } from "./record/index.js";
import type { RecoveryProgress } from "./storage/file/open-file-storage.js";
import { cleanUp, openAt, settlesSoon, temporaryDirectory, valuesOf, withCode } from "./test-support.js";

/** A log with the records "0" to count − 1 in the topic "a", each in its own batch. */
async function openWith(
  t: TestContext,
  directory: string,
  count: number,
  options?: LogOptions,
): Promise<Log> {
  const log = await openAt(t, directory, options);
  const topic = await log.topic("a");
  for (let n = 0; n < count; n++) await topic.append({ value: `${n}` });
  return log;
}

/** A directory with a log of three records that was closed. */
async function closedLog(t: TestContext): Promise<string> {
  const directory = temporaryDirectory(t);
  await (await openWith(t, directory, 3)).close();
  return directory;
}

/** What a killed process would leave behind. */
function imageOf(t: TestContext, directory: string): string {
  const image = temporaryDirectory(t);
  cpSync(directory, image, { recursive: true, filter: (path) => !path.includes("/lock-") });
  return image;
}

/** A process that opens the directory, appends "child" to the topic "a", and then holds the log open. */
async function startHolder(t: TestContext, directory: string): Promise<ChildProcess> {
  const door = new URL("./index.js", import.meta.url).href;
  const program = `import { openLog } from ${JSON.stringify(door)};
    const log = await openLog(${JSON.stringify(directory)});
    await (await log.topic("a")).append({ value: "child" });
    process.stdout.write("open");
    setInterval(() => undefined, 1 << 30);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  cleanUp(t, () => stop(child));
  await settlesSoon(once(child.stdout as Readable, "data"), "the child's opening");
  return child;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill("SIGKILL");
  await exit;
}

const values = async (log: Log): Promise<string[]> => valuesOf((await log.topic("a")).read());

test("a second writer learns which process holds the directory", async (t) => {
  const directory = temporaryDirectory(t);
  const holder = await startHolder(t, directory);
  await assert.rejects(openLog(directory), (error) => {
    assert.ok(withCode("LOCKED")(error) && error instanceof LogError);
    assert.equal(error.details["pid"], holder.pid);
    assert.match(error.message, new RegExp(`process ${holder.pid} `));
    return true;
  });
});

test("a second writer in the same process is refused too", async (t) => {
  const directory = temporaryDirectory(t);
  await openWith(t, directory, 1);
  await assert.rejects(openLog(directory), withCode("LOCKED"));
});

test("the lock of a process killed with -9 is no obstacle, and its record is there", async (t) => {
  const directory = temporaryDirectory(t);
  await stop(await startHolder(t, directory));
  assert.ok(readdirSync(directory).some((name) => name.startsWith("lock-")));
  assert.deepEqual(await values(await openAt(t, directory)), ["child"]);
});

test("a directory with other people's files is left alone", async (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(`${directory}/notes.txt`, "mine");
  await assert.rejects(openLog(directory), withCode("FOREIGN_DIRECTORY"));
  assert.deepEqual(readdirSync(directory), ["notes.txt"]);
});

test("a directory that an interrupted first opening left behind is opened", async (t) => {
  const directory = temporaryDirectory(t);
  for (const name of ["journal", "topics"]) mkdirSync(`${directory}/${name}`);
  writeFileSync(`${directory}/checkpoint.tmp`, "half");
  await openWith(t, directory, 1);
});

const damages: [
  string,
  (path: string, content: Buffer) => void,
  "CORRUPT_CHECKPOINT" | "UNSUPPORTED_VERSION",
][] = [
  [
    "of a newer version",
    (p, c) => {
      const body = c.subarray(c.indexOf(10) + 1);
      const crc = crc32c(body, 1).toString(16).padStart(8, "0");
      writeFileSync(p, `strandlog-checkpoint 2 ${crc} ${body.length}\n${body}`);
    },
    "UNSUPPORTED_VERSION",
  ],
  [
    "with a damaged version",
    (p, c) => writeFileSync(p, c.toString().replace("point 1 ", "point 3 ")),
    "CORRUPT_CHECKPOINT",
  ],
  ["with a changed byte", (p, c) => writeFileSync(p, c.with(c.length - 20, 1)), "CORRUPT_CHECKPOINT"],
  ["that is cut short", (p, c) => writeFileSync(p, c.subarray(0, -1)), "CORRUPT_CHECKPOINT"],
  ["that is empty", (p) => writeFileSync(p, ""), "CORRUPT_CHECKPOINT"],
  ["that holds something else", (p) => writeFileSync(p, "hello\n"), "CORRUPT_CHECKPOINT"],
  ["that is missing", (p) => rmSync(p), "CORRUPT_CHECKPOINT"],
];
for (const [name, damage, code] of damages) {
  test(`a checkpoint file ${name} is refused with ${code}, and nothing is lost`, async (t) => {
    const directory = await closedLog(t);
    const path = `${directory}/checkpoint`;
    const content = readFileSync(path);
    damage(path, content);
    await assert.rejects(openLog(directory), (error) => {
      assert.ok(withCode(code)(error) && error instanceof LogError);
      assert.equal(error.details["path"], path);
      return true;
    });
    writeFileSync(path, content);
    assert.deepEqual(await values(await openAt(t, directory)), ["0", "1", "2"]);
  });
}

test("a journal block of a newer version is refused with UNSUPPORTED_VERSION", async (t) => {
  const directory = temporaryDirectory(t);
  await openWith(t, directory, 1);
  const image = imageOf(t, directory);
  const path = `${image}/journal/00000000.journal`;
  const file = readFileSync(path);
  file.writeUInt16BE(2, 4);
  file.writeUInt32BE(crc32c(file.subarray(0, 60)), 60);
  writeFileSync(path, file);
  await assert.rejects(openLog(image), withCode("UNSUPPORTED_VERSION"));
});

const isRoot = process.getuid?.() === 0;
test("missing permissions are reported with the system's code", {
  skip: isRoot ? "root may do everything" : false,
}, async (t) => {
  const directory = await closedLog(t);
  cleanUp(t, () => chmodSync(`${directory}/checkpoint`, 0o600));
  chmodSync(`${directory}/checkpoint`, 0o000);
  await assert.rejects(openLog(directory), (error) => {
    assert.ok(withCode("IO")(error) && error instanceof LogError);
    assert.equal(error.details["systemCode"], "EACCES");
    return true;
  });
});

test("a path through a file is reported with the system's code", async (t) => {
  const file = `${temporaryDirectory(t)}/file`;
  writeFileSync(file, "");
  await assert.rejects(openLog(`${file}/log`), (error) => {
    assert.ok(withCode("IO")(error) && error instanceof LogError);
    assert.equal(error.details["systemCode"], "ENOTDIR");
    return true;
  });
});

test("after close every call answers CLOSED", async (t) => {
  const log = await openWith(t, temporaryDirectory(t), 1);
  const topic: Topic = await log.topic("a");
  const partition = topic.partition(0);
  await log.close();
  const calls: (() => Promise<unknown>)[] = [
    () => log.topic("a"),
    () => log.createTopic("b"),
    () => log.existingTopic("a"),
    () => log.topics(),
    () => log.deleteTopic("a"),
    () => log.sync(),
    () => log.stats(),
    () => topic.append({ value: "x" }),
    () => topic.alter({ retentionMs: 1 }),
    () => topic.describe(),
    () => topic.read().next(),
    () => partition.read().next(),
    () => partition.readBatches().next(),
    () => partition.get(0),
    () => partition.offsetOf("latest"),
    () => partition.deleteRecords(0),
    () => partition.describe(),
  ];
  for (const call of calls) await assert.rejects(call, withCode("CLOSED"), call.toString());
});

test("closing twice, at once or later, is closing once", async (t) => {
  const directory = temporaryDirectory(t);
  const log = await openWith(t, directory, 1);
  await Promise.all([log.close(), log.close(), log[Symbol.asyncDispose]()]);
  await log.close();
  assert.deepEqual(await values(await openAt(t, directory)), ["0"]);
});

const badOptions: Record<string, unknown>[] = [
  { tailByteMax: 1 },
  { lanes: 0 },
  { lanes: 1.5 },
  { lanes: "2" },
  { tailBytesMax: 1 },
  { syncEveryMs: -1 },
  { readOnly: "yes" },
  { journalBytesMax: 1024 * 1024, journalFileBytes: 1024 * 1024 },
];
for (const options of badOptions) {
  test(`the options ${JSON.stringify(options)} are refused before anything is made`, async (t) => {
    const directory = `${temporaryDirectory(t)}/log`;
    const given = options as LogOptions;
    await assert.rejects(openLog(directory, given), withCode("INVALID_ARGUMENT"));
    await assert.rejects(openLog("memory:", given), withCode("INVALID_ARGUMENT"));
    assert.throws(() => readdirSync(directory), { code: "ENOENT" });
  });
}

test("a location that is none is refused", async () => {
  for (const location of ["", "a\0b"]) await assert.rejects(openLog(location), withCode("INVALID_ARGUMENT"));
});

test("recovery tells how far it has come", async (t) => {
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory);
  const topic = await log.topic("a");
  const value = Buffer.alloc(1_000_000, 7);
  for (let n = 0; n < 20; n++) await topic.append({ value });
  const told: RecoveryProgress[] = [];
  await openAt(t, imageOf(t, directory), { onRecovery: (progress) => told.push(progress) });
  assert.deepEqual(
    told.map(({ phase }) => phase),
    ["replay", "replay", "done"],
  );
  const [first, second, done] = told as [RecoveryProgress, RecoveryProgress, RecoveryProgress];
  assert.ok(0 < first.bytes && first.bytes < second.bytes && second.bytes < done.bytes);
  assert.ok(20_000_000 <= done.bytes && done.bytes < 20_100_000);
  assert.ok(done.blocks >= 20);
});
