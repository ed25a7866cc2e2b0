// What a scan takes for a block that counts, where it ends, and what it calls damage. The files are written here.
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { LogError } from "../errors.js";
import { nodeFileSystem } from "../fs/index.js";
import { crc32c } from "../record/index.js";
import { cleanUp, temporaryDirectory, withCode } from "../test-support.js";
import {
  type BlockHeader,
  type BlockPlace,
  blockHeaderBytes,
  blockSpan,
  encodeBlockHeader,
  pageBytes,
} from "./block.js";
import { JournalScan, type WriterEpoch } from "./journal-scan.js";

const first: WriterEpoch = { epoch: 1, writerId: "1111111111111111", start: 0 };
const second: WriterEpoch = { epoch: 2, writerId: "2222222222222222", start: 3 };
const zeros = Buffer.alloc(pageBytes);

/** A block of one page, or more if the payload is larger; unless told otherwise the one before it was synced. */
function block(
  sequence: number,
  more: Partial<BlockHeader> & { payload?: string } = {},
  place?: BlockPlace,
): Buffer {
  const payload = Buffer.from(more.payload ?? `block ${sequence}`);
  const bytes = Buffer.alloc(blockSpan(payload.length));
  const header = {
    epoch: first.epoch,
    writerId: first.writerId,
    sequence,
    syncedSequence: sequence - 1,
    payloadBytes: payload.length,
    payloadCrc: crc32c(payload),
    ...more,
  };
  encodeBlockHeader(bytes, header, place);
  bytes.set(payload, blockHeaderBytes);
  return bytes;
}

/** The same block with one byte of its payload changed. */
function torn(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy[blockHeaderBytes] = (copy[blockHeaderBytes] as number) ^ 1;
  return copy;
}

type Files = Record<number, Buffer[]>;

function writeFiles(directory: string, files: Files): void {
  for (const [number, blocks] of Object.entries(files)) {
    writeFileSync(`${directory}/0000000${number}.journal`, Buffer.concat([...blocks, zeros]));
  }
}

function scanOf(
  t: TestContext,
  files: Files,
  writers: WriterEpoch[] = [first],
  start = 0,
): [JournalScan, string] {
  const directory = temporaryDirectory(t);
  writeFiles(directory, files);
  const scan = new JournalScan(nodeFileSystem, directory, writers, start);
  cleanUp(t, () => scan.close());
  return [scan, directory];
}

async function payloadsOf(scan: JournalScan): Promise<string[]> {
  const payloads: string[] = [];
  for await (const { payload } of scan.blocks()) payloads.push(payload.toString());
  return payloads;
}

const blocksUpTo = (count: number, from = 0): string[] =>
  Array.from({ length: count - from }, (_, n) => `block ${from + n}`);

/** The scan finds blocks `from` to `count` − 1 and takes what follows for the torn end, if there is anything. */
async function findsUpTo(scan: JournalScan, count: number, from = 0): Promise<void> {
  assert.deepEqual(await payloadsOf(scan), blocksUpTo(count, from));
  await scan.checkEnd();
}

test("blocks follow each other in a file, and then begin another one", async (t) => {
  const large = { payload: "x".repeat(10_000) };
  const [scan] = scanOf(t, { 0: [block(2), block(3)], 1: [block(0), block(1, large)], 2: [block(4)] });
  const found = await payloadsOf(scan);
  assert.deepEqual(found, ["block 0", large.payload, "block 2", "block 3", "block 4"]);
  await scan.checkEnd();
  assert.deepEqual([scan.next.sequence, scan.next.fileNumber, scan.next.position], [5, 2, pageBytes]);
});

test("no files, and files of zeros, hold nothing", async (t) => {
  await findsUpTo(scanOf(t, {})[0], 0);
  await findsUpTo(scanOf(t, { 0: [zeros, zeros] })[0], 0);
});

test("a scan begins with the block that it is told to", async (t) => {
  const [scan] = scanOf(t, { 0: [block(0), block(1)], 1: [block(2), block(3)] }, [first], 2);
  await findsUpTo(scan, 4, 2);
});

test("what a file holds from its earlier life does not count", async (t) => {
  // File 0 held blocks 0 to 3, was freed, and got 6 and 7 since.
  const [scan] = scanOf(
    t,
    { 0: [block(6), block(7), block(2), block(3)], 1: [block(4), block(5)] },
    [first],
    4,
  );
  await findsUpTo(scan, 8, 4);
});

test("the block of a writer that the checkpoint does not name does not count", async (t) => {
  const stranger = { writerId: "ffffffffffffffff" };
  await findsUpTo(scanOf(t, { 0: [block(0), block(1, stranger)] })[0], 1);
  await findsUpTo(scanOf(t, { 0: [block(0), block(1, { epoch: 7 })] })[0], 1);
});

