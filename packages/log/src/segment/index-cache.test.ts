// Indexes in memory: never more than the bound, the ones in use stay, and what has gone is loaded again.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { systemClock } from "../clock.js";
import { type FileSystem, nodeFileSystem } from "../fs/index.js";
import { BatchBuilder, batchLengthAt } from "../record/index.js";
import { cleanUp, temporaryDirectory } from "../test-support.js";
import { FileCache } from "./file-cache.js";
import { IndexCache } from "./index-cache.js";
import { Segment } from "./segment.js";
import { emptySegment } from "./segment-state.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

/** What one index of so many bytes counts. */
function counted(indexBytes: number): number {
  const cache = new IndexCache();
  void cache.get({}, indexBytes, async () => Buffer.alloc(indexBytes));
  return cache.bytes;
}

interface Loads {
  readonly cache: IndexCache;
  /** The numbers that were loaded, in order. */
  readonly loaded: number[];
  get(number: number): Promise<Buffer>;
}

/** Indexes by number, of 100 bytes that hold the number. */
function loads(fit: number): Loads {
  const cache = new IndexCache(fit * counted(100));
  const keys = upTo(20).map(() => ({}));
  const loaded: number[] = [];
  const get = (number: number): Promise<Buffer> =>
    cache.get(keys[number] as object, 100, async () => {
      loaded.push(number);
      return Buffer.alloc(100, number);
    });
  return { cache, loaded, get };
}

test("an index is loaded once for many uses, also when they come at once", async () => {
  const { get, loaded } = loads(3);
  const found = await Promise.all([get(7), get(7), get(7)]);
  for (const index of [...found, await get(7)]) assert.deepEqual(index, Buffer.alloc(100, 7));
  assert.deepEqual(loaded, [7]);
});

test("the index that was used longest ago goes first", async () => {
  const { cache, get, loaded } = loads(3);
  for (const number of [0, 1, 2, 0, 3]) await get(number);
  assert.equal(cache.count, 3);
  for (const number of [0, 2, 3]) await get(number);
  assert.deepEqual(loaded, [0, 1, 2, 3]);
  await get(1);
  assert.deepEqual(loaded, [0, 1, 2, 3, 1]);
});

test("an index that is dropped is loaded again, and whoever had it keeps it", async () => {
  const { cache } = loads(3);
  const key = {};
  const before = await cache.get(key, 1, async () => Buffer.from("a"));
  cache.drop(key);
  cache.drop(key);
  assert.equal(cache.bytes, 0);
  assert.equal((await cache.get(key, 1, async () => Buffer.from("b"))).toString(), "b");
  assert.equal(before.toString(), "a");
});

test("a failure to load is told and not kept, nor does it take away what was loaded since", async () => {
  const { cache } = loads(3);
  const key = {};
  const failing = cache.get(key, 1, () => Promise.reject(new Error("no")));
  cache.drop(key);
  const loading = cache.get(key, 1, async () => Buffer.from("b"));
  await assert.rejects(failing, /no/);
  assert.equal(cache.count, 1);
  assert.equal((await loading).toString(), "b");
  cache.clear();
  await assert.rejects(
    cache.get(key, 1, () => Promise.reject(new Error("no"))),
    /no/,
  );
  assert.deepEqual([cache.count, cache.bytes], [0, 0]);
});

test("whatever is loaded, no more than the bound is kept, or one index that is larger", async () => {
  const action = fc.record({ key: fc.nat(30), bytes: fc.nat(5000), drop: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 200 }), async (actions) => {
      const bound = 10_000;
      const cache = new IndexCache(bound);
      const keys = upTo(31).map((number) => ({ number }));
      for (const { key, bytes, drop } of actions) {
        const size = bytes * (key === 30 ? 10 : 1);
        if (drop) cache.drop(keys[key] as object);
        else await cache.get(keys[key] as object, size, async () => Buffer.alloc(size));
        assert.ok(cache.bytes <= bound || cache.count === 1, `${cache.bytes} bytes in ${cache.count}`);
      }
      for (const key of keys) cache.drop(key);
      assert.deepEqual([cache.bytes, cache.count], [0, 0]);
    }),
    { seed },
  );
});

const batchesEach = 60;
const batchBytes = 5000;

