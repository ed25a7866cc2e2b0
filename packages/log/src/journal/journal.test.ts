// The journal by itself, on a real disk that the tests hold up or let fail.
import assert from "node:assert/strict";
import { readdirSync, statSync } from "node:fs";
import { type TestContext, test } from "node:test";
import type { LogError } from "../errors.js";
import { type FileSystem, nodeFileSystem } from "../fs/index.js";
import {
  cleanUp,
  type DiskHook,
  type DiskOperation,
  Gate,
  hookedFileSystem,
  isPending,
  ManualClock,
  settlesSoon,
  temporaryDirectory,
  withCode,
} from "../test-support.js";
import { blockHeaderBytes, pageBytes } from "./block.js";
import { Journal, type JournalOptions } from "./journal.js";
import { JournalScan, type ScannedBlock } from "./journal-scan.js";
import type { Commit } from "./submission.js";

const writer = { epoch: 1, writerId: "00112233445566aa", start: 0 };
const kibibyte = 1024;

/**
 * A new journal with one block, so that its first file is there: 1 MiB, unless the options say otherwise. The hook
 * counts from when a test arms it.
 */
async function openJournal(t: TestContext, given: Partial<JournalOptions> = {}) {
  const directory = temporaryDirectory(t);
  let armed: DiskHook = () => undefined;
  const fs: FileSystem = hookedFileSystem((operation, path) => armed(operation, path));
  const options = {
    fileBytes: 1024 * kibibyte,
    bytesMax: 4096 * kibibyte,
    firstFileBytes: 1024 * kibibyte,
    syncEveryMs: 0,
    ...given,
  };
  const failures: LogError[] = [];
  const clock = new ManualClock();
  const journal = new Journal(
    fs,
    clock,
    directory,
    options,
    { epoch: writer.epoch, writerId: writer.writerId, sequence: 0, live: [], free: [] },
    { committed: () => undefined, failed: (error) => failures.push(error), cannotGrow: () => undefined },
  );
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closed ??= settlesSoon(journal.close(), "close");
    return closed;
  };
  cleanUp(t, close);
  journal.ring.endRecovery();
  await journal.append([Buffer.from("first")], true).durable;
  const arm = (hook: DiskHook): void => {
    armed = hook;
  };
  return { directory, journal, clock, failures, arm, close };
}

async function blocksIn(directory: string, start = 0): Promise<ScannedBlock[]> {
  const scan = new JournalScan(nodeFileSystem, directory, [writer], start);
  const blocks: ScannedBlock[] = [];
  for await (const block of scan.blocks()) blocks.push(block);
  await scan.checkEnd();
  await scan.close();
  return blocks;
}

const text = (payload: string): Buffer[] => [Buffer.from(payload)];

/** Appends durable payloads of 30,000 bytes, one after the other. */
async function appendLarge(journal: Journal, count: number): Promise<void> {
  for (let n = 0; n < count; n++) await journal.append([Buffer.alloc(30_000, n)], true).durable;
}

test("what waits while a block is written becomes one block with one sync", async (t) => {
  const { directory, journal, arm } = await openJournal(t);
  const gate = new Gate((operation) => operation === "writeSynced");
  arm(gate.hook);
  const { syncs } = journal.counters;
  const alone = journal.append(text("alone"), true);
  await settlesSoon(gate.reached, "the write");
  const together = ["a", "b", "c"].map((payload) => journal.append(text(payload), true));
  gate.release();
  await Promise.all([alone, ...together].map(({ durable }) => durable));
  assert.deepEqual(
    (await blocksIn(directory)).map(({ payload }) => payload.toString()),
    ["first", "alone", "abc"],
  );
  assert.deepEqual([alone.sequence, ...together.map(({ sequence }) => sequence)], [1, 2, 2, 2]);
  assert.equal(journal.counters.syncs - syncs, 2);
});

test("at most one write or sync is under way, however many append", async (t) => {
  const { journal, arm } = await openJournal(t, {
    fileBytes: 8192 * kibibyte,
    firstFileBytes: 8192 * kibibyte,
  });
  let underway = 0;
  let most = 0;
  arm(async (operation) => {
    if (!operation.startsWith("write") && operation !== "sync") return;
    most = Math.max(most, ++underway);
    await new Promise((resolve) => setImmediate(resolve));
    underway--;
  });
  const producers = Array.from({ length: 20 }, async (_, producer) => {
    for (let n = 0; n < 20; n++) await journal.append(text(`${producer}`), (n + producer) % 3 > 0).durable;
  });
  await settlesSoon(Promise.all(producers), "the producers");
  assert.equal(most, 1);
  assert.equal(journal.counters.payloads, 401);
  assert.ok(journal.counters.blocks < 401);
});

