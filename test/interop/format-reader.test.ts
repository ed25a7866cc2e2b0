// Proves that the reader bites: each test makes a directory by hand, with a writer that shares nothing with
// the reader, and damages one thing.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, test } from "node:test";
import { compressSync } from "snappy";
import { checkDirectory, type DirectoryReport, readPartition } from "./format-reader.js";

/** Paths below `topics` to their bytes. */
type Files = Record<string, Buffer>;

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) {
    rmSync(directory, { recursive: true });
  }
});

function write(files: Files): string {
  const directory = mkdtempSync(join(tmpdir(), "strandlog-format-"));
  directories.push(directory);
  for (const [path, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, "topics", path)), { recursive: true });
    writeFileSync(join(directory, "topics", path), bytes);
  }
  return directory;
}

function check(files: Files): DirectoryReport {
  return checkDirectory(write(files));
}

/** Asserts that the damage is found and that nothing else is reported. */
function assertProblem(files: Files, problem: RegExp): void {
  const { problems } = check(files);
  assert.match(problems.join("\n"), problem);
  assert.equal(problems.length, 1, problems.join("\n"));
}

// The writer.

function crc32c(bytes: Buffer): number {
  let crc = 0xffffffffn;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit += 1) {
      crc = (crc & 1n) === 1n ? (crc >> 1n) ^ 0x82f63b78n : crc >> 1n;
    }
  }
  return Number(crc ^ 0xffffffffn);
}

function varint(value: number): Buffer {
  let rest = value < 0 ? -2 * value - 1 : 2 * value;
  const bytes: number[] = [];
  while (rest >= 128) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  return Buffer.from([...bytes, rest]);
}

/** The length, then the fields as in a record: attributes, timestamp, offset, key, value, headers. */
function recordOf(...fields: readonly Buffer[]): Buffer {
  const body = Buffer.concat(fields);
  return Buffer.concat([varint(body.length), body]);
}

function record(offsetDelta: number, timestampDelta: number, valueBytes: number): Buffer {
  const value = [varint(valueBytes), Buffer.alloc(valueBytes, "v")];
  return recordOf(Buffer.of(0), varint(timestampDelta), varint(offsetDelta), varint(-1), ...value, varint(0));
}

interface BatchFields {
  baseOffset: number;
  baseTimestamp: number;
  maxTimestamp?: number;
  lastOffsetDelta?: number;
  count?: number;
  attributes?: number;
  magic?: number;
  producerId?: bigint;
  records: readonly Buffer[];
}

function batch(fields: BatchFields): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(61), ...fields.records]);
  const count = fields.count ?? fields.records.length;
  bytes.writeBigInt64BE(BigInt(fields.baseOffset), 0);
  bytes.writeInt32BE(bytes.length - 12, 8);
  bytes.writeInt8(fields.magic ?? 2, 16);
  bytes.writeInt16BE(fields.attributes ?? 0, 21);
  bytes.writeInt32BE(fields.lastOffsetDelta ?? count - 1, 23);
  bytes.writeBigInt64BE(BigInt(fields.baseTimestamp), 27);
  bytes.writeBigInt64BE(BigInt(fields.maxTimestamp ?? fields.baseTimestamp), 35);
  bytes.writeBigInt64BE(fields.producerId ?? -1n, 43);
  bytes.writeInt16BE(-1, 51);
  bytes.writeInt32BE(-1, 53);
  bytes.writeInt32BE(count, 57);
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17);
  return bytes;
}

/** A batch of one record and exactly `size` bytes, 200 to 8,000. */
function sized(baseOffset: number, baseTimestamp: number, size: number): Buffer {
  const fields = { baseOffset, baseTimestamp };
  const overhead = batch({ ...fields, records: [record(0, 0, 100)] }).length - 100;
  const bytes = batch({ ...fields, records: [record(0, 0, size - overhead)] });
  assert.equal(bytes.length, size);
  return bytes;
}

