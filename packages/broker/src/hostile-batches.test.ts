// What producers send that must not be stored, or not so.
import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { apis, ErrorCode } from "@strandlog/protocol";
import { batchOf, Client, crc32c, fetchFrom, produceTo, serve } from "./test-support.js";

const int32Max = 2 ** 31 - 1;

/** A batch with something changed, under a checksum that is right. */
function forged(change: (batch: Buffer) => void, batch = batchOf("a")): Buffer {
  change(batch);
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
  return batch;
}

test("acks other than those there are get an error for each partition, and nothing is stored", async (t) => {
  const { broker, log } = await serve(t);
  const topic = await log.topic("orders", { partitions: 2 });
  const client = await Client.connect(t, broker);
  for (const acks of [-(2 ** 15), -2, 2, 2 ** 15 - 1]) {
    const partitionData = [0, 1, 2].map((index) => ({ index, records: [batchOf("a")] }));
    const asked = { acks, timeoutMs: -(2 ** 31), topicData: [{ name: "orders", partitionData }] };
    const { responses } = await client.request(apis.produce, 9, asked);
    assert.deepEqual(
      responses[0]?.partitionResponses.map(({ errorCode }) => errorCode),
      Array(3).fill(ErrorCode.INVALID_REQUIRED_ACKS),
    );
  }
  assert.equal((await topic.partition(0).describe()).logEndOffset, 0);
});

test("a batch is stored in any codec there is, and refused if its header cannot be true", async (t) => {
  const { broker, log } = await serve(t);
  const topic = await log.topic("orders", { partitions: 2 });
  const client = await Client.connect(t, broker);
  const produce = async (batch: Buffer) => {
    const { responses } = await client.request(apis.produce, 9, produceTo("orders", 0, batch));
    return responses[0]?.partitionResponses[0]?.errorCode;
  };
  const codec = (id: number) => (batch: Buffer) => batch.writeInt16BE(id, 21);
  const time = (value: bigint) => (batch: Buffer) => {
    batch.writeBigInt64BE(value, 27);
    batch.writeBigInt64BE(value, 35);
  };
  const { INVALID_RECORD, INVALID_TIMESTAMP, UNSUPPORTED_COMPRESSION_TYPE } = ErrorCode;
  const cases: readonly [name: string, batch: Buffer, expected: number][] = [
    ["codec 5", forged(codec(5)), UNSUPPORTED_COMPRESSION_TYPE],
    ["codec 7, all bits", forged(codec(-1)), UNSUPPORTED_COMPRESSION_TYPE],
    ["time of append", forged(codec(8)), INVALID_TIMESTAMP],
    ["control", forged(codec(0x21)), INVALID_RECORD],
    ["time -2", forged(time(-2n)), INVALID_TIMESTAMP],
    ["least time", forged(time(-(2n ** 63n))), INVALID_TIMESTAMP],
    ["time 2^53", forged(time(2n ** 53n)), INVALID_TIMESTAMP],
    ["most time", forged(time(2n ** 63n - 1n)), INVALID_TIMESTAMP],
    ["base offset 2^53", forged((batch) => batch.writeBigInt64BE(2n ** 53n)), INVALID_RECORD],
    ["negative base offset", forged((batch) => batch.writeBigInt64BE(-1n)), ErrorCode.CORRUPT_MESSAGE],
    ["more records than bytes", forged((batch) => counting(batch, 3)), INVALID_RECORD],
    ["2^31 - 1 records", forged((batch) => counting(batch, int32Max)), INVALID_RECORD],
    ["-1 records", forged((batch) => counting(batch, -1)), INVALID_RECORD],
    ["a producer beyond 2^53", forged((batch) => numbered(batch, 2n ** 63n - 1n, 0)), INVALID_RECORD],
    ["a producer without a sequence", forged((batch) => numbered(batch, 1n, -1)), INVALID_RECORD],
  ];
  for (const [name, batch, expected] of cases) assert.equal(await produce(batch), expected, name);
  assert.equal((await topic.partition(0).describe()).logEndOffset, 0);

  assert.equal(await produce(forged(time(-1n))), ErrorCode.NONE);
  assert.equal(await produce(forged(time(2n ** 53n - 1n))), ErrorCode.NONE);
  const plain = batchOf("compressed");
  const packed = Buffer.concat([plain.subarray(0, 61), gzipSync(plain.subarray(61))]);
  packed.writeInt32BE(packed.length - 12, 8);
  assert.equal(await produce(forged(codec(1), packed)), ErrorCode.NONE);
  const { responses } = await client.request(apis.fetch, 12, fetchFrom("orders", 2));
  assert.deepEqual(responses[0]?.partitions[0]?.records?.subarray(16), packed.subarray(16));
  assert.equal(String((await topic.partition(0).get(2)).record?.value), "compressed");
});

function counting(batch: Buffer, count: number): void {
  batch.writeInt32BE(count, 57);
  batch.writeInt32BE((count - 1) | 0, 23);
}

function numbered(batch: Buffer, producerId: bigint, sequence: number): void {
  batch.writeBigInt64BE(producerId, 43);
  batch.writeInt16BE(0, 51);
  batch.writeInt32BE(sequence, 53);
}

test("a partition that is named twice is appended to once", async (t) => {
  const { broker, log } = await serve(t);
  const topic = await log.topic("orders", { partitions: 2 });
  const client = await Client.connect(t, broker);
  const data = (index: number) => ({ index, records: [batchOf("a")] });
  const { responses } = await client.request(apis.produce, 9, {
    acks: -1,
    timeoutMs: 1,
    topicData: [
      { name: "orders", partitionData: [data(0), data(1), data(0)] },
      { name: "orders", partitionData: [data(1)] },
    ],
  });
  const { NONE, INVALID_REQUEST } = ErrorCode;
  assert.deepEqual(
    responses.map(({ partitionResponses }) => partitionResponses.map(({ errorCode }) => errorCode)),
    [[NONE, NONE, INVALID_REQUEST], [INVALID_REQUEST]],
  );
  assert.equal((await topic.partition(0).describe()).logEndOffset, 1);
});

test("a small batch that came in a large request does not keep all of that in memory", async (t) => {
  const { broker, log } = await serve(t);
  const topic = await log.topic("orders");
  const client = await Client.connect(t, broker);
  const small = batchOf("small");
  const partitionData = [
    { index: 0, records: [small] },
    { index: 1, records: [Buffer.alloc(500_000)] },
  ];
  const asked = { acks: -1, timeoutMs: 1, topicData: [{ name: "orders", partitionData }] };
  await client.request(apis.produce, 9, asked);
  await client.request(apis.produce, 9, produceTo("orders", 0, batchOf("a".repeat(50_000))));
  const { chunks } = await topic.partition(0).readRaw({ from: 0 });
  assert.equal(chunks.length, 2);
  for (const { buffer, length } of chunks) assert.ok(buffer.byteLength <= 2 * length);
});