interface Fixture {
  readonly segments: readonly Segment[];
  readonly indexes: IndexCache;
  /** The index files that were opened to be read. */
  readonly read: string[];
}

/** Segments of 60 batches, so that each of their indexes has 59 entries. */
async function writeSegments(t: TestContext, count: number, indexes: IndexCache): Promise<Fixture> {
  const directory = temporaryDirectory(t);
  const read: string[] = [];
  const fs: FileSystem = {
    ...nodeFileSystem,
    async open(path, mode) {
      if (mode === "read" && path.endsWith(".index")) read.push(path);
      return nodeFileSystem.open(path, mode);
    },
  };
  const cache = new FileCache(fs, systemClock, 8, false, indexes);
  cleanUp(t, () => cache.close());
  const segments: Segment[] = [];
  for (const number of upTo(count)) {
    mkdirSync(`${directory}/${number}`);
    const segment = new Segment(cache, { directory: `${directory}/${number}` }, emptySegment(0), true);
    segment.adopt(await segment.write(segment.state, upTo(batchesEach).map(makeBatch)));
    segments.push(segment);
  }
  return { segments, indexes, read };
}

function makeBatch(baseOffset: number): Buffer {
  const builder = new BatchBuilder(256);
  builder.append(null, Buffer.alloc(batchBytes), undefined, 1000 + baseOffset);
  return builder.seal({ baseOffset, partitionLeaderEpoch: 0, compression: "none" });
}

async function offsetOfFirst(segment: Segment, offset: number): Promise<number> {
  const chunk = await segment.read(offset, 1);
  assert.equal(batchLengthAt(chunk, 0), chunk.length);
  return Number(chunk.readBigInt64BE(0));
}

test("many segments that are read once do not keep their indexes", async (t) => {
  const indexBytes = (batchesEach - 1) * 8;
  const bound = 5 * counted(indexBytes);
  const { segments, indexes, read } = await writeSegments(t, 40, new IndexCache(bound));
  assert.equal(indexes.bytes, 0);
  for (const [number, segment] of segments.entries()) {
    assert.equal(segment.state.offsetIndexBytes, indexBytes);
    for (const offset of [50, 10, 30]) assert.equal(await offsetOfFirst(segment, offset), offset);
    assert.deepEqual(await segment.offsetForTimestamp(1025), { offset: 25, timestamp: 1025 });
    assert.ok(indexes.bytes <= bound, `${indexes.bytes} after ${number + 1} segments`);
  }
  assert.ok(indexes.count >= 4);
  assert.equal(read.length, 40, "each index was read once");
  assert.equal(await offsetOfFirst(segments[0] as Segment, 20), 20);
  assert.equal(read.length, 41, "and again after it had gone");
});

test("a segment that is read all the time keeps its indexes", async (t) => {
  const { segments, read } = await writeSegments(t, 20, new IndexCache(3 * counted(1000)));
  const hot = segments[0] as Segment;
  for (const segment of segments) {
    assert.equal(await offsetOfFirst(segment, 40), 40);
    assert.equal(await offsetOfFirst(hot, 20), 20);
  }
  assert.equal(read.length, 20);
});

test("a segment that grew is looked up by its new index", async (t) => {
  const { segments, indexes } = await writeSegments(t, 1, new IndexCache());
  const segment = segments[0] as Segment;
  assert.equal(await offsetOfFirst(segment, 40), 40);
  assert.equal(indexes.count, 1);
  const more = upTo(batchesEach).map((n) => makeBatch(batchesEach + n));
  segment.adopt(await segment.write(segment.state, more));
  assert.equal(indexes.bytes, 0);
  assert.equal(await offsetOfFirst(segment, 100), 100);
  assert.equal(indexes.bytes, counted((2 * batchesEach - 1) * 8));
});

test("segments too small for an entry keep nothing in memory", async (t) => {
  const cache = new FileCache(nodeFileSystem, systemClock, 8);
  cleanUp(t, () => cache.close());
  const segment = new Segment(cache, { directory: temporaryDirectory(t) }, emptySegment(0), true);
  segment.adopt(await segment.write(segment.state, [makeBatch(0)]));
  assert.equal(await offsetOfFirst(segment, 0), 0);
  assert.equal(cache.indexes.count, 0);
});