function offsetEntries(...entries: readonly (readonly [lastOffset: number, position: number])[]): Buffer {
  return Buffer.concat(
    entries.map(([lastOffset, position]) => {
      const bytes = Buffer.alloc(8);
      bytes.writeInt32BE(lastOffset, 0);
      bytes.writeInt32BE(position, 4);
      return bytes;
    }),
  );
}

function timeEntries(...entries: readonly (readonly [timestamp: number, lastOffset: number])[]): Buffer {
  return Buffer.concat(
    entries.map(([timestamp, lastOffset]) => {
      const bytes = Buffer.alloc(12);
      bytes.writeBigInt64BE(BigInt(timestamp), 0);
      bytes.writeInt32BE(lastOffset, 8);
      return bytes;
    }),
  );
}

const metadata = Buffer.from("version: 0\ntopic_id: q1Rv2yJ3TbG0xkM8-aZ_Nw");
const epochs = Buffer.from("0\n1\n0 0\n");
const empty = Buffer.alloc(0);

function partition(
  name: string,
  segments: readonly { base: number; log: Buffer; index?: Buffer; time?: Buffer }[],
): Files {
  const files: Files = {
    [`${name}/partition.metadata`]: metadata,
    [`${name}/leader-epoch-checkpoint`]: epochs,
  };
  for (const { base, log, index, time } of segments) {
    const stem = `${name}/${String(base).padStart(20, "0")}`;
    files[`${stem}.log`] = log;
    files[`${stem}.index`] = index ?? empty;
    files[`${stem}.timeindex`] = time ?? empty;
  }
  return files;
}

/** One segment of one log without index entries. */
function single(...batches: readonly Buffer[]): Files {
  return partition("orders-0", [{ base: 0, log: Buffer.concat(batches) }]);
}

// 3 × 1,500 bytes are more than 4,096: the fourth batch is indexed, at position 4,500.
const rolledTimestamps = [1000, 1010, 1030, 1020, 1040, 1050];
const rolledLog = Buffer.concat(rolledTimestamps.map((timestamp, offset) => sized(offset, timestamp, 1500)));
const rolled = {
  base: 0,
  log: rolledLog,
  index: offsetEntries([3, 4500]),
  time: timeEntries([1030, 2], [1050, 5]),
};
// 4 × 1,024 bytes are 4,096 and not more: only the sixth batch is indexed.
const newestTimestamps = [2000, 2000, 1900, 1900, 1900, 1950, 2100];
const newestLog = Buffer.concat(newestTimestamps.map((timestamp, i) => sized(6 + i, timestamp, 1024)));
const newest = { base: 6, log: newestLog, index: offsetEntries([5, 5120]), time: timeEntries([2000, 0]) };

const logFile = "orders-0/00000000000000000000.log";
const indexFile = "orders-0/00000000000000000000.index";
const timeFile = "orders-0/00000000000000000000.timeindex";
const newestTimeFile = "orders-0/00000000000000000006.timeindex";

function good(): Files {
  return partition("orders-0", [rolled, newest]);
}

function flip(bytes: Buffer, at: number): Buffer {
  const flipped = Buffer.from(bytes);
  flipped[at] = flipped[at]! ^ 0xff;
  return flipped;
}

test("the writer's CRC32C gives the published check value", () => {
  assert.equal(crc32c(Buffer.from("123456789")), 0xe3069283);
});

test("a good directory has no problems, and all of it is counted", () => {
  assert.deepEqual(check(good()), { files: 8, batches: 13, records: 13, problems: [] });
});

test("a partition whose only segment is empty has no problems", () => {
  assert.deepEqual(check(single()), { files: 5, batches: 0, records: 0, problems: [] });
});

