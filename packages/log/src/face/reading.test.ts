// Reading through the public API, on each driver: where reading begins and ends, what it skips, following.
import assert from "node:assert/strict";
import { test } from "node:test";
import { collect, driverNames, openTestLog, settlesSoon, valuesOf, withCode } from "../test-support.js";
import type { ReadOptions } from "./reading.js";
import type { Topic } from "./topic.js";

/** Records 0 to count − 1 in one batch: all are appended before the first is handed over. */
async function appendBatch(topic: Topic, count: number, first = 0): Promise<void> {
  const receipts = Array.from({ length: count }, (_, n) =>
    topic.append({ value: `${first + n}`, timestamp: 1000 + first + n, partition: 0 }),
  );
  await Promise.all(receipts);
}

function offsetsOf(records: readonly { offset: number }[]): number[] {
  return records.map(({ offset }) => offset);
}

function numbers(from: number, until: number): number[] {
  return Array.from({ length: until - from }, (_, n) => from + n);
}

test("options of reading that are misspelt or cannot be are refused at once, not read as something else", async (t) => {
  const topic = await (await openTestLog(t, "memory")).topic("a");
  await topic.append({ value: "a" });
  const wrong = [
    [{ folow: true }, /^unknown option "folow"; known are follow, from, isolation, onSkip, signal, until$/],
    [{ partition: 0 }, /^unknown option "partition"/],
    [{ from: "begin" }, /^begin is not a position/],
    [{ from: new Date(Number.NaN) }, /^an invalid Date/],
    [{ until: -1 }, /^-1 is not an offset$/],
    [{ isolation: "committed" }, /^"committed" is not an isolation/],
    [null, /^options must be an object$/],
  ] as const;
  for (const [given, message] of wrong) {
    const options = given as unknown as ReadOptions;
    const refusal = { code: "INVALID_ARGUMENT", message };
    assert.throws(() => topic.read(options), refusal);
    assert.throws(() => topic.partition(0).read(options), refusal);
    await assert.rejects(topic.partition(0).readBatches(options).next(), refusal);
  }
});

