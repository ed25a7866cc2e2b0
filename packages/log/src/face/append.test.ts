// Appending through the public API: receipts, levels, where records go, what comes back, what is refused.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { type TestContext, test } from "node:test";
import { LogError } from "../errors.js";
import type { Compression } from "../record/index.js";
import {
  collect,
  driverNames,
  ManualClock,
  openAt,
  openTestLog,
  partitionDirectories,
  temporaryDirectory,
  withCode,
} from "../test-support.js";
import type { RecordInput } from "./forming.js";
import type { Topic } from "./topic.js";

const require = createRequire(import.meta.url);
const { Partitioners } = require("kafkajs") as {
  Partitioners: {
    DefaultPartitioner(): (choice: {
      topic: string;
      partitionMetadata: { partitionId: number; leader: number }[];
      message: { key: Buffer };
    }) => number;
  };
};

async function openTopic(t: TestContext, config: Parameters<Topic["alter"]>[0] = {}): Promise<Topic> {
  return (await openTestLog(t, "file")).topic("a", config);
}

for (const driver of driverNames) {
  test(`${driver}: a receipt knows its partition and offset at once`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a", { partitions: 2 });
    const receipts = [0, 0, 1, 0].map((partition) => topic.append({ value: "x", partition }));
    assert.deepEqual(
      receipts.map(({ partition, offset }) => [partition, offset]),
      [
        [0, 0],
        [0, 1],
        [1, 0],
        [0, 2],
      ],
    );
    assert.deepEqual(
      (await Promise.all(receipts)).map(({ partition, offset }) => [partition, offset]),
      receipts.map(({ partition, offset }) => [partition, offset]),
    );
  });

  test(`${driver}: the result names the level of the append, by default the topic's`, async (t) => {
    const log = await openTestLog(t, driver);
    for (const level of ["disk", "os", "memory"] as const) {
      const topic = await log.topic(level, { durability: level });
      assert.equal((await topic.append({ value: "x" })).durability, level);
      for (const durability of ["disk", "os", "memory"] as const) {
        assert.equal((await topic.append({ value: "x" }, { durability })).durability, durability);
      }
    }
  });

  test(`${driver}: null, empty, text and bytes come back as they were`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    const bytes = Buffer.from([0, 127, 128, 255]);
    const given: [RecordInput, Buffer | null, Buffer | null][] = [
      [{ value: null }, null, null],
      [{ key: null, value: "" }, null, Buffer.alloc(0)],
      [{ key: "", value: "größe 👍" }, Buffer.alloc(0), Buffer.from("größe 👍")],
      [{ key: "ключ", value: new Uint8Array(bytes) }, Buffer.from("ключ"), bytes],
      [{ key: bytes, value: "x".repeat(100_000) }, bytes, Buffer.from("x".repeat(100_000))],
    ];
    await Promise.all(given.map(([record]) => topic.append(record)));
    const found = await collect(topic.read());
    assert.deepEqual(
      found.map(({ key, value }) => [key, value]),
      given.map(([, key, value]) => [key, value]),
    );
  });

  test(`${driver}: headers come back in their order, null and empty values too`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    const headers = { source: "web", none: null, empty: "", имя: Buffer.from([0, 255]), last: "1" };
    await topic.append({ value: "x", headers });
    await topic.append({ value: "y", headers: {} });
    const [first, second] = await collect(topic.read());
    assert.deepEqual(first?.headers, [
      ["source", Buffer.from("web")],
      ["none", null],
      ["empty", Buffer.alloc(0)],
      ["имя", Buffer.from([0, 255])],
      ["last", Buffer.from("1")],
    ]);
    assert.deepEqual(second?.headers, []);
  });

  test(`${driver}: a record keeps its timestamp, and gets the clock's if it has none`, async (t) => {
    const clock = new ManualClock(1_800_000_000_000);
    const topic = await (await openTestLog(t, driver, { clock })).topic("a");
    await Promise.all([topic.append({ value: "x", timestamp: 7 }), topic.append({ value: "y" })]);
    const found = await collect(topic.read());
    assert.deepEqual(
      found.map(({ timestamp }) => timestamp),
      [7, 1_800_000_000_000],
    );
  });

  for (const compression of ["none", "gzip", "snappy", "lz4", "zstd"] as Compression[]) {
    test(`${driver}: ${compression} comes back as it was, from a batch of many and of one`, async (t) => {
      const topic = await (await openTestLog(t, driver)).topic("a", { compression });
      const values = Array.from({ length: 500 }, (_, n) => `record ${n} of five hundred`);
      await Promise.all(values.map((value) => topic.append({ key: "k", value, headers: { n: "1" } })));
      await topic.append({ value: "alone" });
      const batches = await collect(topic.partition(0).readBatches());
      assert.equal(batches[0]?.compression, compression);
      const found = await collect(topic.read());
      assert.deepEqual(
        found.map(({ value }) => value?.toString()),
        [...values, "alone"],
      );
      assert.deepEqual(found[499]?.headers, [["n", Buffer.from("1")]]);
    });
  }
}