// What Kafka 3.6.2's MemoryRecordsBuilder made of the same three records with each codec.
const head = { none: "69", gzip: "74", snappy: "77", lz4: "72", zstd: "71" };
const crcAndCodec = {
  none: "2a31150f0000",
  gzip: "49b11e4f0001",
  snappy: "8f30d5f50002",
  lz4: "b41301e00003",
  zstd: "3c48db9d0004",
};
const plain =
  "4e000000026b2268656c6c6f2068656c6c6f2068656c6c6f040a" +
  "7472616365040102086e6f6e65010e00e707020100000e00d70404000100";
const body = {
  none: plain,
  gzip:
    "1f8b08000000000000fff363606060ca56ca48cdc9c957402259b84a8a12935359189938f2f2f35219f9189eb333313230f0" +
    "315c6761616064000006c4ea1238000000",
  snappy:
    "82534e415050590000000001000000010000003238304e000000026b2268656c6c6f201d067c040a7472616365040102086e" +
    "6f6e65010e00e707020100000e00d70404000100",
  lz4:
    "04224d1860408232000000d74e000000026b2268656c6c6f200600f011040a7472616365040102086e6f6e65010e00e70702" +
    "0100000e00d7040400010000000000",
  zstd:
    "28b52ffd0058a40100d4024e000000026b2268656c6c6f20040a7472616365040102086e6f6e65010e00e707020100000e00" +
    "d70404000100010031ca17010000",
};

function fromKafka(codec: keyof typeof head): Buffer {
  const fixed = "000000020000018bcfe569f40000018bcfe569f4ffffffffffffffffffffffffffff00000003";
  const frame = `0000000000000007000000${head[codec]}0000000302`;
  return Buffer.from(frame + crcAndCodec[codec] + fixed + body[codec], "hex");
}

function kafkaFiles(log: Buffer): Files {
  const files = partition("orders-0", [{ base: 7, log }]);
  return { ...files, "orders-0/leader-epoch-checkpoint": Buffer.from("0\n1\n3 5\n") };
}

const kafkaRecords = [
  {
    offset: 7,
    timestamp: 1700000000500,
    key: Uint8Array.from(Buffer.from("k")),
    value: Uint8Array.from(Buffer.from("hello hello hello")),
    headers: [
      { key: "trace", value: Uint8Array.of(1, 2) },
      { key: "none", value: null },
    ],
  },
  { offset: 8, timestamp: 1700000000000, key: null, value: new Uint8Array(0), headers: [] },
  { offset: 9, timestamp: 1700000000200, key: new Uint8Array(0), value: null, headers: [] },
];

for (const codec of ["none", "gzip", "snappy", "lz4", "zstd"] as const) {
  test(`a batch that Kafka wrote with codec ${codec} is read`, () => {
    const directory = write(kafkaFiles(fromKafka(codec)));
    assert.deepEqual(checkDirectory(directory), { files: 5, batches: 1, records: 3, problems: [] });
    assert.deepEqual(readPartition(join(directory, "topics/orders-0")), kafkaRecords);
  });
}

test("snappy without Java's framing is read", () => {
  const bytes = Buffer.from(compressSync(Buffer.from(plain, "hex")));
  const log = batch({
    baseOffset: 0,
    baseTimestamp: 1700000000500,
    attributes: 2,
    count: 3,
    records: [bytes],
  });
  assert.deepEqual(check(single(log)).problems, []);
});

test("compressed bytes that do not decompress are reported", () => {
  const log = batch({ baseOffset: 0, baseTimestamp: 5, attributes: 1, records: [Buffer.from("not gzip")] });
  assertProblem(
    single(log),
    /^orders-0\/0{20}\.log@61: at byte 0 of the decompressed records .* incorrect header/,
  );
});

