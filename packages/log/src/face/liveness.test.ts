// Whatever waits must come to an end: sync, deletion and closing under load, large records, a full journal.
import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { LogError } from "../errors.js";
import {
  type DiskOperation,
  driverNames,
  Gate,
  hookedFileSystem,
  openAt,
  openTestLog,
  settlesSoon,
  temporaryDirectory,
  valuesOf,
} from "../test-support.js";
import type { Log } from "./log.js";
import type { Topic } from "./topic.js";

/** Appends without end, several at a time, until told to stop. */
function startProducer(topic: Topic): { stop(): Promise<void> } {
  let isStopped = false;
  const lines = Array.from({ length: 4 }, async () => {
    while (!isStopped) await topic.append({ value: "busy" });
  });
  return {
    async stop() {
      isStopped = true;
      await Promise.all(lines);
    },
  };
}

for (const driver of driverNames) {
  test(`${driver}: a record larger than the share of memory for forming batches gets through`, async (t) => {
    const log = await openTestLog(t, driver, { tailBytesMax: 256 * 1024 });
    const topic = await log.topic("a");
    const appended = topic.append({ value: "x".repeat(300_000) });
    assert.equal((await settlesSoon(appended, "append")).offset, 0);
  });

  test(`${driver}: topics are made, changed and deleted without waiting for syncEveryMs`, async (t) => {
    const log = await openTestLog(t, driver, { syncEveryMs: 3_600_000 });
    const topic = await settlesSoon(log.topic("a"), "topic");
    await settlesSoon(topic.alter({ retentionMs: 5 }), "alter");
    await settlesSoon(log.deleteTopic("a"), "deleteTopic");
  });
}

/** A log that syncs once an hour, and a topic that it had before. */
async function openSeldomSynced(t: TestContext): Promise<{ log: Log; topic: Topic }> {
  const directory = temporaryDirectory(t);
  const before = await openAt(t, directory);
  await before.topic("a");
  await before.close();
  const log = await openAt(t, directory, { syncEveryMs: 3_600_000 });
  return { log, topic: await log.topic("a") };
}

test("sync does not wait for syncEveryMs", async (t) => {
  const { log, topic } = await openSeldomSynced(t);
  const receipts = [topic.append({ value: "first" })];
  await settlesSoon(log.sync(), "the first sync");
  receipts.push(topic.append({ value: "second" }));
  await settlesSoon(log.sync(), "the second sync");
  await settlesSoon(Promise.all(receipts), "the appends");
});

test("close does not wait for syncEveryMs", async (t) => {
  const { log, topic } = await openSeldomSynced(t);
  const receipt = topic.append({ value: "last" });
  await settlesSoon(log.close(), "close");
  assert.equal((await receipt).offset, 0);
});

test("sync ends though others go on appending", async (t) => {
  const log = await openTestLog(t, "file");
  const producer = startProducer(await log.topic("busy"));
  try {
    await settlesSoon(log.sync(), "sync");
  } finally {
    await producer.stop();
  }
});

test("a topic is deleted though others go on appending elsewhere", async (t) => {
  const log = await openTestLog(t, "file");
  await log.topic("quiet");
  const producer = startProducer(await log.topic("busy"));
  try {
    await settlesSoon(log.deleteTopic("quiet"), "deleteTopic");
  } finally {
    await producer.stop();
  }
});

test("a topic can be deleted while segments cannot be written", async (t) => {
  let failed = (): void => undefined;
  const hasFailed = new Promise<void>((resolve) => {
    failed = resolve;
  });
  const full = (operation: DiskOperation, path: string): void => {
    if (operation !== "write" || !path.includes("/topics/")) return;
    failed();
    throw new LogError("DISK_FULL", "no space left on the test's disk");
  };
  const log = await openAt(t, temporaryDirectory(t), {
    fileSystem: hookedFileSystem(full),
    journalBytesMax: 128 * 1024,
    tailBytesMax: 256 * 1024,
  });
  const topic = await log.topic("a", { durability: "os" });
  const receipts: Promise<unknown>[] = [];
  for (let n = 0; n < 20; n++)
    receipts.push(topic.append({ value: "x".repeat(20_000) }).catch(() => undefined));
  await hasFailed;
  await settlesSoon(log.deleteTopic("a"), "deleteTopic");
  await Promise.all(receipts);
});

test("a log whose journal was full when its process died opens again", async (t) => {
  const directory = temporaryDirectory(t);
  const image = temporaryDirectory(t);
  const gate = new Gate((operation, path) => operation === "write" && path.includes("/topics/"));
  const log = await openAt(t, directory, {
    fileSystem: hookedFileSystem(gate.hook),
    journalBytesMax: 128 * 1024,
    journalFileBytes: 64 * 1024,
  });
  const topic = await log.topic("a");
  let count = 0;
  for (;;) {
    const receipt = topic.append({ value: `${count}`.padEnd(10_000, ".") });
    const outcome = await Promise.race([
      receipt.then(() => "done"),
      new Promise((resolve) => setTimeout(resolve, 300, "stuck")),
    ]);
    if (outcome === "stuck") break;
    count++;
  }
  cpSync(directory, image, { recursive: true, filter: (path) => !path.includes("/lock-") });
  gate.release();
  await log.close();
  const again = await settlesSoon(
    openAt(t, image, { journalBytesMax: 128 * 1024, journalFileBytes: 64 * 1024 }),
    "opening",
  );
  const values = await valuesOf((await again.topic("a")).read());
  assert.deepEqual(
    values.slice(0, count).map((value) => Number.parseInt(value, 10)),
    Array.from({ length: count }, (_, n) => n),
  );
});

const journalSizes: [number, number | undefined, number][] = [
  // bytesMax, fileBytes, record bytes
  [128, 64, 30],
  [150, 64, 30],
  [1024, 400, 190],
  [1024, undefined, 250],
  [10 * 1024, 5 * 1024, 2000],
  [17 * 1024, undefined, 4200],
  [20 * 1024, 10 * 1024, 4700],
  [100 * 1024, undefined, 7000],
];
for (const [bytesMax, fileBytes, recordBytes] of journalSizes) {
  test(`a journal of ${bytesMax} KiB in files of ${fileBytes ?? "default"} takes records of ${recordBytes} KiB for ever`, async (t) => {
    const log = await openAt(t, temporaryDirectory(t), {
      journalBytesMax: bytesMax * 1024,
      ...(fileBytes === undefined ? {} : { journalFileBytes: fileBytes * 1024 }),
    });
    const topic = await log.topic("a", { maxMessageBytes: 16 * 1024 * 1024, durability: "os" });
    const value = Buffer.alloc(recordBytes * 1024, 7);
    const count = Math.ceil((bytesMax / recordBytes) * 3);
    for (let n = 0; n < count; n++) await settlesSoon(topic.append({ value }), `append ${n}`);
    await settlesSoon(log.close(), "close");
  });
}
