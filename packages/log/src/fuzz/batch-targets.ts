// Record batches: the decoder of the engine, the public one for raw slices, the varints and the codecs below them.
import fc from "fast-check";
import { decodeBatches } from "../face/decode-batches.js";
import { compress, decompress } from "../record/compression.js";
import { BatchBuilder, type LogRecord, placeBatch, RecordBatch } from "../record/index.js";
import { VarintReader, varlongSize, writeVarlong } from "../record/varint.js";
import { batchFields, bombs, compressions, goldenFiles, ownBatch, repairBatch } from "./batch-bytes.js";
import { expect, type FuzzTarget } from "./target.js";

const recordsRebuiltMax = 16;
const codecBytesMax = 64 * 1024;
const noRecords: readonly LogRecord[] = [];

export async function batchTargets(): Promise<FuzzTarget[]> {
  const corpus = [...(await goldenFiles(".batch")), ...compressions.map((name) => ownBatch(name))];
  const batch: FuzzTarget = {
    name: "batch",
    share: 20,
    codes: ["CORRUPT_BATCH", "NUMBER_TOO_LARGE"],
    corpus,
    read: readBatch,
    repair: repairBatch,
    fields: batchFields,
    identity: batchIdentity,
  };
  return [
    batch,
    // Each costs a hundred times as much as another batch.
    { ...batch, name: "bomb", share: 0.1, corpus: bombs() },
    {
      name: "slice",
      share: 8,
      codes: ["CORRUPT_BATCH", "NUMBER_TOO_LARGE"],
      corpus: corpus.map((bytes, index) => Buffer.concat([placed(bytes, index), ownBatch("none", 2, 1000)])),
      read: readSlice,
      repair: repairSlice,
      fields: fc.array(batchFields, { minLength: 1, maxLength: 3 }).map((batches) => Buffer.concat(batches)),
    },
    varintTarget(),
    codecTarget(),
  ];
}

function placed(batch: Buffer, baseOffset: number): Buffer {
  const copy = Buffer.from(batch);
  placeBatch(copy, baseOffset, 1);
  return copy;
}

function readBatch(input: Buffer): boolean {
  const batch = new RecordBatch(input).verify();
  const { baseOffset, lastOffset, baseTimestamp, maxTimestamp, producerId, compression } = batch;
  const numbers = [baseOffset, lastOffset, batch.nextOffset, baseTimestamp, maxTimestamp, producerId];
  expect(numbers.every(Number.isSafeInteger), `numbers beyond 2^53: ${numbers}`);
  expect(baseOffset >= 0 && lastOffset >= baseOffset, `offsets ${baseOffset} to ${lastOffset}`);
  const records: LogRecord[] = [];
  let count = 0;
  let previous = baseOffset - 1;
  for (const record of batch.records()) {
    const { offset, timestamp } = record;
    expect(
      offset > previous && offset <= lastOffset,
      `offset ${offset} after ${previous}, last ${lastOffset}`,
    );
    expect(Number.isSafeInteger(timestamp), `timestamp ${timestamp}`);
    for (const [name] of record.headers) expect(typeof name === "string", "a header without a name");
    if (records.length <= recordsRebuiltMax) records.push(record);
    previous = offset;
    count++;
  }
  expect(count === batch.recordCount, `${count} records of ${batch.recordCount}`);
  if (compression === "none") rebuild(records.length > recordsRebuiltMax ? noRecords : records);
  return true;
}

/** What was read is written again, and read again. */
function rebuild(records: readonly LogRecord[]): void {
  if (records.length === 0) return;
  const builder = new BatchBuilder(256);
  for (const { key, value, timestamp } of records) builder.append(key, value, undefined, timestamp);
  const batch = new RecordBatch(
    builder.seal({ baseOffset: 0, partitionLeaderEpoch: 0, compression: "none" }),
  );
  let index = 0;
  for (const { key, value, timestamp } of batch.verify().records()) {
    const record = records[index++] as LogRecord;
    const isSame = record.timestamp === timestamp && isEqual(record.key, key) && isEqual(record.value, value);
    expect(isSame, `record ${index - 1} is another one when written again`);
  }
}

function isEqual(left: Buffer | null, right: Buffer | null): boolean {
  return left === null || right === null ? left === right : left.equals(right);
}

function readSlice(input: Buffer): boolean {
  let previous = -1;
  for (const { offset, headers } of decodeBatches(input)) {
    expect(offset > previous, `offset ${offset} comes after ${previous}`);
    expect(Array.isArray(headers), "headers are a list");
    previous = offset;
  }
  return true;
}

/** The batches as far as their lengths lead, each with its checksum; the last one takes the rest. */
function repairSlice(input: Buffer): Buffer {
  for (let at = 0; at + 61 <= input.length; ) {
    const length = input.readInt32BE(at + 8) + 12;
    const end = length >= 61 && at + length <= input.length ? at + length : input.length;
    repairBatch(input.subarray(at, end));
    at = end;
  }
  return input;
}