test("the batch's max timestamp stands for each record's under LogAppendTime", () => {
  const records = [record(0, 0, 5), record(1, 99, 5)];
  const log = batch({ baseOffset: 0, baseTimestamp: 10, maxTimestamp: 5000, attributes: 8, records });
  const directory = write(single(log));
  assert.deepEqual(checkDirectory(directory).problems, []);
  const timestamps = readPartition(join(directory, "topics/orders-0")).map(({ timestamp }) => timestamp);
  assert.deepEqual(timestamps, [5000, 5000]);
});

test("the markers of control batches are counted but not returned", () => {
  const marker = batch({ baseOffset: 1, baseTimestamp: 9, attributes: 0x20, records: [record(0, 0, 6)] });
  const directory = write(single(sized(0, 8, 300), marker));
  assert.equal(checkDirectory(directory).records, 2);
  assert.equal(readPartition(join(directory, "topics/orders-0")).length, 1);
});

test("each flipped byte of a batch's header is reported, and each kind of byte behind it", () => {
  for (const at of [...Array(61).keys(), 61, 62, 64, 70, 1000, 1499]) {
    const { problems } = check({ ...good(), [logFile]: flip(rolledLog, 4500 + at) });
    assert.match(problems.join("\n"), /^orders-0\/0{20}\.log@(45\d\d|6000): /m, `byte ${at}`);
  }
});

test("readPartition refuses a damaged log", () => {
  const directory = write({ ...good(), [logFile]: flip(rolledLog, 1200) });
  assert.throws(() => readPartition(join(directory, "topics/orders-0")), /\.log@17: the CRC32C is/);
});

const fields = { baseOffset: 0, baseTimestamp: 10, records: [record(0, 0, 5), record(1, 5, 5)] };
const full = { ...fields, maxTimestamp: 15 };
/** A batch of one record with these bytes in place of its key, value and headers. */
function tail(...bytes: readonly Buffer[]): Buffer {
  return batch({ baseOffset: 0, baseTimestamp: 10, records: [recordOf(Buffer.alloc(3), ...bytes)] });
}
const absent = varint(-1);
const longer = Buffer.concat([record(0, 0, 5), Buffer.of(0)]);
longer[0] = longer[0]! + 2;
const wrongBatches: readonly (readonly [name: string, bytes: Buffer, problem: RegExp])[] = [
  ["a max timestamp that is no record's", batch({ ...fields, maxTimestamp: 16 }), /@35: .* 16, .* 15$/],
  ["a max timestamp below a record's", batch({ ...fields, maxTimestamp: 10 }), /@35: .* 10, .* 15$/],
  ["a count that differs from the last offset delta", batch({ ...full, lastOffsetDelta: 2 }), /@23: /],
  ["fewer records than counted", batch({ ...full, count: 3 }), /@85: 1 bytes are asked for, 0 are left$/],
  [
    "bytes after the last record",
    batch({ ...full, count: 2, records: [...full.records, Buffer.of(0)] }),
    /@85: 1 bytes follow/,
  ],
  [
    "a wrong offset delta",
    batch({ ...full, records: [record(0, 5, 5), record(2, 5, 5)] }),
    /@73: .* delta 2$/,
  ],
  [
    "a negative timestamp",
    batch({ ...fields, records: [record(0, 0, 5), record(1, -50, 5)] }),
    /timestamp -40$/,
  ],
  ["another magic", batch({ ...full, magic: 1 }), /@16: the magic is 1, not 2$/],
  ["an unknown codec", batch({ ...full, attributes: 5 }), /@21: /],
  ["an unknown attribute", batch({ ...full, attributes: 0x80 }), /@21: /],
  ["a transactional batch without a producer", batch({ ...full, attributes: 0x10 }), /@43: /],
  [
    "a record longer than its fields",
    batch({ ...full, maxTimestamp: 10, records: [longer] }),
    /@61: .* end -1 bytes/,
  ],
  ["a negative number of headers", tail(absent, absent, varint(-1)), /@61: record 0 has -1 headers$/],
  [
    "a header without a key",
    tail(absent, absent, varint(1), absent, absent),
    /@61: a header of record 0 has no key$/,
  ],
  ["a length of more than 32 bits", tail(absent, varint(2 ** 31)), /@61: a varint holds 2147483648/],
  [
    "a varint that does not end",
    tail(absent, Buffer.alloc(10, 0x80), Buffer.of(0)),
    /longer than ten bytes$/,
  ],
  ["an impossible producer id", batch({ ...full, producerId: -2n }), /@43: the producer id is -2$/],
];
for (const [name, bytes, problem] of wrongBatches) {
  test(`${name}: reported, though the CRC holds`, () => {
    const { problems } = check(single(bytes));
    assert.equal(problems.length, 1, problems.join("\n"));
    assert.match(problems[0]!, problem);
    assert.ok(problems[0]!.startsWith(`${logFile}@`));
  });
}