test("a writer's blocks count from its start, and up to the start of the next", async (t) => {
  const files = {
    0: [block(0), block(1), block(2), block(3, { payload: "not synced before the crash" })],
    1: [block(3, second), block(4, second)],
  };
  await findsUpTo(scanOf(t, files, [first, second])[0], 5);
  const early = { 0: [block(0), block(1), block(2, second)] };
  await findsUpTo(scanOf(t, early, [first, second])[0], 2);
});

test("the highest epoch is known, even that of blocks that do not count", async (t) => {
  const [scan] = scanOf(t, { 0: [block(0)], 1: [block(9, { epoch: 12 })] });
  await payloadsOf(scan);
  assert.equal(scan.epochMax, 12);
});

const endings: [string, Buffer][] = [
  ["whose payload is torn", torn(block(2))],
  ["whose header is torn", block(2).fill(0xff, 8, 16)],
  ["of which only zeros arrived", zeros],
  ["of which only the header arrived", block(2, { payload: "x".repeat(9000) }).fill(0, blockHeaderBytes)],
  ["that reaches beyond its file", block(2, { payloadBytes: 1_000_000 })],
];
for (const [name, last] of endings) {
  test(`a last block ${name} is dropped`, async (t) => {
    await findsUpTo(scanOf(t, { 0: [block(0), block(1), last] })[0], 2);
  });

  test(`a block ${name}, first in its file, is dropped`, async (t) => {
    await findsUpTo(scanOf(t, { 0: [block(0), block(1)], 1: [last] })[0], 2);
  });

  test(`a block ${name} is the torn end if what follows was not synced either`, async (t) => {
    const [scan] = scanOf(t, { 0: [block(0), block(1), last, block(3, { syncedSequence: 1 })] });
    await findsUpTo(scan, 2);
  });

  test(`a block ${name} is damage if a later one says that it was synced`, async (t) => {
    // Of the third kind of ending there are blocks of three pages: look on all of them.
    const [scan, directory] = scanOf(t, { 0: [block(0), block(1), last, block(3)] });
    assert.deepEqual(await payloadsOf(scan), blocksUpTo(2));
    await assert.rejects(scan.checkEnd(), isDamage(`${directory}/00000000.journal`, 2 * pageBytes, 2));
  });
}

function isDamage(path: string, position: number, sequence: number): (error: unknown) => boolean {
  return (error) => {
    assert.ok(withCode("CORRUPT_JOURNAL")(error) && error instanceof LogError);
    assert.deepEqual(error.details, { path, position, sequence });
    assert.match(error.message, new RegExp(`block ${sequence}, expected at position ${position} of ${path}`));
    return true;
  };
}

test("damage is recognised by a block in another file", async (t) => {
  const [scan, directory] = scanOf(t, { 0: [block(0), torn(block(1))], 1: [block(2), block(3)] });
  assert.deepEqual(await payloadsOf(scan), ["block 0"]);
  await assert.rejects(scan.checkEnd(), isDamage(`${directory}/00000000.journal`, pageBytes, 1));
});

test("damage to the first block of a file is recognised by the second", async (t) => {
  const [scan, directory] = scanOf(t, { 0: [block(0), block(1)], 1: [torn(block(2)), block(3)] });
  assert.deepEqual(await payloadsOf(scan), blocksUpTo(2));
  await assert.rejects(scan.checkEnd(), isDamage(`${directory}/00000000.journal`, 2 * pageBytes, 2));
});

test("damage to a whole page at the beginning of a file is recognised by the second block", async (t) => {
  const [scan] = scanOf(t, { 0: [block(0), block(1)], 1: [zeros, block(3)] });
  assert.deepEqual(await payloadsOf(scan), blocksUpTo(2));
  await assert.rejects(scan.checkEnd(), withCode("CORRUPT_JOURNAL"));
});

test("damage to the very first block is recognised", async (t) => {
  const [scan, directory] = scanOf(t, { 0: [torn(block(5)), block(6)] }, [first], 5);
  assert.deepEqual(await payloadsOf(scan), []);
  await assert.rejects(scan.checkEnd(), isDamage(directory, 0, 5));
});

test("a file that is gone is damage if another one says that it was synced", async (t) => {
  const [scan, directory] = scanOf(t, { 0: [block(0)], 1: [block(1)], 2: [block(2)] });
  rmSync(`${directory}/00000001.journal`);
  assert.deepEqual(await payloadsOf(scan), ["block 0"]);
  await assert.rejects(scan.checkEnd(), isDamage(`${directory}/00000000.journal`, pageBytes, 1));
});

test("left-overs of an earlier life are no witness of damage", async (t) => {
  // Blocks 8 and 9 of a writer who was succeeded at 3: they were never synced and do not count.
  const files = { 0: [block(0), block(1), block(2)], 1: [block(8), block(9)], 2: [block(3, second)] };
  await findsUpTo(scanOf(t, files, [first, second])[0], 4);
});