for (const driver of driverNames) {
  test(`${driver}: reading goes from the earliest record to the end as it was`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    await appendBatch(topic, 3);
    await appendBatch(topic, 2, 3);
    assert.deepEqual(await valuesOf(topic.partition(0).read()), ["0", "1", "2", "3", "4"]);
    assert.deepEqual(await valuesOf(topic.read()), ["0", "1", "2", "3", "4"]);
  });

  test(`${driver}: an empty partition reads as nothing`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    assert.deepEqual(await collect(topic.partition(0).read()), []);
    assert.deepEqual(await collect(topic.partition(0).readBatches()), []);
  });

  test(`${driver}: the end of a producer's transaction is no record, wherever it stands`, async (t) => {
    const log = await openTestLog(t, driver);
    const topic = await log.topic("a");
    for (const sequence of [0, 1, 2]) {
      await topic.append({ value: `${sequence}` });
      const partitions = [{ topic, partition: 0 }];
      const end = { producerId: 7, producerEpoch: 0, isCommit: true, partitions, progress: [], metadata: [] };
      await log.endTransaction(end);
    }
    assert.deepEqual(offsetsOf(await collect(topic.partition(0).read())), [0, 2, 4]);
    assert.deepEqual(offsetsOf(await collect(topic.read())), [0, 2, 4]);
  });

  const cases: [string, ReadOptions, number[]][] = [
    ["from an offset in the middle of a batch", { from: 4 }, numbers(4, 10)],
    ["from the earliest", { from: "earliest" }, numbers(0, 10)],
    ["from the latest", { from: "latest" }, []],
    ["from a time in the middle of a batch", { from: new Date(1003) }, numbers(3, 10)],
    ["from a time before everything", { from: new Date(0) }, numbers(0, 10)],
    ["from a time after everything", { from: new Date(5000) }, []],
    ["from beyond the end", { from: 50 }, []],
    ["until an offset in the middle of a batch", { until: 7 }, numbers(0, 7)],
    ["until a time", { until: new Date(1008) }, numbers(0, 8)],
    ["until the earliest", { until: "earliest" }, []],
    ["between two offsets of one batch", { from: 1, until: 3 }, [1, 2]],
    ["until an offset beyond the end", { from: 8, until: 100 }, [8, 9]],
    ["until an offset before the beginning", { from: 5, until: 2 }, []],
  ];
  for (const partitions of [1, 2]) {
    for (const [name, options, expected] of cases) {
      test(`${driver}: a topic of ${partitions} reads ${name}`, async (t) => {
        const topic = await (await openTestLog(t, driver)).topic("a", { partitions });
        await appendBatch(topic, 5);
        await appendBatch(topic, 5, 5);
        const found = await settlesSoon(collect(topic.read(options)), "reading");
        assert.deepEqual(offsetsOf(found), expected);
      });
    }
  }
  for (const [name, options, expected] of cases) {
    test(`${driver}: a partition reads ${name}`, async (t) => {
      const topic = await (await openTestLog(t, driver)).topic("a");
      await appendBatch(topic, 5);
      await appendBatch(topic, 5, 5);
      const found = await settlesSoon(collect(topic.partition(0).read(options)), "reading");
      assert.deepEqual(offsetsOf(found), expected);
    });
  }

  test(`${driver}: records deleted in the middle of a batch are not read again`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    await appendBatch(topic, 10);
    await topic.partition(0).deleteRecords(4);
    assert.deepEqual(offsetsOf(await collect(topic.partition(0).read())), numbers(4, 10));
    assert.deepEqual(offsetsOf(await collect(topic.partition(0).read({ from: 0 }))), numbers(4, 10));
    assert.deepEqual(
      offsetsOf(await collect(topic.partition(0).read({ from: new Date(0) }))),
      numbers(4, 10),
    );
    assert.deepEqual(offsetsOf(await collect(topic.read())), numbers(4, 10));
  });

  test(`${driver}: a topic of two partitions does not read deleted records either`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a", { partitions: 2 });
    await appendBatch(topic, 10);
    await topic.partition(0).deleteRecords(4);
    assert.deepEqual(offsetsOf(await collect(topic.read())), numbers(4, 10));
    assert.deepEqual(offsetsOf(await collect(topic.read({ from: 1 }))), numbers(4, 10));
  });

  test(`${driver}: get answers the record, or the next offset that exists`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    const partition = topic.partition(0);
    assert.deepEqual(await partition.get(0), { next: 0 });
    await appendBatch(topic, 10);
    await partition.deleteRecords(4);
    assert.deepEqual(await partition.get(0), { next: 4 });
    assert.deepEqual(await partition.get(3), { next: 4 });
    assert.equal((await partition.get(4)).record?.value?.toString(), "4");
    assert.equal((await partition.get(9)).record?.offset, 9);
    assert.deepEqual(await partition.get(10), { next: 10 });
    assert.deepEqual(await partition.get(99), { next: 10 });
  });

  test(`${driver}: a reader is told of the offsets that were deleted`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    await appendBatch(topic, 10);
    await topic.partition(0).deleteRecords(4);
    const skips: unknown[] = [];
    await collect(topic.partition(0).read({ from: 1, onSkip: (skip) => skips.push(skip) }));
    assert.deepEqual(skips, [{ partition: 0, from: 1, next: 4 }]);
  });

  test(`${driver}: a reader is told when everything that it wanted was deleted`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    await appendBatch(topic, 10);
    await topic.partition(0).deleteRecords("latest");
    const skips: unknown[] = [];
    assert.deepEqual(
      await collect(topic.partition(0).read({ from: 1, onSkip: (skip) => skips.push(skip) })),
      [],
    );
    assert.deepEqual(skips, [{ partition: 0, from: 1, next: 10 }]);
  });

  test(`${driver}: nobody is told of a skip when nothing was skipped`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    await appendBatch(topic, 5);
    await appendBatch(topic, 5, 5);
    const skips: unknown[] = [];
    await collect(topic.partition(0).read({ from: 2, onSkip: (skip) => skips.push(skip) }));
    assert.deepEqual(skips, []);
  });

  test(`${driver}: a follower sees what is appended later, until its signal`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    await appendBatch(topic, 2);
    const stop = new AbortController();
    const seen: number[] = [];
    const following = (async () => {
      for await (const { offset } of topic.partition(0).read({ follow: true, signal: stop.signal })) {
        seen.push(offset);
        if (offset === 1) void appendBatch(topic, 3, 2);
        if (offset === 4) stop.abort(new Error("enough"));
      }
    })();
    await assert.rejects(settlesSoon(following, "the follower"), /enough/);
    assert.deepEqual(seen, numbers(0, 5));
  });

  test(`${driver}: a follower of several partitions sees each of them`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a", { partitions: 3 });
    const stop = new AbortController();
    const seen = new Set<number>();
    const following = (async () => {
      for await (const { partition } of topic.read({ follow: true, signal: stop.signal })) {
        seen.add(partition);
        if (partition < 2) await topic.append({ value: "x", partition: partition + 1 });
        else stop.abort(new Error("enough"));
      }
    })();
    await topic.append({ value: "x", partition: 0 });
    await assert.rejects(settlesSoon(following, "the follower"), /enough/);
    assert.deepEqual([...seen], [0, 1, 2]);
  });

  for (const partitions of [1, 2]) {
    test(`${driver}: a follower of a topic of ${partitions} ends where it was told to`, async (t) => {
      const topic = await (await openTestLog(t, driver)).topic("a", { partitions });
      const appendOne = async (value: string): Promise<void> => {
        for (let partition = 0; partition < partitions; partition++) await topic.append({ value, partition });
      };
      for (let n = 0; n < 5; n++) await appendOne(`${n}`);
      const following = collect(topic.read({ from: 3, until: 8, follow: true }));
      for (let n = 5; n < 10; n++) await appendOne(`${n}`);
      const found = await settlesSoon(following, "the follower");
      for (let partition = 0; partition < partitions; partition++) {
        assert.deepEqual(offsetsOf(found.filter((record) => record.partition === partition)), numbers(3, 8));
      }
    });
  }

  test(`${driver}: a follower waits at the latest and sees only what comes then`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    await appendBatch(topic, 5);
    const reader = topic.partition(0).read({ from: "latest", follow: true });
    const next = reader.next();
    // The reader has taken its position once it waits; appending before that would be no test of waiting.
    assert.equal(await topic.partition(0).offsetOf("latest"), 5);
    await appendBatch(topic, 1, 5);
    const { value } = await settlesSoon(next, "the follower");
    assert.equal(value?.offset, 5);
  });

  for (const partitions of [1, 2]) {
    test(`${driver}: a follower of a topic of ${partitions} sees a partition that is added`, async (t) => {
      const topic = await (await openTestLog(t, driver)).topic("a", { partitions });
      await topic.append({ value: "old", partition: 0 });
      const stop = new AbortController();
      const seen: number[] = [];
      const following = (async () => {
        for await (const { partition } of topic.read({ follow: true, signal: stop.signal })) {
          seen.push(partition);
          if (partition === partitions) stop.abort(new Error("enough"));
          else {
            await topic.alter({ partitions: partitions + 1 });
            await topic.append({ value: "new", partition: partitions });
            // Wakes a follower that only knows the partition it began with.
            if (seen.length === 1) await topic.append({ value: "old", partition: 0 });
          }
        }
      })();
      await assert.rejects(settlesSoon(following, "the follower"), /enough/);
      assert.ok(seen.includes(partitions));
    });
  }

  test(`${driver}: a follower ends with CLOSED when the log closes`, async (t) => {
    const log = await openTestLog(t, driver);
    const one = (await log.topic("a")).partition(0).read({ follow: true });
    const many = (await log.topic("b", { partitions: 2 })).read({ follow: true });
    const waiting = [one.next(), many.next()];
    await (await log.topic("a")).partition(0).offsetOf("latest");
    const ends = Promise.allSettled(waiting);
    await log.close();
    for (const end of await settlesSoon(ends, "the followers")) {
      assert.ok(end.status === "rejected" && withCode("CLOSED")(end.reason));
    }
  });

  test(`${driver}: a follower learns that its topic was deleted`, async (t) => {
    const log = await openTestLog(t, driver);
    const next = (await log.topic("a")).partition(0).read({ follow: true }).next();
    const told = assert.rejects(settlesSoon(next, "the follower"), withCode("TOPIC_NOT_FOUND"));
    await log.deleteTopic("a");
    await told;
  });

  test(`${driver}: many readers at once each see everything`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    await appendBatch(topic, 500);
    const reads = await Promise.all(
      numbers(0, 20).map((from) => collect(topic.partition(0).read({ from: from * 10 }))),
    );
    for (const [index, found] of reads.entries()) {
      assert.deepEqual(offsetsOf(found), numbers(index * 10, 500));
    }
  });

  test(`${driver}: a reader that is left early ends`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    await appendBatch(topic, 10);
    const reader = topic.partition(0).read({ follow: true });
    for await (const { offset } of reader) if (offset === 3) break;
    assert.deepEqual(await reader.next(), { done: true, value: undefined });
  });

  test(`${driver}: batches come whole, and decode to the records`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    await appendBatch(topic, 5);
    await appendBatch(topic, 5, 5);
    const batches = await collect(topic.partition(0).readBatches({ from: 3 }));
    assert.deepEqual(
      batches.map(({ baseOffset, nextOffset }) => [baseOffset, nextOffset]),
      [
        [0, 5],
        [5, 10],
      ],
    );
    assert.deepEqual(offsetsOf(batches.flatMap((batch) => [...batch.records()])), numbers(0, 10));
  });

  test(`${driver}: a position that is none is refused`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    for (const from of [-1, 0.5, Number.NaN, 2 ** 53, "middle" as "latest"]) {
      assert.throws(() => topic.partition(0).read({ from }), withCode("INVALID_ARGUMENT"));
      assert.throws(() => topic.partition(0).read({ until: from }), withCode("INVALID_ARGUMENT"));
      await assert.rejects(topic.partition(0).offsetOf(from), withCode("INVALID_ARGUMENT"));
    }
    for (const offset of [-1, 0.5, 2 ** 53]) {
      await assert.rejects(topic.partition(0).get(offset), withCode("INVALID_ARGUMENT"));
    }
  });

  test(`${driver}: a date that is none is refused`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    const from = new Date(Number.NaN);
    assert.throws(() => topic.partition(0).read({ from }), withCode("INVALID_ARGUMENT"));
    await assert.rejects(topic.partition(0).offsetOf(from), withCode("INVALID_ARGUMENT"));
  });

  test(`${driver}: a time leads to the first record at or after it, whatever the order of timestamps`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    for (const timestamp of [100, 300, 200, 50, 400]) await topic.append({ value: "x", timestamp });
    const partition = topic.partition(0);
    assert.equal(await partition.offsetOf(new Date(0)), 0);
    assert.equal(await partition.offsetOf(new Date(101)), 1);
    assert.equal(await partition.offsetOf(new Date(300)), 1);
    assert.equal(await partition.offsetOf(new Date(301)), 4);
    assert.equal(await partition.offsetOf(new Date(401)), 5);
  });

  test(`${driver}: a time does not lead to a deleted record`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    await appendBatch(topic, 10);
    await topic.partition(0).deleteRecords(4);
    assert.equal(await topic.partition(0).offsetOf(new Date(0)), 4);
  });
}
