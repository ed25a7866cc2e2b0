// Writes docs/format/golden: batches encoded by two other implementations, kafkajs and @platformatic/kafka, and
// beside each what a reader must find in it. That is derived from what the encoders were given, never from code
// of ours. All input is fixed: running this again changes nothing, unless an encoder or zlib has changed.
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { compressionsAlgorithms, createRecordsBatch } from "@platformatic/kafka";

const require = createRequire(import.meta.url);
const Long = require("kafkajs/src/utils/long");
const kafkajsCompression = require("kafkajs/src/protocol/message/compression");
const encodeRecord = require("kafkajs/src/protocol/recordBatch/record/v0");
const { RecordBatch } = require("kafkajs/src/protocol/recordBatch/v0");
const { Encoder: ZstdEncoder } = require("@toondepauw/node-zstd");

const directory = new URL("../docs/format/golden/", import.meta.url);
const compressionIds = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 };
const transactionalBit = 16;
const baseTimestamp = 1_700_000_000_000;

// kafkajs has no zstd of its own; its users plug one in like this.
const zstd = new ZstdEncoder(3);
kafkajsCompression.Codecs[compressionIds.zstd] = () => ({
  compress: async (encoder) => zstd.encodeSync(encoder.buffer),
});

const commonRecords = [
  record(0, "user-17", "paid", [["source", "web"]]),
  record(5, null, "no key"),
  record(5, "user-17", null),
  record(-3, "earlier than the first", ""),
  record(2_000_000_000, Buffer.from([0, 1, 127, 128, 255]), "23 days later"),
  record(1000, "größe", "more than 127 bytes ".repeat(13), [
    ["tag", "one"],
    ["tag", Buffer.from([0, 255])],
    ["empty", ""],
    ["ключ", "значение"],
  ]),
  record(1001, "", "an empty key"),
];
// Each can write something that the other cannot: @platformatic/kafka 1.35 spoils deltas of more than 31 bits,
// kafkajs refuses a header without a value.
const kafkajsRecords = [...commonRecords, record(8_000_000_000, "long delta", "93 days later")];
const platformaticRecords = [...commonRecords, record(1002, "null header", "", [["null", null]])];

await writeKafkajs("plain", {});
await writeKafkajs("gzip", { compression: "gzip" });
await writeKafkajs("zstd", { compression: "zstd" });
await writeKafkajs("transactional", {
  transactional: true,
  producerId: 4_294_967_301,
  producerEpoch: 3,
  baseSequence: 41,
});
// As compaction leaves it: offsets are missing within and at the end.
await writeKafkajs("gaps", {
  baseOffset: 9_007_199_254_740_000,
  partitionLeaderEpoch: 7,
  offsetDeltas: [0, 1, 5, 6, 20, 21, 22, 300],
  lastOffsetDelta: 310,
});

writePlatformatic("plain", {});
writePlatformatic("gzip", { compression: "gzip" });
writePlatformatic("snappy", { compression: "snappy" });
writePlatformatic("lz4", { compression: "lz4" });
if (compressionsAlgorithms.zstd.available) writePlatformatic("zstd", { compression: "zstd" });
else console.log("platformatic-zstd stays as it is: writing it needs Node 22.15");
writePlatformatic("idempotent", {
  partitionLeaderEpoch: 12,
  producerId: 1000,
  producerEpoch: 0,
  baseSequence: 2_147_483_647,
});
writePlatformatic("transactional", {
  transactional: true,
  producerId: 9_007_199_254_740_991,
  producerEpoch: 32_767,
  baseSequence: 0,
});

async function writeKafkajs(name, options) {
  const expected = expectedBatch(kafkajsRecords, options);
  const encoded = kafkajsRecords.map(({ timestamp, key, value, headers }, index) => {
    const headersByName = {};
    for (const [headerName, headerValue] of headers) {
      headersByName[headerName] ??= [];
      headersByName[headerName].push(headerValue);
    }
    const offsetDelta = expected.records[index].offset - expected.baseOffset;
    return encodeRecord({
      offsetDelta,
      timestampDelta: timestamp - baseTimestamp,
      key,
      value,
      headers: headersByName,
    });
  });
  const batch = await RecordBatch({
    compression: compressionIds[expected.compression],
    firstOffset: Long.fromValue(expected.baseOffset),
    firstTimestamp: expected.baseTimestamp,
    maxTimestamp: expected.maxTimestamp,
    partitionLeaderEpoch: expected.partitionLeaderEpoch,
    lastOffsetDelta: expected.lastOffsetDelta,
    transactional: expected.transactional,
    producerId: Long.fromValue(expected.producerId),
    producerEpoch: expected.producerEpoch,
    firstSequence: expected.baseSequence,
    records: encoded,
  });
  write("kafkajs", name, batch.buffer, expected);
}

function writePlatformatic(name, options) {
  const expected = expectedBatch(platformaticRecords, options);
  const messages = platformaticRecords.map(({ timestamp, key, value, headers }) => ({
    topic: "golden",
    partition: 0,
    timestamp: BigInt(timestamp),
    key,
    value,
    // A name may occur twice, since each is an object of its own.
    headers: new Map(headers.map(([headerName, headerValue]) => [Buffer.from(headerName), headerValue])),
  }));
  const batch = createRecordsBatch(messages, {
    compression: expected.compression,
    partitionLeaderEpoch: expected.partitionLeaderEpoch,
    producerId: BigInt(expected.producerId),
    producerEpoch: expected.producerEpoch,
    sequences: { getWithDefault: () => expected.baseSequence },
    transactionalId: expected.transactional ? "golden" : undefined,
  });
  write("platformatic", name, batch.buffer, expected);
}

/** Headers are pairs of name and value: a name may occur twice. */
function record(timestampDelta, key, value, headers = []) {
  const bytes = (data) => (data === null ? null : Buffer.from(data));
  return {
    timestamp: baseTimestamp + timestampDelta,
    key: bytes(key),
    value: bytes(value),
    headers: headers.map(([name, headerValue]) => [name, bytes(headerValue)]),
  };
}

/** Bytes are hexadecimal. The defaults are what both encoders write where there is no producer id. */
function expectedBatch(recordsGiven, options) {
  const hex = (bytes) => (bytes === null ? null : bytes.toString("hex"));
  const { baseOffset = 0, compression = "none", transactional = false } = options;
  const offsetDeltas = options.offsetDeltas ?? recordsGiven.map((_, index) => index);
  return {
    baseOffset,
    partitionLeaderEpoch: options.partitionLeaderEpoch ?? 0,
    attributes: compressionIds[compression] + (transactional ? transactionalBit : 0),
    compression,
    transactional,
    lastOffsetDelta: options.lastOffsetDelta ?? offsetDeltas.at(-1),
    baseTimestamp,
    maxTimestamp: Math.max(...recordsGiven.map(({ timestamp }) => timestamp)),
    producerId: options.producerId ?? -1,
    producerEpoch: options.producerEpoch ?? 0,
    baseSequence: options.baseSequence ?? 0,
    records: recordsGiven.map(({ timestamp, key, value, headers }, index) => ({
      offset: baseOffset + offsetDeltas[index],
      timestamp,
      key: hex(key),
      value: hex(value),
      headers: headers.map(([name, headerValue]) => ({ name, value: hex(headerValue) })),
    })),
  };
}

function write(writer, name, batch, expected) {
  mkdirSync(directory, { recursive: true });
  writeFileSync(new URL(`${writer}-${name}.batch`, directory), batch);
  writeFileSync(new URL(`${writer}-${name}.json`, directory), `${JSON.stringify(expected, null, 2)}\n`);
}
