// Several appends as one, through the public API.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LogError } from "../errors.js";
import {
  collect,
  driverNames,
  hookedFileSystem,
  openAt,
  openTestLog,
  temporaryDirectory,
  withCode,
} from "../test-support.js";
import type { Topic } from "./topic.js";

async function values(topic: Topic): Promise<string[]> {
  return (await collect(topic.read())).map(({ value }) => `${value}`);
}

for (const driver of driverNames) {
  test(`${driver}: a transaction appends to several topics, with a result for each append in turn`, async (t) => {
    const log = await openTestLog(t, driver);
    const orders = await log.topic("orders", { partitions: 2 });
    const audit = await log.topic("audit");
    await audit.append({ value: "before" });
    const results = await log.transaction((tx) => {
      tx.append(orders, { value: "a", partition: 1 });
      tx.append(audit, { value: "b" });
      tx.append(orders, { value: "c", partition: 1 });
      tx.append(orders, { value: "d", partition: 0 });
    });
    assert.deepEqual(
      results.map(({ partition, offset, durability }) => [partition, offset, durability]),
      [
        [1, 0, "disk"],
        [0, 1, "disk"],
        [1, 1, "disk"],
        [0, 0, "disk"],
      ],
    );
    assert.ok(results.every(({ bytes }) => bytes > 0));
    assert.deepEqual(await values(orders), ["d", "a", "c"]);
    assert.deepEqual(await values(audit), ["before", "b"]);
    assert.equal(audit.append({ value: "after" }).offset, 2);
  });

  test(`${driver}: records appended before and after a transaction keep their order around it`, async (t) => {
    const log = await openTestLog(t, driver);
    const topics = [await log.topic("a"), await log.topic("b")] as const;
    const waiting: Promise<unknown>[] = [];
    for (let n = 0; n < 50; n++) {
      waiting.push(topics[0].append({ value: `${3 * n}` }), topics[1].append({ value: `${3 * n}` }));
      waiting.push(
        log.transaction((tx) => {
          for (const topic of topics) tx.append(topic, { value: `${3 * n + 1}` });
          for (const topic of topics) tx.append(topic, { value: `${3 * n + 2}` });
        }),
      );
      // The offsets are given when the callback has returned, which takes a turn.
      await new Promise(setImmediate);
    }
    await Promise.all(waiting);
    const expected = Array.from({ length: 150 }, (_, n) => `${n}`);
    for (const topic of topics) assert.deepEqual(await values(topic), expected);
  });

  test(`${driver}: readers see all of a transaction at once`, async (t) => {
    const log = await openTestLog(t, driver);
    const topics = [await log.topic("a", { durability: "os" }), await log.topic("b")] as const;
    let isOver = false;
    const watching = (async () => {
      while (!isOver) {
        const [first, second] = await Promise.all(topics.map((topic) => topic.partition(0).describe()));
        // The second was asked later, so it may know more, and never less.
        assert.ok((first?.highWatermark ?? 0) <= (second?.highWatermark ?? 0));
        await new Promise(setImmediate);
      }
    })();
    for (let n = 0; n < 100; n++) {
      await log.transaction((tx) => {
        for (const topic of topics) tx.append(topic, { value: `${n}` });
      });
    }
    isOver = true;
    await watching;
  });

  test(`${driver}: nothing is there of a transaction whose callback fails, and it takes no more`, async (t) => {
    const log = await openTestLog(t, driver);
    const topic = await log.topic("a");
    let late: (() => void) | undefined;
    const failing = log.transaction((tx) => {
      tx.append(topic, { value: "x" });
      late = () => tx.append(topic, { value: "y" });
      throw new Error("changed my mind");
    });
    await assert.rejects(failing, /changed my mind/);
    assert.throws(() => late?.(), withCode("CLOSED"));
    assert.deepEqual(await values(topic), []);
    assert.equal(topic.append({ value: "first" }).offset, 0);
  });

  test(`${driver}: what a transaction cannot take is refused where it is added, and no offset is used up`, async (t) => {
    const log = await openTestLog(t, driver);
    const topic = await log.topic("a", { maxMessageBytes: 1000 });
    await assert.rejects(
      log.transaction((tx) => tx.append(topic, { value: "x".repeat(2000) })),
      withCode("RECORD_TOO_LARGE"),
    );
    await assert.rejects(
      log.transaction((tx) => tx.append(topic, { value: 7 as unknown as string })),
      withCode("INVALID_ARGUMENT"),
    );
    const gone = await log.topic("gone");
    await assert.rejects(
      log.transaction(async (tx) => {
        tx.append(topic, { value: "x" });
        tx.append(gone, { value: "x" });
        await log.deleteTopic("gone");
      }),
      withCode("TOPIC_NOT_FOUND"),
    );
    await assert.rejects(
      log.transaction((tx) => {
        for (let n = 0; n < 10_000; n++) tx.append(topic, { value: "x".repeat(900) });
      }),
      withCode("TRANSACTION_TOO_LARGE"),
    );
    assert.deepEqual(await log.transaction(() => undefined), []);
    assert.equal(topic.append({ value: "first" }).offset, 0);
  });

  test(`${driver}: a transaction larger than a batch takes several, and all of them`, async (t) => {
    const log = await openTestLog(t, driver);
    const topic = await log.topic("a", { maxMessageBytes: 1000 });
    const records = Array.from({ length: 100 }, (_, n) => ({ value: `${n}`.padEnd(300, ".") }));
    const results = await topic.appendAll(records);
    assert.deepEqual(
      results.map(({ offset }) => offset),
      records.map((_, n) => n),
    );
    assert.equal((await values(topic)).length, 100);
  });

  test(`${driver}: transactions wait for room like other appends, and can be withdrawn while they wait`, async (t) => {
    const log = await openTestLog(t, driver, { tailBytesMax: 1024 * 1024 });
    const topic = await log.topic("a");
    const value = "x".repeat(50_000);
    const abort = new AbortController();
    const all = Array.from({ length: 40 }, (_, n) =>
      log.transaction(
        (tx) => {
          tx.append(topic, { value });
          tx.append(topic, { value });
        },
        n === 39 ? { signal: abort.signal } : {},
      ),
    );
    const withdrawn = assert.rejects(all[39] as Promise<unknown>, /enough/);
    await new Promise(setImmediate);
    abort.abort(new Error("enough"));
    await withdrawn;
    await Promise.all(all.slice(0, 39));
    assert.equal((await topic.partition(0).describe()).highWatermark, 78);
  });
}