test("a group in which not all wait for a sync is written before it is durable", async (t) => {
  const { journal, arm } = await openJournal(t);
  const gate = new Gate((operation) => operation === "sync");
  arm(gate.hook);
  const unsynced = journal.append(text("y"), false);
  const commit = journal.append(text("x"), true);
  await settlesSoon(gate.reached, "the sync");
  await Promise.all([commit.written, unsynced.durable]);
  assert.ok(await isPending(commit.durable));
  assert.deepEqual([journal.writtenSequence, journal.syncedSequence], [1, 0]);
  gate.release();
  await commit.durable;
  assert.equal(journal.syncedSequence, 1);
});

test("a group that waits for a sync as a whole is written and synced in one call", async (t) => {
  const { journal, arm } = await openJournal(t);
  const operations: string[] = [];
  arm((operation) => {
    operations.push(operation);
  });
  const commit = journal.append(text("x"), true);
  await Promise.all([commit.durable, journal.append(text("y"), true).durable]);
  assert.deepEqual(operations, ["writeSynced"]);
  assert.deepEqual([journal.writtenSequence, journal.syncedSequence], [1, 1]);
  // What an unsynced block before it left to do is not done by it.
  operations.length = 0;
  await journal.append(text("unsynced"), false).durable;
  await journal.append(text("z"), true).durable;
  assert.deepEqual(operations, ["write", "write", "sync"]);
});

test("a payload that needs no sync gets none, and a later sync covers it", async (t) => {
  const { journal } = await openJournal(t);
  const { syncs } = journal.counters;
  await journal.append(text("x"), false).durable;
  assert.deepEqual([journal.counters.syncs - syncs, journal.syncedSequence], [0, 0]);
  await journal.sync();
  assert.deepEqual([journal.counters.syncs - syncs, journal.syncedSequence], [1, 1]);
});

test("pieces of any size make one payload, and each block starts on a page", async (t) => {
  const { directory, journal } = await openJournal(t);
  const sizes = [10, 20_000, 5, 16_384, 16_385, 0, 100, 40_000, 40_000, 1];
  const pieces = sizes.map((size, n) => Buffer.alloc(size, n + 1));
  for (const some of [
    pieces,
    pieces.slice(1),
    pieces.slice(0, 1),
    [Buffer.alloc(pageBytes - blockHeaderBytes, 7)],
  ]) {
    await journal.append(some, true).durable;
    const last = (await blocksIn(directory)).at(-1);
    assert.deepEqual(last?.payload, Buffer.concat(some));
    assert.equal((last?.position ?? 1) % pageBytes, 0);
  }
});

test("each block says up to where everything was synced when it was written", async (t) => {
  const { directory, journal } = await openJournal(t);
  await journal.append(text("1"), false).durable;
  await journal.append(text("2"), true).durable;
  await journal.append(text("3"), true).durable;
  const blocks = await blocksIn(directory);
  assert.deepEqual(
    blocks.map(({ sequence, syncedSequence }) => [sequence, syncedSequence]),
    [
      [0, -1],
      [1, 0],
      [2, 0],
      [3, 2],
    ],
  );
});

const ring = { fileBytes: 64 * kibibyte, firstFileBytes: 64 * kibibyte, bytesMax: 256 * kibibyte };

test("a block that does not fit into the file begins another one", async (t) => {
  const { directory, journal } = await openJournal(t, ring);
  await appendLarge(journal, 5);
  const blocks = await blocksIn(directory);
  assert.equal(blocks.length, 6);
  const files = [...new Set(blocks.map(({ fileNumber }) => fileNumber))];
  assert.ok(files.length >= 3, `${files.length} files`);
  for (const { position, payloadBytes } of blocks) assert.ok(position + payloadBytes <= ring.fileBytes);
});

test("the file that is left is synced before a block in the next one is acknowledged", async (t) => {
  const { directory, journal, arm } = await openJournal(t, ring);
  await journal.append([Buffer.alloc(30_000)], false).durable;
  const synced: string[] = [];
  arm((operation, path) => {
    if (operation === "sync") synced.push(path.slice(directory.length + 1));
  });
  await journal.append([Buffer.alloc(40_000)], true).durable;
  const [, left, next] = (await blocksIn(directory)).map(({ fileNumber }) => fileNumber);
  assert.deepEqual([left, next], [0, 1]);
  // A file that was made is also synced once, empty, before it is used.
  const first = synced.findIndex((name) => name.startsWith("00000000"));
  assert.ok(first >= 0 && first < synced.findLastIndex((name) => name.startsWith("00000001")), `${synced}`);
  assert.equal(journal.syncedSequence, 2);
});