test("a key goes where kafkajs' default partitioner sends it", async (t) => {
  for (const partitions of [1, 2, 7, 32]) {
    const topic = await openTopic(t, { partitions });
    const choose = Partitioners.DefaultPartitioner();
    const partitionMetadata = Array.from({ length: partitions }, (_, n) => ({ partitionId: n, leader: 0 }));
    for (let n = 0; n < 200; n++) {
      const key = n % 2 === 0 ? `key-${n}` : Buffer.from([n, 255, 0, n * 7, n].slice(0, n % 6));
      const expected = choose({ topic: "a", partitionMetadata, message: { key: Buffer.from(key) } });
      assert.equal(topic.append({ key, value: "x" }).partition, expected, `key ${n} of ${partitions}`);
    }
  }
});

test("a partition that is asked for wins over the key's", async (t) => {
  const topic = await openTopic(t, { partitions: 5 });
  for (let partition = 0; partition < 5; partition++) {
    assert.equal((await topic.append({ key: "same", value: "x", partition })).partition, partition);
  }
});

test("records without a key share a batch, and batches take turns", async (t) => {
  const topic = await openTopic(t, { partitions: 3 });
  const used: (number | undefined)[] = [];
  for (let round = 0; round < 6; round++) {
    const results = await Promise.all(Array.from({ length: 10 }, () => topic.append({ value: "x" })));
    const partitions = new Set(results.map(({ partition }) => partition));
    assert.equal(partitions.size, 1);
    used.push(...partitions);
  }
  assert.equal(new Set(used.slice(0, 3)).size, 3);
  assert.deepEqual(used.slice(3), used.slice(0, 3));
});

test("key and value may be changed as soon as append has returned", async (t) => {
  const topic = await openTopic(t);
  const value = Buffer.from("before");
  const receipt = topic.append({ key: value, value });
  value.fill("!");
  await receipt;
  const [found] = await collect(topic.read());
  assert.deepEqual([found?.key?.toString(), found?.value?.toString()], ["before", "before"]);
});

test("a record that exceeds maxMessageBytes is refused with its size, and takes no offset", async (t) => {
  const topic = await openTopic(t, { maxMessageBytes: 1000 });
  const refused = topic.append({ value: "x".repeat(1000) });
  assert.equal(refused.offset, undefined);
  await assert.rejects(refused, (error) => {
    assert.ok(withCode("RECORD_TOO_LARGE")(error) && error instanceof LogError);
    assert.equal(error.details["max"], 1000);
    assert.ok((error.details["size"] as number) >= 1000);
    return true;
  });
  const headers = { h: "x".repeat(1000) };
  await assert.rejects(topic.append({ value: "", headers }), withCode("RECORD_TOO_LARGE"));
  assert.equal((await topic.append({ value: "x".repeat(900) })).offset, 0);
});

test("no batch exceeds maxMessageBytes, however many records come at once", async (t) => {
  const topic = await openTopic(t, { maxMessageBytes: 1000 });
  await Promise.all(Array.from({ length: 100 }, () => topic.append({ value: "x".repeat(90) })));
  const sizes = (await collect(topic.partition(0).readBatches())).map(({ bytes }) => bytes.length);
  assert.ok(Math.max(...sizes) <= 1000, `${sizes}`);
  assert.ok(sizes.length < 20, `${sizes.length} batches`);
});