test("a scan goes on where it ended when there is more", async (t) => {
  const [scan, directory] = scanOf(t, { 0: [block(0)] });
  assert.deepEqual(await payloadsOf(scan), ["block 0"]);
  writeFiles(directory, { 0: [block(0), block(1)], 1: [block(2)] });
  assert.deepEqual(await payloadsOf(scan), ["block 1", "block 2"]);
  assert.deepEqual(await payloadsOf(scan), []);
  await scan.checkEnd();
});

test("a scan goes on with the blocks of a writer that is named later", async (t) => {
  const [scan] = scanOf(t, { 0: [block(0), block(1), block(2)], 1: [block(3, second)] });
  assert.deepEqual(await payloadsOf(scan), blocksUpTo(3));
  scan.writers = [first, second];
  assert.deepEqual(await payloadsOf(scan), ["block 3"]);
});

test("files of other names are not looked at", async (t) => {
  const [scan, directory] = scanOf(t, { 0: [block(0)] });
  for (const name of ["00000001.journal.tmp", "1.journal", "notes"]) {
    writeFileSync(`${directory}/${name}`, Buffer.concat([block(1), block(2)]));
  }
  await findsUpTo(scan, 1);
});

/** A page of a record's value, made to look like a block that a newer version has written. */
function forgedPage(): Buffer {
  const page = block(1, { writerId: "ffffffffffffffff" });
  page.writeUInt16BE(2, 4);
  page.writeUInt32BE(crc32c(page.subarray(0, 60)), 60);
  return page;
}

test("what a record holds is not taken for a block of a newer version, wherever it was left over", async (t) => {
  await findsUpTo(scanOf(t, { 0: [block(0), forgedPage()] })[0], 1);
  await findsUpTo(scanOf(t, { 0: [block(0), zeros, forgedPage()] })[0], 1);
});

test("a block of a newer version that begins a file is refused as such", async (t) => {
  const [scan] = scanOf(t, { 0: [block(0)], 1: [forgedPage()] });
  await assert.rejects(payloadsOf(scan), withCode("UNSUPPORTED_VERSION"));
});

test("a block that says that a later one had been synced is evidence enough of damage", async (t) => {
  const [scan] = scanOf(t, { 0: [block(0, { syncedSequence: 1 })] });
  assert.deepEqual(await payloadsOf(scan), ["block 0"]);
  await assert.rejects(scan.checkEnd(), (error) => {
    assert.ok(withCode("CORRUPT_JOURNAL")(error) && error instanceof LogError);
    assert.match(error.message, /an earlier block says that it had been synced/);
    return true;
  });
});

test("a file that is shorter than its blocks say is damage, whatever still reads well", async (t) => {
  // writeFiles adds a page.
  const place = { position: 0, fileBytes: 3 * pageBytes };
  const [short] = scanOf(t, { 0: [block(0, {}, place)] });
  await assert.rejects(payloadsOf(short), withCode("CORRUPT_JOURNAL"));
  const [whole] = scanOf(t, { 0: [block(0, {}, place), zeros] });
  await findsUpTo(whole, 1);
});

test("a file that is shorter than a page is damage: what it held is unknown", async (t) => {
  const [scan, directory] = scanOf(t, { 0: [block(0)] });
  writeFileSync(`${directory}/00000001.journal`, "");
  assert.deepEqual(await payloadsOf(scan), ["block 0"]);
  await assert.rejects(scan.checkEnd(), withCode("CORRUPT_JOURNAL"));
});

test("a block that stands on another page than its own does not count", async (t) => {
  const stale = { writerId: "ffffffffffffffff" };
  const fileBytes = 4 * pageBytes;
  const files = [
    block(9, stale, { position: 2 * pageBytes, fileBytes }),
    block(1, {}, { position: pageBytes, fileBytes }),
    block(0, {}, { position: 0, fileBytes }),
  ];
  // Blocks 0 and 9 have changed places: the file must not pass for one that holds nothing of use.
  const [scan] = scanOf(t, { 0: files });
  assert.deepEqual(await payloadsOf(scan), []);
  await assert.rejects(scan.checkEnd(), withCode("CORRUPT_JOURNAL"));
});

test("two blocks that have changed places do not count, but they tell that there was more", async (t) => {
  const fileBytes = 3 * pageBytes;
  const files = [block(1, {}, { position: pageBytes, fileBytes }), block(0, {}, { position: 0, fileBytes })];
  const [scan] = scanOf(t, { 0: files });
  assert.deepEqual(await payloadsOf(scan), []);
  await assert.rejects(scan.checkEnd(), withCode("CORRUPT_JOURNAL"));
});
