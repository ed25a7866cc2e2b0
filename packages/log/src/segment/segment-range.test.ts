// Ranges of a segment's file against a plain walk over the batches that were written to it.
import assert from "node:assert/strict";
import { mkdirSync, readSync, truncateSync } from "node:fs";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { systemClock } from "../clock.js";
import { type FileSystem, nodeFileSystem } from "../fs/index.js";
import { BatchBuilder } from "../record/index.js";
import { cleanUp, temporaryDirectory, withCode } from "../test-support.js";
import { FileCache } from "./file-cache.js";
import { Segment } from "./segment.js";
import { emptySegment } from "./segment-state.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);

/** A batch as the test knows it: offsets, and where it lies. */
interface Placed {
  readonly baseOffset: number;
  readonly nextOffset: number;
  readonly start: number;
  readonly end: number;
}

interface Fixture {
  readonly segment: Segment;
  readonly cache: FileCache;
  readonly batches: readonly Placed[];
  readonly content: Buffer;
}

interface BatchShape {
  /** Offsets left out before it. */
  readonly gap: number;
  readonly records: number;
  readonly valueBytes: number;
}

const baseOffset = 1000;

/** Each one in a directory of its own. */
async function writeSegment(
  cache: FileCache,
  directory: string,
  shapes: readonly BatchShape[],
): Promise<Fixture> {
  mkdirSync(directory);
  const batches: Placed[] = [];
  const bytes: Buffer[] = [];
  let offset = baseOffset;
  let position = 0;
  for (const { gap, records, valueBytes } of shapes) {
    offset += gap;
    const builder = new BatchBuilder(256);
    for (let n = 0; n < records; n++) builder.append(null, Buffer.alloc(valueBytes), undefined, 1);
    const batch = builder.seal({ baseOffset: offset, partitionLeaderEpoch: 0, compression: "none" });
    batches.push({
      baseOffset: offset,
      nextOffset: offset + records,
      start: position,
      end: position + batch.length,
    });
    bytes.push(batch);
    offset += records;
    position += batch.length;
  }
  const segment = new Segment(cache, { directory }, emptySegment(baseOffset), true);
  segment.adopt(await segment.write(segment.state, bytes));
  return { segment, cache, batches, content: Buffer.concat(bytes) };
}

function openCache(t: TestContext, fs: FileSystem = nodeFileSystem): FileCache {
  const cache = new FileCache(fs, systemClock, 8);
  cleanUp(t, () => cache.close());
  return cache;
}

/** Where a range has to begin and end, found batch by batch. */
function expectedRange(batches: readonly Placed[], offset: number, bytesMax: number): [number, number] {
  const first = batches.findIndex(({ nextOffset }) => nextOffset > offset);
  const { start, end: firstEnd } = batches[first] as Placed;
  const fitting = batches.slice(first).filter(({ end }) => end - start <= bytesMax);
  return [start, fitting.at(-1)?.end ?? firstEnd];
}

/** Checks one range against the walk; answers where to go on. */
async function checkRange(fixture: Fixture, offset: number, bytesMax: number): Promise<number> {
  const { segment, batches, content } = fixture;
  const { fd, path, position, length, next, release } = await segment.range(offset, bytesMax);
  const [start, end] = expectedRange(batches, offset, bytesMax);
  assert.deepEqual([position, position + length], [start, end], `${bytesMax} bytes from offset ${offset}`);
  assert.equal(path, segment.logPath);
  const found = Buffer.alloc(length);
  assert.equal(readSync(fd, found, 0, length, position), length);
  assert.ok(found.equals(content.subarray(start, end)));
  await release();
  // Anywhere in the gap before the next batch will do.
  const last = batches.find((batch) => batch.end === end) as Placed;
  const following = batches.find((batch) => batch.start === end);
  assert.ok(next >= last.nextOffset && next <= (following?.baseOffset ?? last.nextOffset), `next ${next}`);
  return next;
}

const shape = fc.record({
  gap: fc.oneof(fc.constant(0), fc.nat(50)),
  records: fc.integer({ min: 1, max: 5 }),
  valueBytes: fc.oneof(fc.nat(50), fc.nat(5000), fc.constant(70_000)),
});

test("a range holds as many whole batches as fit, and one at least", async (t) => {
  const directory = temporaryDirectory(t);
  const cache = openCache(t);
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(shape, { minLength: 1, maxLength: 80 }),
      fc.array(fc.record({ place: fc.nat(999), bytesMax: fc.oneof(fc.nat(400_000), fc.nat(9000)) }), {
        minLength: 5,
        maxLength: 10,
      }),
      async (shapes, calls) => {
        const fixture = await writeSegment(cache, `${directory}/${run++}`, shapes);
        const { nextOffset } = fixture.segment.state;
        for (const { place, bytesMax } of calls) {
          const offset = baseOffset + Math.floor(((nextOffset - baseOffset) * place) / 1000);
          await checkRange(fixture, offset, bytesMax + 1);
        }
        const { bytesMax } = calls[0] as { bytesMax: number };
        for (let next = baseOffset; next < nextOffset; ) next = await checkRange(fixture, next, bytesMax + 1);
      },
    ),
    { seed, numRuns: 40 },
  );
});

test("a range is found without reading what lies in it", async (t) => {
  let bytesRead = 0;
  const fs: FileSystem = {
    ...nodeFileSystem,
    async open(path, mode) {
      const file = await nodeFileSystem.open(path, mode);
      if (mode !== "read") return file;
      const { descriptor } = file;
      return {
        ...(descriptor === undefined ? {} : { descriptor }),
        read: async (buffer, length, position) => {
          const count = await file.read(buffer, length, position);
          bytesRead += count;
          return count;
        },
        write: (pieces, position) => file.write(pieces, position),
        writeSynced: (pieces, position) => file.writeSynced(pieces, position),
        sync: () => file.sync(),
        truncate: (length) => file.truncate(length),
        size: () => file.size(),
        close: () => file.close(),
      };
    },
  };
  const shapes = Array.from({ length: 3000 }, () => ({ gap: 0, records: 1, valueBytes: 1000 }));
  const fixture = await writeSegment(openCache(t, fs), `${temporaryDirectory(t)}/0`, shapes);
  assert.ok(fixture.content.length > 3_000_000);
  await checkRange(fixture, baseOffset + 100, 2_000_000);
  assert.ok(bytesRead < 150_000, `${bytesRead} bytes were read`);
});

test("a segment that is shorter than it was has no ranges", async (t) => {
  const fixture = await writeSegment(openCache(t), `${temporaryDirectory(t)}/0`, [
    { gap: 0, records: 3, valueBytes: 100 },
  ]);
  const before = fixture.cache.openCount;
  truncateSync(fixture.segment.logPath, 50);
  await assert.rejects(fixture.segment.range(baseOffset, 1000), withCode("CORRUPT_SEGMENT"));
  assert.equal(fixture.cache.openCount, before, "the file that was opened for the range is closed");
});

test("a range that is released twice is released once", async (t) => {
  const { segment, cache } = await writeSegment(openCache(t), `${temporaryDirectory(t)}/0`, [
    { gap: 0, records: 1, valueBytes: 100 },
  ]);
  await segment.read(baseOffset, 1);
  const before = cache.openCount;
  const [first, second] = [await segment.range(baseOffset, 1), await segment.range(baseOffset, 1)];
  assert.equal(cache.openCount, before + 2);
  await Promise.all([first.release(), first.release()]);
  await first.release();
  assert.equal(cache.openCount, before + 1);
  assert.equal(readSync(second.fd, Buffer.alloc(10), 0, 10, second.position), 10);
  await second.release();
});