test("a producer without an epoch and a sequence is reported", () => {
  const { problems } = check(single(batch({ ...full, producerId: 5n })));
  assert.match(
    problems.join("\n"),
    /@51: producer 5 has the epoch -1\n.*@53: producer 5 has the base sequence -1$/,
  );
});

const wrongIndexes: readonly (readonly [name: string, file: string, bytes: Buffer, problem: RegExp])[] = [
  ["an offset entry with a wrong offset", indexFile, offsetEntries([4, 4500]), /\.index@0: .*\+3, .*\+4, /],
  ["an offset entry with a wrong position", indexFile, offsetEntries([3, 3000]), /position 4500}, .* 3000}/],
  ["a missing offset entry", indexFile, empty, /\.index@0: .* has none$/],
  ["an offset entry too many", indexFile, offsetEntries([3, 4500], [5, 7500]), /\.index@8: .* entry none/],
  ["a torn offset entry", indexFile, rolled.index.subarray(0, 5), /\.index@0: .* the piece 0x0000000300$/],
  ["a missing time entry", timeFile, timeEntries([1050, 5]), /\.timeindex@0: .* 1030, .* 1050, /],
  ["a missing final time entry", timeFile, timeEntries([1030, 2]), /\.timeindex@12: .* has none$/],
  ["a time entry of another batch", timeFile, timeEntries([1030, 3], [1050, 5]), /\+2}, .*\+3}$/],
  [
    "a wrong final entry of the newest",
    newestTimeFile,
    timeEntries([2000, 0], [2100, 5]),
    /@12: .*\+6}, .*\+5}$/,
  ],
  ["a tie that went to the later batch", newestTimeFile, timeEntries([2000, 1]), /@0: .*\+0}, .*\+1}$/],
];
for (const [name, file, bytes, problem] of wrongIndexes) {
  test(`${name} is reported`, () => {
    assertProblem({ ...good(), [file]: bytes }, problem);
  });
}

test("the newest segment may have its final time entry already", () => {
  const files = { ...good(), [newestTimeFile]: timeEntries([2000, 0], [2100, 6]) };
  assert.deepEqual(check(files).problems, []);
});

for (const [timestamp, time] of [[50, timeEntries([50, 0])] as const, [-1, empty] as const]) {
  test(`no time entry is expected where timestamp ${timestamp} is not exceeded`, () => {
    const log = Buffer.concat([...Array(8).keys()].map((offset) => sized(offset, timestamp, 1500)));
    const index = offsetEntries([3, 4500], [6, 9000]);
    assert.deepEqual(check(partition("orders-0", [{ base: 0, log, index, time }])).problems, []);
  });
}

test("a log cut within a batch is reported", () => {
  assertProblem(
    { ...good(), [logFile]: rolledLog.subarray(0, 8999) },
    /\.log@7508: .* 1500 bytes .* 1499 bytes/,
  );
});

test("a log cut within a batch's header is reported", () => {
  assertProblem({ ...good(), [logFile]: rolledLog.subarray(0, 7520) }, /\.log@7500: 20 bytes are left/);
});