test("a transaction is over one log, and a refused one harms nobody", async (t) => {
  const [one, other] = [await openTestLog(t, "file"), await openTestLog(t, "file")];
  const [a, b] = [await one.topic("a"), await other.topic("b")];
  await assert.rejects(
    one.transaction((tx) => {
      tx.append(a, { value: "x" });
      tx.append(b, { value: "x" });
    }),
    withCode("INVALID_ARGUMENT"),
  );
  await assert.rejects(
    one.transaction((tx) => tx.append(a, { value: "x" }), { durability: "Disk" as "disk" }),
    withCode("INVALID_ARGUMENT"),
  );
  assert.equal((await a.append({ value: "x" })).offset, 0);
  assert.equal((await b.append({ value: "x" })).offset, 0);
});

test("a topic deleted while a transaction waits for room takes all of it along", async (t) => {
  let isFull = false;
  const fileSystem = hookedFileSystem((operation, path) => {
    if (isFull && operation === "write" && path.includes("/topics/")) throw new LogError("DISK_FULL", "full");
  });
  const log = await openAt(t, temporaryDirectory(t), { fileSystem, tailBytesMax: 256 * 1024 });
  const [a, b, c] = [await log.topic("a"), await log.topic("b"), await log.topic("c")];
  isFull = true;
  const waiting: Promise<unknown>[] = [];
  const value = "x".repeat(20_000);
  for (let n = 0; n < 20; n++) waiting.push(c.append({ value }));
  await Promise.race([waiting[0], new Promise((resolve) => setTimeout(resolve, 50))]);
  const transaction = log.transaction((tx) => {
    tx.append(a, { value: "x" });
    tx.append(b, { value: "x" });
  });
  const outcome = transaction.then(
    () => "committed",
    (error: LogError) => error.code,
  );
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  await log.deleteTopic("b");
  isFull = false;
  await Promise.all(waiting);
  const isThere = (await outcome) === "committed";
  assert.deepEqual(await values(a), isThere ? ["x"] : []);
  await a.append({ value: "later" });
  assert.equal((await values(a)).at(-1), "later");
});

test("a topic deleted under a transaction that forms takes all of it along", async (t) => {
  const log = await openTestLog(t, "file");
  const [a, b] = [await log.topic("a"), await log.topic("b")];
  // Offsets are given in a microtask; the deletion begins before the group is handed over.
  const transaction = log.transaction((tx) => {
    tx.append(a, { value: "x" });
    tx.append(b, { value: "x" });
  });
  const outcome = transaction.then(
    () => "committed",
    (error: { code: string }) => error.code,
  );
  await log.deleteTopic("a");
  const left = await values(b);
  assert.deepEqual(left, (await outcome) === "committed" ? ["x"] : []);
  await b.append({ value: "later" });
  assert.equal((await values(b)).at(-1), "later");
});

test("a transaction outlives a restart", async (t) => {
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory);
  const topics = [await log.topic("a"), await log.topic("b")];
  await log.transaction((tx) => {
    for (const topic of topics) tx.append(topic, { value: "x" });
  });
  await log.close();
  const again = await openAt(t, directory);
  for (const name of ["a", "b"]) assert.deepEqual(await values(await again.topic(name)), ["x"]);
});
