import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { systemClock } from "../clock.js";
import { type File, type FileSystem, nodeFileSystem } from "../fs/index.js";
import { cleanUp, isPending, temporaryDirectory, withCode } from "../test-support.js";
import { FileCache } from "./file-cache.js";

interface Fixture {
  readonly cache: FileCache;
  /** Names of the files that are open now, in the order of their opening. */
  readonly open: string[];
  path(name: string): string;
  /** Reads the file's content through the cache. */
  read(name: string): Promise<string>;
}

/** A cache on the real disk with files "a" to "e", whose content is their name. */
function makeCache(
  t: TestContext,
  filesMax: number,
  beforeClose: () => Promise<void> = async () => undefined,
): Fixture {
  const directory = temporaryDirectory(t);
  for (const name of "abcde") writeFileSync(`${directory}/${name}`, name);
  const open: string[] = [];
  const fs: FileSystem = {
    ...nodeFileSystem,
    async open(path, mode): Promise<File> {
      const file = await nodeFileSystem.open(path, mode);
      const name = path.slice(directory.length + 1);
      open.push(name);
      return {
        read: (buffer, length, position) => file.read(buffer, length, position),
        write: (pieces, position) => file.write(pieces, position),
        writeSynced: (pieces, position) => file.writeSynced(pieces, position),
        sync: () => file.sync(),
        truncate: (length) => file.truncate(length),
        size: () => file.size(),
        close: async () => {
          await beforeClose();
          await file.close();
          open.splice(open.indexOf(name), 1);
        },
      };
    },
  };
  const cache = new FileCache(fs, systemClock, filesMax);
  cleanUp(t, () => cache.close());
  const path = (name: string): string => `${directory}/${name}`;
  const read = (name: string): Promise<string> =>
    cache.use(path(name), "read", async (file) => {
      const buffer = Buffer.alloc(10);
      return buffer.toString("utf8", 0, await file.read(buffer, 10, 0));
    });
  return { cache, open, path, read };
}

/** A promise and the function that settles it. */
function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

test("a file is opened once for many uses", async (t) => {
  const { read, open } = makeCache(t, 3);
  for (let n = 0; n < 3; n++) assert.equal(await read("a"), "a");
  assert.deepEqual(open, ["a"]);
});

test("no more files than allowed stay open, and the least recently used goes first", async (t) => {
  const { cache, read, open } = makeCache(t, 3);
  for (const name of ["a", "b", "c", "a", "d"]) assert.equal(await read(name), name);
  assert.deepEqual(open, ["a", "c", "d"]);
  for (const name of ["e", "b"]) assert.equal(await read(name), name);
  assert.deepEqual(open, ["d", "e", "b"]);
  assert.equal(cache.openCount, 3);
});

test("a file that is being closed keeps its place until it is", async (t) => {
  const closing = deferred();
  const { cache, read, open } = makeCache(t, 2, () => closing.promise);
  for (const name of ["a", "b"]) await read(name);
  const others = Promise.all(["c", "d"].map(read));
  assert.ok(await isPending(others));
  assert.deepEqual(open, ["a", "b"]);
  closing.resolve();
  assert.deepEqual(await others, ["c", "d"]);
  assert.deepEqual(open.toSorted(), ["c", "d"]);
  assert.equal(cache.openCount, 2);
});

test("a file in use stays open though others need the place", async (t) => {
  const { cache, open, path, read } = makeCache(t, 1);
  const hold = deferred();
  const started = deferred();
  const using = cache.use(path("a"), "append", async (file) => {
    started.resolve();
    await hold.promise;
    await file.write([Buffer.from("A")], 0);
  });
  await started.promise;
  assert.equal(await read("b"), "b");
  assert.ok(open.includes("a"));
  hold.resolve();
  await using;
  assert.equal(await read("c"), "c");
  assert.deepEqual(open, ["c"]);
  assert.equal(await read("a"), "A");
});

test("forgetting a file waits until nobody uses it, and later uses open it anew", async (t) => {
  const { cache, open, path, read } = makeCache(t, 3);
  const hold = deferred();
  const started = deferred();
  const using = cache.use(path("a"), "read", () => {
    started.resolve();
    return hold.promise;
  });
  await started.promise;
  const forgotten = cache.forget(path("a"));
  assert.ok(await isPending(forgotten));
  assert.equal(await read("a"), "a");
  hold.resolve();
  await using;
  await forgotten;
  assert.deepEqual(open, ["a"]);
});

test("forgetting a file closes it, however it was opened, and no other", async (t) => {
  const { cache, open, path, read } = makeCache(t, 5);
  await read("a");
  await read("b");
  for (const mode of ["write", "append"] as const) await cache.use(path("a"), mode, (file) => file.size());
  assert.equal(cache.openCount, 4);
  await cache.forget(path("a"));
  assert.deepEqual(open, ["b"]);
  await cache.forget(path("nowhere"));
});

test("a file that does not open is tried again at the next use", async (t) => {
  const { cache, path, read } = makeCache(t, 3);
  await assert.rejects(read("late"), withCode("IO"));
  assert.equal(cache.openCount, 0);
  writeFileSync(path("late"), "here");
  assert.equal(await read("late"), "here");
});

test("a file whose use fails is closed", async (t) => {
  const { cache, open, path, read } = makeCache(t, 3);
  const fails = cache.use(path("a"), "read", () => Promise.reject(new Error("no")));
  await assert.rejects(fails, /no/);
  assert.deepEqual(open, []);
  assert.equal(await read("a"), "a");
});

test("readers that wait do not hold up a writer", async (t) => {
  const { cache, path } = makeCache(t, 5);
  const hold = deferred();
  const reads = ["a", "b", "c"].map((name) => cache.use(path(name), "read", () => hold.promise));
  assert.equal(await cache.use(path("d"), "append", (file) => file.size()), 1);
  hold.resolve();
  await Promise.all(reads);
});

test("closing closes everything once it is no longer in use", async (t) => {
  const { cache, open, path, read } = makeCache(t, 5);
  await read("b");
  const hold = deferred();
  const started = deferred();
  const using = cache.use(path("a"), "read", () => {
    started.resolve();
    return hold.promise;
  });
  await started.promise;
  const closed = cache.close();
  assert.ok(await isPending(closed));
  hold.resolve();
  await Promise.all([using, closed]);
  assert.deepEqual(open, []);
});