test("zeros after the last batch are reported", () => {
  assertProblem({ ...good(), [logFile]: Buffer.concat([rolledLog, Buffer.alloc(100)]) }, /\.log@9008: /);
});

test("a gap between batches is allowed, and the batch after it is in the index", () => {
  const log = Buffer.concat([sized(0, 10, 300), sized(5, 20, 300)]);
  const indexed = { base: 0, log, index: offsetEntries([5, 300]), time: timeEntries([20, 5]) };
  assert.deepEqual(check(partition("orders-0", [indexed])).problems, []);
  assertProblem(
    partition("orders-0", [{ ...indexed, index: empty }]),
    /\.index@0: .* \+5, position 300}, the file has none$/,
  );
});

test("a batch that overlaps the one before is reported", () => {
  assertProblem(single(sized(0, 10, 300), sized(1, 20, 300), sized(1, 20, 300)), /\.log@600: .* 1 .* 2 must/);
});

test("a batch below its segment's name is reported", () => {
  const files = partition("orders-0", [{ base: 3, log: sized(2, 10, 300) }]);
  assertProblem(files, /0003\.log@0: the base offset is 2 where at least 3 must follow$/);
});

test("a batch too far from its segment's name for the indexes is reported", () => {
  assertProblem(single(sized(2 ** 31, 10, 300)), /\.log@0: the last offset 2147483648 is too far/);
});

test("a segment that overlaps the one before is reported", () => {
  const first = {
    base: 0,
    log: Buffer.concat([sized(0, 10, 300), sized(4, 20, 300)]),
    index: offsetEntries([4, 300]),
    time: timeEntries([20, 4]),
  };
  const files = partition("orders-0", [first, { base: 4, log: empty }]);
  assertProblem(files, /0004\.log@0: the segment starts at 4, the one before reaches to 4$/);
});

for (const file of Object.keys(good()).filter((name) => !name.endsWith(".log"))) {
  test(`a missing ${file} is reported`, () => {
    const { [file]: _, ...rest } = good();
    const { problems } = check(rest);
    assert.deepEqual(problems, [`${file}@0: the file is missing`]);
  });
}

test("an index without a log is reported", () => {
  const file = "orders-0/00000000000000000099.index";
  assertProblem({ ...good(), [file]: empty }, /0099\.index@0: the segment has no \.log file$/);
});

test("a leader epoch that the checkpoint does not have is reported", () => {
  const files = { ...good(), "orders-0/leader-epoch-checkpoint": Buffer.from("0\n2\n0 0\n4 12\n") };
  assertProblem(files, /0006\.log@6156: the leader epoch is 0, the checkpoint has 4 here$/);
});

test("a malformed checkpoint is reported", () => {
  const files = { ...good(), "orders-0/leader-epoch-checkpoint": Buffer.from("0\n2\n0 0\n") };
  assertProblem(files, /leader-epoch-checkpoint@0: /);
});

test("epochs that do not rise are reported", () => {
  const files = { ...good(), "orders-0/leader-epoch-checkpoint": Buffer.from("0\n2\n0 0\n0 50\n") };
  assertProblem(files, /leader-epoch-checkpoint@0: epoch 0 from 50 does not follow epoch 0$/);
});

test("partitions of one topic with different topic ids are reported", () => {
  const other = { ...partition("orders-1", [{ base: 0, log: empty }]) };
  other["orders-1/partition.metadata"] = Buffer.from("version: 0\ntopic_id: ABEiM0RVZneImaq7zN3u_w\n");
  assertProblem({ ...good(), ...other }, /^orders-1\/partition\.metadata@0: .* differs/);
});

test("a directory that is not named after a partition is reported", () => {
  assertProblem({ ...good(), "orders-01/x": empty }, /^orders-01@0: /);
});

test("a data directory without topics is reported", () => {
  assert.equal(check({}).problems.length, 1);
});
