// Back-pressure, the memory budget, and the three settings that make the log wait on purpose.
import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { cpSync, readdirSync, readFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { LogError } from "../errors.js";
import { decodeBlockHeader } from "../journal/index.js";
import type { LogOptions } from "../open.js";
import {
  cleanUp,
  Gate,
  hookedFileSystem,
  isPending,
  ManualClock,
  openAt,
  settlesSoon,
  temporaryDirectory,
  valuesOf,
  withCode,
} from "../test-support.js";
import type { Log } from "./log.js";
import type { AppendResult, Receipt } from "./receipt.js";
import type { Topic } from "./topic.js";

const kibibyte = 1024;
const value = "x".repeat(1000);

interface Held {
  readonly log: Log;
  readonly topic: Topic;
  readonly gate: Gate;
}

/** A log with little memory, whose journal is held up from the first record on. */
async function openHeld(t: TestContext, options: LogOptions = {}): Promise<Held> {
  let isArmed = false;
  const gate = new Gate(
    (operation, path) => isArmed && operation.startsWith("write") && path.includes("/journal/"),
  );
  const fileSystem = hookedFileSystem(gate.hook);
  const log = await openAt(t, temporaryDirectory(t), {
    fileSystem,
    tailBytesMax: 256 * kibibyte,
    ...options,
  });
  const topic = await log.topic("a");
  isArmed = true;
  cleanUp(t, () => gate.release());
  return { log, topic, gate };
}

/** Appends until the first record has to wait; answers all receipts, its own last. */
function fill(topic: Topic): Receipt[] {
  const receipts: Receipt[] = [];
  for (let n = 0; n < 1000; n++) {
    const receipt = topic.append({ value });
    receipts.push(receipt);
    if (receipt.offset === undefined) return receipts;
  }
  throw new Error("a thousand records fit into the memory of a hundred");
}

function offsetsOf(results: readonly AppendResult[]): number[] {
  return results.map(({ offset }) => offset);
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n);
}

test("an append beyond the budget waits, and gets its place when there is room", async (t) => {
  const { log, topic, gate } = await openHeld(t);
  const receipts = fill(topic);
  const last = receipts.at(-1) as Receipt;
  assert.ok(await isPending(last));
  const { formingBytes, waitingBytes } = await log.stats();
  assert.ok(formingBytes > 60 * kibibyte && formingBytes <= 64 * kibibyte, `${formingBytes}`);
  assert.ok(waitingBytes >= 1000);
  gate.release();
  const results = await settlesSoon(Promise.all(receipts), "the appends");
  assert.deepEqual(offsetsOf(results), upTo(receipts.length));
  assert.equal(last.offset, receipts.length - 1);
  assert.equal((await log.stats()).waitingBytes, 0);
});

test("a small record does not overtake a large one that waits", async (t) => {
  const { topic, gate } = await openHeld(t);
  const receipts = fill(topic);
  receipts.push(topic.append({ value: "x".repeat(30_000) }), topic.append({ value: "" }));
  assert.equal(receipts.at(-1)?.offset, undefined);
  gate.release();
  const results = await settlesSoon(Promise.all(receipts), "the appends");
  assert.deepEqual(offsetsOf(results), upTo(receipts.length));
});

test("a record that waited is written with the level that was asked for", async (t) => {
  const { topic, gate } = await openHeld(t);
  const before = fill(topic);
  const levels = ["os", "memory", "disk"] as const;
  const waiting = levels.map((durability) => topic.append({ value }, { durability }));
  gate.release();
  await settlesSoon(Promise.all(before), "the appends");
  const results = await settlesSoon(Promise.all(waiting), "the appends");
  assert.deepEqual(
    results.map(({ durability }) => durability),
    levels,
  );
});

test("a signal ends the wait for room, and the record never comes", async (t) => {
  const { log, topic, gate } = await openHeld(t);
  const receipts = fill(topic);
  const { waitingBytes } = await log.stats();
  const stop = new AbortController();
  const given = topic.append({ value: "withdrawn" }, { signal: stop.signal });
  stop.abort(new Error("enough"));
  await assert.rejects(given, /enough/);
  await assert.rejects(topic.append({ value: "withdrawn" }, { signal: stop.signal }), /enough/);
  assert.equal((await log.stats()).waitingBytes, waitingBytes);
  gate.release();
  await settlesSoon(Promise.all(receipts), "the appends");
  assert.deepEqual(new Set(await valuesOf(topic.read())), new Set([value]));
});