const plainBytes = fc.option(fc.uint8Array({ maxLength: 100 }));
const batchIdentity = fc.property(
  fc.array(
    fc.record({
      key: plainBytes,
      value: plainBytes,
      headers: fc.dictionary(fc.string({ maxLength: 8 }), plainBytes, { maxKeys: 3 }),
      timestamp: fc.nat({ max: 2 ** 31 - 1 }).map((ms) => 1_700_000_000_000 + ms),
    }),
    { minLength: 1, maxLength: 6 },
  ),
  fc.constantFrom(...compressions),
  fc.nat(),
  (given, compression, baseOffset) => {
    const builder = new BatchBuilder(64);
    for (const { key, value, headers, timestamp } of given) builder.append(key, value, headers, timestamp);
    const batch = new RecordBatch(
      builder.seal({ baseOffset, partitionLeaderEpoch: 1, compression }),
    ).verify();
    const records = [...batch.records()];
    expect(records.length === given.length, "the records are as many");
    for (const [index, { key, value, headers, timestamp }] of given.entries()) {
      const record = records[index] as LogRecord;
      expect(record.offset === baseOffset + index && record.timestamp === timestamp, "offset and timestamp");
      expect(isEqual(record.key, asBuffer(key)) && isEqual(record.value, asBuffer(value)), "key and value");
      const names = Object.entries(headers);
      expect(record.headers.length === names.length, "the headers are as many");
      for (const [n, [name, headerValue]] of names.entries()) {
        const [found, foundValue] = record.headers[n] ?? ["", null];
        expect(found === name && isEqual(foundValue, asBuffer(headerValue)), `header ${name}`);
      }
    }
  },
);

function asBuffer(bytes: Uint8Array | null): Buffer | null {
  return bytes === null ? null : Buffer.from(bytes);
}

function varintTarget(): FuzzTarget {
  const scratch = Buffer.alloc(16);
  const long = fc.maxSafeInteger();
  return {
    name: "varint",
    share: 8,
    codes: ["CORRUPT_BATCH", "NUMBER_TOO_LARGE"],
    // An even first byte: 32-bit numbers follow, an odd one: 64-bit numbers.
    corpus: ["0000017f8001ffffffff0ffeffffff0f", "010001feffffff0f80808080808008feffffffffffff1f"].map(
      (hex) => Buffer.from(hex, "hex"),
    ),
    read(input) {
      const reader = new VarintReader(input, 1, input.length);
      while (reader.position < input.length) {
        const isLong = ((input[0] as number) & 1) === 1;
        const value = isLong ? reader.nextLong() : reader.next();
        expect(Number.isSafeInteger(value), `a varint of ${value}`);
        expect(isLong || (value | 0) === value, `a 32-bit varint of ${value}`);
        const again = new VarintReader(scratch, 0, writeVarlong(scratch, 0, value)).nextLong();
        expect(again === value, `${value} is read as ${again}`);
      }
      return true;
    },
    repair: (input) => input,
    fields: fc.uint8Array({ minLength: 1, maxLength: 24 }).map((bytes) => Buffer.from(bytes)),
    identity: fc.property(long, (value) => {
      const end = writeVarlong(scratch, 0, value);
      expect(end === varlongSize(value), "its size is what was computed");
      expect(new VarintReader(scratch, 0, end).nextLong() === value, "it is read as it was written");
    }),
  };
}

/** The first byte chooses the codec, the rest is what it shall unpack. */
function codecTarget(): FuzzTarget {
  const text = Buffer.from("Kafka wrote this. ".repeat(300));
  const pack = (id: number, bytes: Uint8Array): Buffer =>
    Buffer.concat([Buffer.from([id]), compress(compressions[id] ?? "none", bytes)]);
  const zeros = Buffer.alloc(2 * codecBytesMax);
  return {
    name: "codec",
    share: 10,
    codes: ["CORRUPT_BATCH"],
    corpus: [1, 2, 3, 4].flatMap((id) => [pack(id, text), pack(id, text.subarray(0, 20)), pack(id, zeros)]),
    read(input) {
      const codec = compressions[(input[0] ?? 0) % 5] ?? "none";
      if (codec === "none") return false;
      const plain = decompress(codec, input.subarray(1), codecBytesMax);
      expect(plain.length <= codecBytesMax, `${plain.length} bytes where ${codecBytesMax} are allowed`);
      return true;
    },
    repair: (input) => input,
    fields: fc
      .tuple(
        fc.integer({ min: 1, max: 4 }),
        fc.uint8Array({ maxLength: 300 }),
        fc.nat(),
        fc.nat({ max: 255 }),
      )
      .map(([id, bytes, at, byte]) => {
        const packed = pack(id, bytes);
        packed[1 + (at % (packed.length - 1))] = byte;
        return packed;
      }),
    identity: fc.property(
      fc.constantFrom(...compressions),
      fc.uint8Array({ maxLength: 2000 }),
      (codec, bytes) => {
        const plain = decompress(codec, compress(codec, bytes), bytes.length);
        expect(Buffer.from(bytes).equals(plain), `${codec} gives back what went in`);
      },
    ),
  };
}