test("a file is used again after trim, and the journal does not grow", async (t) => {
  const { directory, journal } = await openJournal(t, ring);
  for (let round = 0; round < 30; round++) {
    await appendLarge(journal, 1);
    await journal.ring.trim(journal.syncedSequence + 1);
    assert.ok(journal.ring.fileBytes <= ring.bytesMax, `${journal.ring.fileBytes} bytes`);
  }
  const numbers = new Set(
    (await blocksIn(directory, journal.ring.scanStart(journal.syncedSequence))).map((b) => b.fileNumber),
  );
  assert.ok(numbers.size <= 2);
  assert.ok(readdirSync(directory).length <= 4);
});

test("without trim no block is overwritten, and there is no room when the limit is reached", async (t) => {
  const { directory, journal } = await openJournal(t, ring);
  let count = 1;
  for (; count < 100; count++) {
    while (!journal.ring.hasRoom(30_000) && journal.ring.canGrow) await journal.ring.roomChange();
    if (!journal.ring.hasRoom(30_000)) break;
    await appendLarge(journal, 1);
  }
  assert.ok(5 <= count && count <= 8, `${count} blocks`);
  assert.ok(journal.ring.fileBytes <= ring.bytesMax);
  assert.deepEqual(
    (await blocksIn(directory)).map(({ sequence }) => sequence),
    Array.from({ length: count }, (_, n) => n),
  );
});

test("trim keeps every file that holds a block still needed", async (t) => {
  const { directory, journal } = await openJournal(t, ring);
  await appendLarge(journal, 5);
  await journal.ring.trim(3);
  await appendLarge(journal, 2);
  const sequences = (await blocksIn(directory, journal.ring.scanStart(3))).map(({ sequence }) => sequence);
  assert.ok(sequences.includes(3) && sequences.at(-1) === 7, `${sequences}`);
});

test("a small log gets a small first file, and larger ones as it grows", async (t) => {
  const { directory, journal, close } = await openJournal(t, {
    fileBytes: 256 * kibibyte,
    firstFileBytes: 64 * kibibyte,
  });
  assert.deepEqual(readdirSync(directory), ["00000000.journal"]);
  assert.equal(statSync(`${directory}/00000000.journal`).size, 64 * kibibyte);
  await appendLarge(journal, 20);
  await close();
  const sizes = readdirSync(directory).map((name) => statSync(`${directory}/${name}`).size);
  assert.equal(Math.max(...sizes), 256 * kibibyte);
});

test("rotation goes to another file, made for it if there is none", async (t) => {
  const { directory, journal } = await openJournal(t, ring);
  journal.ring.rotate();
  for (let n = 0; journal.ring.fileCount < 2; n++) await journal.append(text(`${n}`), true).durable;
  await journal.append(text("there"), true).durable;
  const numbers = (await blocksIn(directory)).map(({ fileNumber }) => fileNumber);
  assert.deepEqual([numbers[0], numbers.at(-1)], [0, 1]);
});

test("shrink gives back all free files but one", async (t) => {
  const { directory, journal } = await openJournal(t, ring);
  await appendLarge(journal, 6);
  await journal.ring.trim(journal.syncedSequence + 1);
  const before = readdirSync(directory).length;
  await journal.ring.shrink();
  const after = readdirSync(directory).filter((name) => name.endsWith(".journal"));
  assert.ok(after.length < before && after.length <= 2, `${after}`);
  await appendLarge(journal, 4);
});

for (const step of ["write", "sync", "writeSynced"] as const) {
  test(`after a failed ${step} nothing is acknowledged and nothing is tried again`, async (t) => {
    const { journal, arm, failures } = await openJournal(t);
    const operations: DiskOperation[] = [];
    const cause = new Error("the disk says no");
    arm((operation) => {
      operations.push(operation);
      if (operation === step) throw cause;
    });
    // What needs no sync makes the group be written first and synced then.
    const isAtOnce = step === "writeSynced";
    const unsynced = isAtOnce ? undefined : journal.append(text("unsynced"), false).durable;
    const commits: Commit[] = [journal.append(text("a"), true), journal.append(text("b"), true)];
    await (step === "write" ? assert.rejects(unsynced as Promise<void>) : unsynced);
    for (const { durable } of commits) await assert.rejects(durable, withCode("JOURNAL_FAILED"));
    assert.deepEqual(operations, step === "sync" ? ["write", "sync"] : [step]);
    const later = journal.append(text("c"), true);
    await assert.rejects(later.written, withCode("JOURNAL_FAILED"));
    await assert.rejects(journal.sync(), withCode("JOURNAL_FAILED"));
    assert.equal(operations.length, step === "sync" ? 2 : 1);
    assert.deepEqual([failures.length, failures[0]?.cause, journal.failure], [1, cause, failures[0]]);
    assert.equal(journal.syncedSequence, 0);
  });
}