test("a signal that comes when the record has its place changes nothing", async (t) => {
  const { topic, gate } = await openHeld(t);
  const before = fill(topic);
  const stop = new AbortController();
  const receipt = topic.append({ value: "stays" }, { signal: stop.signal });
  gate.release();
  await settlesSoon(Promise.all([...before, receipt]), "the appends");
  stop.abort(new Error("too late"));
  assert.equal((await valuesOf(topic.read())).at(-1), "stays");
});

test("who chose not to wait is refused with BACKPRESSURE, and no offset is used up", async (t) => {
  const { topic, gate } = await openHeld(t);
  const receipts = fill(topic);
  const refused = topic.append({ value }, { wait: false });
  assert.equal(refused.offset, undefined);
  await assert.rejects(refused, (error) => {
    assert.ok(withCode("BACKPRESSURE")(error) && error instanceof LogError);
    return error.retriable;
  });
  gate.release();
  await settlesSoon(Promise.all(receipts), "the appends");
  assert.equal((await topic.append({ value }, { wait: false })).offset, receipts.length);
});

test("when the line is full, appends are refused with BACKPRESSURE and the line is served", async (t) => {
  const { log, topic, gate } = await openHeld(t, { waitingBytesMax: 2500 });
  const receipts = fill(topic);
  receipts.push(topic.append({ value }));
  for (let n = 0; n < 3; n++) await assert.rejects(topic.append({ value }), withCode("BACKPRESSURE"));
  assert.ok((await log.stats()).waitingBytes <= 2500);
  gate.release();
  const results = await settlesSoon(Promise.all(receipts), "the appends");
  assert.deepEqual(offsetsOf(results), upTo(receipts.length));
});

test("closing serves those who wait", async (t) => {
  const { log, topic, gate } = await openHeld(t);
  const receipts = fill(topic);
  const closed = log.close();
  gate.release();
  await settlesSoon(closed, "close");
  assert.deepEqual(offsetsOf(await Promise.all(receipts)), upTo(receipts.length));
});

for (const durability of ["disk", "os", "memory"] as const) {
  test(`a producer of level ${durability} that never awaits stays within the budget`, async (t) => {
    const settings = { tailBytesMax: 1024 * kibibyte, waitingBytesMax: 512 * kibibyte };
    const journal = { journalBytesMax: 1024 * kibibyte, journalFileBytes: 256 * kibibyte };
    const log = await openAt(t, temporaryDirectory(t), { ...settings, ...journal });
    const topic = await log.topic("a", { durability, partitions: 3 });
    const outcomes: Promise<string>[] = [];
    let bytesMax = 0;
    for (let burst = 0; burst < 12; burst++) {
      for (let n = 0; n < 1000; n++) {
        const receipt = topic.append({ value, partition: n % 3 });
        outcomes.push(
          receipt.then(
            () => "done",
            (error: LogError) => error.code,
          ),
        );
      }
      const { formingBytes, waitingBytes, storage } = await log.stats();
      bytesMax = Math.max(bytesMax, formingBytes + storage.tailBytes);
      assert.ok(
        formingBytes + storage.tailBytes <= settings.tailBytesMax,
        `${formingBytes} and ${storage.tailBytes}`,
      );
      assert.ok(waitingBytes <= settings.waitingBytesMax, `${waitingBytes} wait`);
    }
    const codes = await settlesSoon(Promise.all(outcomes), "the appends");
    assert.deepEqual([...new Set(codes)].sort(), ["BACKPRESSURE", "done"]);
    assert.ok(bytesMax > settings.tailBytesMax / 4, "the budget is put to use");
    const records = codes.filter((code) => code === "done").length;
    assert.equal((await valuesOf(topic.read())).length, records);
  });
}

