// Raw slices through the public API, on each driver: what is in them, how large they are, where they go on.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { type TestContext, test } from "node:test";
import { batchLengthAt } from "../record/index.js";
import {
  cleanUp,
  type DriverName,
  driverNames,
  openAt,
  openTestLog,
  settlesSoon,
  temporaryDirectory,
  withCode,
} from "../test-support.js";
import { decodeBatches } from "./decode-batches.js";
import type { Partition } from "./partition.js";
import type { RawReadOptions, RawSlice } from "./raw.js";
import { TransactionWriter } from "./test-support.js";
import type { Topic } from "./topic.js";

/** Records in one batch: all are appended before the first is handed over. */
async function appendBatch(topic: Topic, first: number, count: number, valueBytes = 10): Promise<void> {
  const receipts = Array.from({ length: count }, (_, n) =>
    topic.append({ value: `${first + n}`.padEnd(valueBytes, "."), timestamp: 1000 + first + n }),
  );
  await Promise.all(receipts);
}

function numbers(from: number, until: number): number[] {
  return Array.from({ length: until - from }, (_, n) => from + n);
}

function offsetsIn({ chunks, startOffset }: RawSlice): number[] {
  return Array.from(decodeBatches(chunks, { from: startOffset }), ({ offset, value }) => {
    assert.equal(Number.parseInt(value?.toString() ?? "", 10), offset);
    return offset;
  });
}

function batchLengths({ chunks }: RawSlice): number[] {
  const lengths: number[] = [];
  for (const chunk of chunks)
    for (let at = 0; at < chunk.length; at += lengths.at(-1) as number)
      lengths.push(batchLengthAt(chunk, at));
  return lengths;
}

/** All slices from an offset on, the empty one at the end included. */
async function slicesFrom(partition: Partition, options: RawReadOptions): Promise<RawSlice[]> {
  const slices = [await partition.readRaw(options)];
  for (let last = slices[0] as RawSlice; last.length > 0; ) {
    last = await partition.readRaw({ ...options, from: last.next });
    slices.push(last);
  }
  return slices;
}

type Place = DriverName | "file, in segments";

/** A partition with ten batches of ten records each. */
async function filled(t: TestContext, place: Place, valueBytes?: number): Promise<Partition> {
  const fill = async (topic: Topic): Promise<void> => {
    for (let first = 0; first < 100; first += 10) await appendBatch(topic, first, 10, valueBytes);
  };
  if (place !== "file, in segments") {
    const topic = await (await openTestLog(t, place)).topic("a");
    await fill(topic);
    return topic.partition(0);
  }
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory);
  await fill(await log.topic("a"));
  await log.close();
  return (await (await openAt(t, directory)).topic("a")).partition(0);
}

for (const place of [...driverNames, "file, in segments"] as const) {
  test(`${place}: a raw slice holds whole batches, which decode to the records`, async (t) => {
    const partition = await filled(t, place);
    const slice = await partition.readRaw({ from: 0 });
    assert.deepEqual(offsetsIn(slice), numbers(0, 100));
    assert.equal(batchLengths(slice).length, 10);
    assert.equal(
      slice.length,
      batchLengths(slice).reduce((sum, length) => sum + length, 0),
    );
    assert.deepEqual([slice.startOffset, slice.next, slice.highWatermark], [0, 100, 100]);
  });

  test(`${place}: at the end a raw slice is empty`, async (t) => {
    const partition = await filled(t, place);
    for (const from of [100, 250, "latest"] as const) {
      const { chunks, length, startOffset, next, highWatermark } = await partition.readRaw({ from });
      const offset = from === "latest" ? 100 : from;
      assert.deepEqual(
        { chunks, length, startOffset, next, highWatermark },
        { chunks: [], length: 0, startOffset: offset, next: offset, highWatermark: 100 },
      );
    }
  });

  test(`${place}: slices within any budget add up to the whole, and are no longer than it`, async (t) => {
    const partition = await filled(t, place);
    const whole = await partition.readRaw({ from: 0 });
    const [batchBytes] = batchLengths(whole) as [number];
    for (const bytesMax of [1, batchBytes, 2 * batchBytes - 1, 3 * batchBytes, whole.length]) {
      const slices = await slicesFrom(partition, { from: 0, bytesMax });
      assert.deepEqual(slices.flatMap(offsetsIn), numbers(0, 100), `${bytesMax}`);
      assert.deepEqual(
        Buffer.concat(slices.flatMap(({ chunks }) => chunks)),
        Buffer.concat([...whole.chunks]),
      );
      for (const slice of slices) assert.ok(slice.length <= Math.max(bytesMax, batchBytes));
      const fit = Math.max(1, Math.floor(bytesMax / batchBytes));
      assert.equal(slices.length, Math.ceil(10 / fit) + 1, "as few as it takes, and the empty one");
    }
  });

  test(`${place}: more than a mebibyte comes in slices of at most a mebibyte`, async (t) => {
    const partition = await filled(t, place, 40_000);
    const slices = await slicesFrom(partition, { from: 0 });
    assert.deepEqual(slices.flatMap(offsetsIn), numbers(0, 100));
    assert.ok(slices.length >= 5);
    for (const { length } of slices) assert.ok(length <= 1024 * 1024);
  });

  test(`${place}: a raw slice begins with the batch that holds the position`, async (t) => {
    const partition = await filled(t, place);
    for (const [from, first] of [
      [37, 37],
      [40, 40],
      ["earliest", 0],
      [new Date(1055), 55],
    ] as const) {
      const slice = await partition.readRaw({ from });
      assert.equal(slice.startOffset, first);
      assert.deepEqual(offsetsIn(slice), numbers(first, 100));
      assert.equal(batchLengths(slice).length, 10 - Math.floor(first / 10));
    }
  });

  test(`${place}: a raw slice begins at the log's start after a deletion`, async (t) => {
    const partition = await filled(t, place);
    await partition.deleteRecords(55);
    for (const from of [0, "earliest"] as const) {
      const slice = await partition.readRaw({ from });
      assert.equal(slice.startOffset, 55);
      assert.deepEqual(offsetsIn(slice), numbers(55, 100));
    }
  });

  test(`${place}: slices that went through a socket in pieces decode to the same records`, async (t) => {
    const partition = await filled(t, place);
    const slices = await slicesFrom(partition, { from: 0, bytesMax: 500 });
    const server = createServer((socket) => {
      for (const { chunks } of slices) for (const chunk of chunks) socket.write(chunk);
      socket.end();
    });
    cleanUp(t, () => void server.close());
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const received: Buffer[] = [];
    for await (const piece of connect((server.address() as AddressInfo).port, "127.0.0.1"))
      received.push(piece);
    assert.deepEqual(
      Array.from(decodeBatches(Buffer.concat(received)), ({ offset }) => offset),
      numbers(0, 100),
    );
  });
}