const badRecords: [string, unknown, "INVALID_ARGUMENT" | "PARTITION_NOT_FOUND"][] = [
  ["that is undefined", undefined, "INVALID_ARGUMENT"],
  ["that is null", null, "INVALID_ARGUMENT"],
  ["that is text", "x", "INVALID_ARGUMENT"],
  ["without a value", {}, "INVALID_ARGUMENT"],
  ["with a number as value", { value: 1 }, "INVALID_ARGUMENT"],
  ["with an array as value", { value: [1, 2] }, "INVALID_ARGUMENT"],
  ["with a number as key", { key: 1, value: "" }, "INVALID_ARGUMENT"],
  ["with a negative timestamp", { value: "", timestamp: -1 }, "INVALID_ARGUMENT"],
  ["with a fraction as timestamp", { value: "", timestamp: 0.5 }, "INVALID_ARGUMENT"],
  ["with a date as timestamp", { value: "", timestamp: new Date() }, "INVALID_ARGUMENT"],
  ["with a number as header", { value: "", headers: { h: 1 } }, "INVALID_ARGUMENT"],
  ["with an undefined header", { value: "", headers: { h: undefined } }, "INVALID_ARGUMENT"],
  ["with null for headers", { value: "", headers: null }, "INVALID_ARGUMENT"],
  ["with text for headers", { value: "", headers: "ab" }, "INVALID_ARGUMENT"],
  ["with a Map of headers", { value: "", headers: new Map([["h", "x"]]) }, "INVALID_ARGUMENT"],
  ["with a list of headers", { value: "", headers: [["h", "x"]] }, "INVALID_ARGUMENT"],
  ["for a partition beyond the last", { value: "", partition: 1 }, "PARTITION_NOT_FOUND"],
  ["for a negative partition", { value: "", partition: -1 }, "PARTITION_NOT_FOUND"],
  ["for half a partition", { value: "", partition: 0.5 }, "PARTITION_NOT_FOUND"],
];
for (const [name, record, code] of badRecords) {
  test(`a record ${name} is refused with ${code}, and what follows is not disturbed`, async (t) => {
    const topic = await (await openTestLog(t, "memory")).topic("a");
    await assert.rejects(topic.append(record as RecordInput), withCode(code));
    assert.equal((await topic.append({ value: "good" })).offset, 0);
  });
}

test("a durability that is none is refused", async (t) => {
  const topic = await openTopic(t);
  const options = { durability: "tape" as "disk" };
  await assert.rejects(topic.append({ value: "" }, options), withCode("INVALID_ARGUMENT"));
});

test("the unknown option of an append is refused", async (t) => {
  const topic = await openTopic(t);
  const options = { durabilty: "os" } as object;
  await assert.rejects(topic.append({ value: "" }, options), withCode("INVALID_ARGUMENT"));
});

test("offsets go on where they were when the log is opened again", async (t) => {
  const directory = temporaryDirectory(t);
  const first = await openAt(t, directory);
  const receipts = Array.from({ length: 10 }, async () => (await first.topic("a")).append({ value: "x" }));
  await Promise.all(receipts);
  await first.close();
  const second = await openAt(t, directory);
  assert.equal((await second.topic("a")).append({ value: "y" }).offset, 10);
});

for (const driver of driverNames) {
  test(`${driver}: a listener is told of every record once, in order, when it is durable`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a", { partitions: 2 });
    const told: [number, number][] = [];
    const stop = topic.onAcknowledged(({ partition, from, next, durability }) => {
      assert.equal(durability, "disk");
      for (let offset = from; offset < next; offset++) told.push([partition, offset]);
    });
    for (let round = 0; round < 3; round++) {
      const receipts = Array.from({ length: 10 }, (_, n) => topic.append({ value: "x", partition: n % 2 }));
      await Promise.all(receipts);
    }
    await topic.appendAll([{ value: "x", partition: 1 }]);
    stop();
    await topic.append({ value: "unheard", partition: 0 });
    const offsetsOf = (wanted: number): number[] =>
      told.filter(([partition]) => partition === wanted).map(([, offset]) => offset);
    assert.deepEqual(offsetsOf(0), [...Array(15).keys()]);
    assert.deepEqual(offsetsOf(1), [...Array(16).keys()]);
  });
}

test("appending and deleting within the memory budget writes no segment", async (t) => {
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory, { journalFileBytes: 64 * 1024, journalBytesMax: 512 * 1024 });
  const topic = await log.topic("queue", { partitions: 3 });
  for (let n = 0; n < 1000; n++) {
    await Promise.all([0, 1, 2].map((partition) => topic.append({ value: "x".repeat(500), partition })));
    if (n % 20 === 19)
      await Promise.all([0, 1, 2].map((number) => topic.partition(number).deleteRecords("latest")));
  }
  const { storage } = await log.stats();
  assert.ok(storage.journalBytes <= 512 * 1024, `${storage.journalBytes}`);
  assert.deepEqual(partitionDirectories(directory), []);
});