test("with syncEveryMs an append of level disk waits for the next sync, which serves all", async (t) => {
  const clock = new ManualClock();
  const log = await openAt(t, temporaryDirectory(t), { clock, syncEveryMs: 1000 });
  const topic = await log.topic("a");
  const { syncs } = (await log.stats()).storage;
  const receipts: Receipt[] = [];
  for (let n = 0; n < 5; n++) {
    receipts.push(topic.append({ value: `${n}` }));
    // Once this one is acknowledged, the record before it has been written too.
    await topic.append({ value: "os" }, { durability: "os" });
    clock.advance(199);
  }
  assert.ok(await isPending(receipts[0] as Receipt));
  assert.deepEqual(await valuesOf(topic.read()), []);
  clock.advance(5);
  await settlesSoon(Promise.all(receipts), "the appends");
  assert.equal((await log.stats()).storage.syncs, syncs + 1);
  assert.equal((await valuesOf(topic.read())).length, 10);
});

test("with lingerMs a group forms that long and is then written as one", async (t) => {
  const clock = new ManualClock();
  const log = await openAt(t, temporaryDirectory(t), { clock, lingerMs: 10 });
  const topic = await log.topic("a");
  const { groups } = (await log.stats()).storage;
  const receipts = [topic.append({ value: "0" })];
  clock.advance(9);
  receipts.push(topic.append({ value: "1" }));
  assert.ok(await isPending(Promise.race(receipts)));
  assert.equal((await log.stats()).storage.groups, groups);
  clock.advance(1);
  await settlesSoon(Promise.all(receipts), "the appends");
  assert.equal((await log.stats()).storage.groups, groups + 1);
});

test("with lingerMs a group forms that long however large it becomes while another is written", async (t) => {
  const clock = new ManualClock();
  const log = await openAt(t, temporaryDirectory(t), { clock, lingerMs: 10 });
  const topic = await log.topic("a");
  const { groups } = (await log.stats()).storage;
  const first = topic.append({ value: "0" });
  clock.advance(10);
  const value = Buffer.alloc(1024 * 1024 - 200);
  const large = [topic.append({ value }), topic.append({ value })];
  await settlesSoon(first, "the first append");
  assert.ok(await isPending(Promise.race(large)));
  assert.equal((await log.stats()).storage.groups, groups + 1);
  clock.advance(10);
  await settlesSoon(Promise.all(large), "the large appends");
});

test("sync and close do not wait for lingerMs", async (t) => {
  const log = await openAt(t, temporaryDirectory(t), { clock: new ManualClock(), lingerMs: 10 });
  const topic = await log.topic("a");
  const first = topic.append({ value: "0" });
  await settlesSoon(log.sync(), "sync");
  await settlesSoon(first, "the append");
  const second = topic.append({ value: "1" });
  await settlesSoon(log.close(), "close");
  assert.equal((await second).offset, 1);
});

test("with journalRotateMs the journal begins a file anew, and what it held to segments", async (t) => {
  // As after a crash: the writer has begun a file of its own, so there is another one to go to.
  const directory = temporaryDirectory(t);
  const crashedPath = temporaryDirectory(t);
  const crashed = await openAt(t, crashedPath);
  await (await crashed.topic("a")).append({ value: "0" });
  cpSync(crashedPath, directory, { recursive: true, filter: (path) => !path.includes("/lock-") });
  const clock = new ManualClock();
  const log = await openAt(t, directory, { clock, journalRotateMs: 1000 });
  const topic = await log.topic("a");
  // The newest block that begins a file.
  const newestFirst = (): number =>
    Math.max(
      ...readdirSync(`${directory}/journal`).map(
        (name) => decodeBlockHeader(readFileSync(`${directory}/journal/${name}`))?.sequence ?? -1,
      ),
    );
  const before = newestFirst();
  const ended = new Promise<void>((resolve) => {
    const listener = (message: unknown): void => {
      if ((message as { directory: string }).directory === directory) resolve();
    };
    subscribe("strandlog:checkpoint", listener);
    cleanUp(t, () => void unsubscribe("strandlog:checkpoint", listener));
  });
  clock.advance(999);
  assert.equal((await log.stats()).storage.segmentBytes, 0);
  clock.advance(1);
  await settlesSoon(ended, "the checkpoint");
  const { tailBytes, segmentBytes } = (await log.stats()).storage;
  assert.equal(tailBytes, 0);
  assert.ok(segmentBytes > 0);
  await topic.append({ value: "1" });
  assert.ok(newestFirst() > before);
  assert.deepEqual(await valuesOf(topic.read()), ["0", "1"]);
});
