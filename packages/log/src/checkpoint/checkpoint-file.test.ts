// A checkpoint file whose checksum is right may still hold what nobody of ours has written.
import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32c } from "../record/index.js";
import { emptySegment, type SegmentState } from "../segment/index.js";
import { withCode } from "../test-support.js";
import { type CheckpointState, decodeCheckpoint, encodeCheckpoint } from "./checkpoint-file.js";

const segment: SegmentState = { ...emptySegment(0), nextOffset: 9, logBytes: 700, timeIndexBytes: 12 };
const partition = {
  name: { id: "AAAA/0", topic: "a", topicId: "AAAA", partition: 0 },
  number: 1,
  config: { segmentBytes: 1000, segmentMs: 1000 },
  logStartOffset: 0,
  recoveryPoint: 9,
  segments: [segment],
  leaderEpochs: [[1, 0] as const],
};
const state: CheckpointState = {
  logId: "00",
  writers: [{ epoch: 1, writerId: "0123456789abcdef", start: 0 }],
  journalStart: 0,
  nextPartitionNumber: 2,
  metadata: [{ key: "topic/a", value: "{}", version: 1 }],
  partitions: [partition],
};

/** Any text, under a first line that fits it. */
function file(body: string, more: { word?: string; version?: string; length?: string } = {}): Buffer {
  const { word = "strandlog-checkpoint", version = "1", length = `${Buffer.byteLength(body)}` } = more;
  const seed = /^\d+$/.test(version) ? Number(version) - 1 : 0;
  const crc = crc32c(Buffer.from(body), seed).toString(16).padStart(8, "0");
  return Buffer.from(`${word} ${version} ${crc} ${length}\n${body}`);
}

function changed(content: Buffer): Buffer {
  content.write("9", content.indexOf('"start":') + 8);
  return content;
}

const decode = (content: Buffer): CheckpointState => decodeCheckpoint("checkpoint", content);
const withSegments = (...segments: Partial<SegmentState>[]): Buffer =>
  encodeCheckpoint({
    ...state,
    partitions: [{ ...partition, segments: segments.map((one) => ({ ...segment, ...one })) }],
  });

test("a checkpoint is read as it was written", () => {
  assert.deepEqual(decode(encodeCheckpoint(state)), state);
  assert.deepEqual(decode(file(JSON.stringify(state))), state);
  const repaired = { ...state, partitions: [{ ...partition, endOffsetMin: 12 }] };
  assert.deepEqual(decode(encodeCheckpoint(repaired)), repaired);
});

test("a checkpoint of a newer version is refused as such, one of no version as damaged", () => {
  assert.throws(() => decode(file("{}", { version: "2" })), withCode("UNSUPPORTED_VERSION"));
  for (const version of ["0", "x", "", "01"])
    assert.throws(() => decode(file("{}", { version })), withCode("CORRUPT_CHECKPOINT"));
});

const forgeries: [string, Buffer][] = [
  ["that is empty", Buffer.alloc(0)],
  ["that has one word", Buffer.from("strandlog-checkpoint\n")],
  ["that begins with another word", file(JSON.stringify(state), { word: "checkpoint" })],
  ["whose length is written in another way", file(`"${"x".repeat(14)}"`, { length: "0x10" })],
  ["whose checksum is that of other bytes", changed(encodeCheckpoint(state))],
  ["that is no JSON", file("{")],
  ["that is null", file("null")],
  ["that lacks its fields", file("{}")],
  ["with a partition that is null", file(JSON.stringify({ ...state, partitions: [null] }))],
  ["with a number that is negative", encodeCheckpoint({ ...state, journalStart: -1 })],
  [
    "with an end that is negative",
    encodeCheckpoint({ ...state, partitions: [{ ...partition, endOffsetMin: -1 }] }),
  ],
  ["with a segment that ends before it begins", withSegments({ baseOffset: 9, nextOffset: 8 })],
  ["with a segment that is compacted and of no compaction", withSegments({ swap: true })],
  ["with segments that overlap", withSegments({}, { baseOffset: 8 })],
  ["with a segment beyond the recovery point", withSegments({ nextOffset: 10 })],
  ["with an offset index of half an entry", withSegments({ offsetIndexBytes: 12 })],
  ["with an offset index larger than its log", withSegments({ offsetIndexBytes: 2 ** 40 })],
  ["with a time index of half an entry", withSegments({ timeIndexBytes: 8 })],
  ["with a time index larger than its log", withSegments({ timeIndexBytes: 12 * 2 ** 40 })],
];
for (const [what, content] of forgeries) {
  test(`a checkpoint ${what} is damaged`, () => {
    assert.throws(() => decode(content), withCode("CORRUPT_CHECKPOINT"));
  });
}