test("a payload larger than a file is refused, and the journal goes on", async (t) => {
  const { journal } = await openJournal(t, ring);
  const large = journal.append([Buffer.alloc(64 * kibibyte)], true);
  await assert.rejects(large.durable, withCode("INVALID_ARGUMENT"));
  await journal.append(text("x"), true).durable;
});

test("closing ends what was queued; what comes later is refused with CLOSED", async (t) => {
  const { directory, journal, close } = await openJournal(t);
  const last = journal.append(text("last"), true);
  await close();
  await last.durable;
  await assert.rejects(journal.append(text("late"), true).durable, withCode("CLOSED"));
  assert.equal((await blocksIn(directory)).at(-1)?.payload.toString(), "last");
});

test("what waits is written as several blocks where one file could not hold it as one", async (t) => {
  const { directory, journal, arm } = await openJournal(t, {
    fileBytes: 64 * kibibyte,
    firstFileBytes: 64 * kibibyte,
  });
  const gate = new Gate((operation) => operation === "writeSynced");
  arm(gate.hook);
  const alone = journal.append(text("alone"), true);
  await settlesSoon(gate.reached, "the write");
  const large = [1, 2, 3].map((n) => journal.append([Buffer.alloc(30_000, n)], true));
  gate.release();
  await Promise.all([alone, ...large].map(({ durable }) => durable));
  assert.deepEqual(
    large.map(({ sequence }) => sequence),
    [2, 2, 3],
  );
  assert.equal((await blocksIn(directory)).length, 4);
});

test("a payload that no file could hold does not fit, and can be asked about before it is appended", async (t) => {
  const { journal } = await openJournal(t);
  journal.checkFits(1000 * kibibyte);
  assert.throws(() => journal.checkFits(1024 * kibibyte), withCode("INVALID_ARGUMENT"));
});

test("a closed journal has no room to wait for", async (t) => {
  const { journal, close } = await openJournal(t);
  await close();
  await assert.rejects(journal.ring.roomChange(), withCode("CLOSED"));
});

test("a free file that cannot be removed is reported, and the journal closes all the same", async (t) => {
  const { directory, journal, arm, close } = await openJournal(t, {
    fileBytes: 64 * kibibyte,
    firstFileBytes: 64 * kibibyte,
  });
  await appendLarge(journal, 8);
  await journal.ring.trim(journal.syncedSequence + 1);
  arm((operation) => {
    if (operation === "remove") throw new Error("cannot remove (EIO)");
  });
  const before = readdirSync(directory).length;
  await assert.rejects(journal.ring.shrink(), /EIO/);
  await close();
  assert.equal(readdirSync(directory).length, before);
});

test("a journal is busy while it writes, and for the moment in which the next write is likely", async (t) => {
  const { journal, clock, arm } = await openJournal(t);
  clock.advance(1000);
  assert.equal(journal.isBusy, false);
  const gate = new Gate((operation) => operation === "writeSynced");
  arm(gate.hook);
  const { durable } = journal.append(text("a"), true);
  await settlesSoon(gate.reached, "the write");
  clock.advance(1000);
  assert.equal(journal.isBusy, true);
  gate.release();
  await durable;
  // It still has to see whether anything else is waiting.
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(journal.isBusy, true);
  clock.advance(1000);
  assert.equal(journal.isBusy, false);
});

test("many small pieces of one block are all in it, in order", async (t) => {
  const { directory, journal } = await openJournal(t);
  const pieces = Array.from({ length: 40 }, (_, n) => Buffer.alloc(5000, n));
  await journal.append(pieces, true).durable;
  assert.deepEqual((await blocksIn(directory))[1]?.payload, Buffer.concat(pieces));
});

test("a rotation with nothing to leave behind changes nothing", async (t) => {
  const directory = temporaryDirectory(t);
  const journal = new Journal(
    nodeFileSystem,
    new ManualClock(),
    directory,
    { ...ring, syncEveryMs: 0 },
    { epoch: writer.epoch, writerId: writer.writerId, sequence: 0, live: [], free: [] },
    { committed: () => undefined, failed: () => undefined, cannotGrow: () => undefined },
  );
  cleanUp(t, () => journal.close());
  journal.ring.endRecovery();
  journal.ring.rotate();
  await journal.append([Buffer.from("first")], true).durable;
  assert.deepEqual(
    (await blocksIn(directory)).map(({ fileNumber }) => fileNumber),
    [0],
  );
});