test("a slice goes on where the segments end, and stays within its budget", async (t) => {
  const directory = temporaryDirectory(t);
  const before = await openAt(t, directory);
  await appendBatch(await before.topic("a"), 0, 10, 1000);
  await before.close();
  const topic = await (await openAt(t, directory)).topic("a");
  for (const first of [10, 20, 30]) await appendBatch(topic, first, 10, 1000);
  const partition = topic.partition(0);
  const whole = await partition.readRaw({ from: 0 });
  assert.deepEqual(offsetsIn(whole), numbers(0, 40));
  assert.deepEqual(offsetsIn(await partition.readRaw({ from: 5 })), numbers(5, 40));
  const [batchBytes] = batchLengths(whole) as [number];
  const part = await partition.readRaw({ from: 0, bytesMax: 3 * batchBytes });
  assert.deepEqual(offsetsIn(part), numbers(0, 30));
  assert.deepEqual(offsetsIn(await partition.readRaw({ from: 0, bytesMax: 1 })), numbers(0, 10));
});

for (const place of [...driverNames, "file, in segments"] as const) {
  test(`${place}: memory of the caller's is filled from segments, if at least half of it is`, async (t) => {
    const partition = await filled(t, place, 1000);
    const { chunks, ...slice } = await partition.readRaw({ from: 0 });
    for (const size of [0, slice.length, 2 * slice.length - 1, 2 * slice.length, 1024 * 1024]) {
      const memory = Buffer.alloc(size);
      const { chunks: own, ...answer } = await partition.readRaw({ from: 0, memory });
      assert.deepEqual(Buffer.concat(own), Buffer.concat(chunks));
      assert.deepEqual(answer, slice);
      const isSuited = place === "file, in segments" && size >= slice.length && size < 2 * slice.length;
      assert.equal(own[0]?.buffer === memory.buffer, isSuited, `${size} bytes`);
    }
  });
}

test("a small slice of a segment does not keep alive all that was read to find its end", async (t) => {
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory);
  const topic = await log.topic("a");
  await topic.append({ value: "0" });
  await new TransactionWriter(log, topic).write(1, ["open".padEnd(60_000)]);
  await log.close();
  const partition = (await (await openAt(t, directory)).topic("a")).partition(0);
  const memory = Buffer.alloc(64 * 1024);
  for (const options of [{ bytesMax: 1000 }, { isolation: "read_committed" }] as const) {
    const { chunks } = await partition.readRaw({ from: 0, memory, ...options });
    assert.deepEqual([chunks.length, (chunks[0] as Buffer).length < 1000], [1, true]);
    assert.notEqual(chunks[0]?.buffer, memory.buffer);
  }
});

for (const driver of driverNames) {
  test(`${driver}: a raw slice holds what is acknowledged, also of a topic in memory only`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a", { durability: "memory" });
    await topic.append({ value: "0" });
    assert.deepEqual(offsetsIn(await topic.partition(0).readRaw({ from: 0 })), [0]);
  });

  test(`${driver}: raw reading ends with its signal`, async (t) => {
    const partition = await filled(t, driver);
    const reason = new Error("enough");
    await assert.rejects(partition.readRaw({ from: 0, signal: AbortSignal.abort(reason) }), reason);
    const stop = new AbortController();
    const reading = partition.readRaw({ from: 0, signal: stop.signal });
    stop.abort(reason);
    await assert.rejects(settlesSoon(reading, "reading"), reason);
  });

  test(`${driver}: raw reading refuses what it does not know`, async (t) => {
    const partition = (await (await openTestLog(t, driver)).topic("a")).partition(0);
    const wrong = [
      {},
      { from: -1 },
      { from: "later" },
      { from: 0, bytesMax: 0 },
      { from: 0, until: 5 },
      7,
      null,
    ];
    for (const options of [...wrong, undefined, { from: 0, bytesMax: 2 ** 40 }]) {
      await assert.rejects(partition.readRaw(options as RawReadOptions), withCode("INVALID_ARGUMENT"));
    }
  });

  test(`${driver}: a topic that was deleted is not read`, async (t) => {
    const log = await openTestLog(t, driver);
    const partition = (await log.topic("a")).partition(0);
    await log.deleteTopic("a");
    await assert.rejects(partition.readRaw({ from: 0 }), withCode("TOPIC_NOT_FOUND"));
  });
}
