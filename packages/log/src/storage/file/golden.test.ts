import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { decodeCheckpoint, encodeCheckpoint } from "../../checkpoint/index.js";
import { blockHeaderBytes, blockSpan, decodeBlockHeader, encodeBlockHeader } from "../../journal/index.js";
import { BatchBuilder, crc32c } from "../../record/index.js";
import { decodeEntries, encodeBatchPrefix, encodeControl } from "./entry.js";

// What version 1 of the formats looks like, byte for byte: docs/format/golden/. A change here is a new format version.
const golden = (name: string): Buffer =>
  readFileSync(new URL(`../../../../../docs/format/golden/${name}`, import.meta.url));

function goldenBatch(): Buffer {
  const builder = new BatchBuilder(256);
  builder.append("user-17", "paid", { source: "web" }, 1_700_000_000_000);
  builder.append(null, Buffer.from([0, 255]), undefined, 1_700_000_000_123);
  return builder.seal({ baseOffset: 41, partitionLeaderEpoch: 3, compression: "none" });
}

function goldenBlock(): Buffer {
  const batch = goldenBatch();
  const payload = Buffer.concat([
    encodeBatchPrefix(7, 41, batch.length),
    batch,
    encodeControl({ type: "deleteRecords", number: 7, before: 40 }),
  ]);
  const block = Buffer.alloc(blockSpan(payload.length));
  encodeBlockHeader(block, {
    epoch: 3,
    writerId: "0123456789abcdef",
    sequence: 12,
    syncedSequence: 11,
    payloadBytes: payload.length,
    payloadCrc: crc32c(payload),
  });
  payload.copy(block, blockHeaderBytes);
  return block;
}

const checkpoint = {
  logId: "00112233445566778899aabbccddeeff",
  writers: [{ epoch: 3, writerId: "0123456789abcdef", start: 10 }],
  journalStart: 10,
  nextPartitionNumber: 8,
  metadata: [{ key: "topic/orders", value: '{"topicId":"AAAAAAAAAAAAAAAAAAAAAA"}', version: 1 }],
  partitions: [
    {
      name: {
        id: "AAAAAAAAAAAAAAAAAAAAAA/0",
        topic: "orders",
        topicId: "AAAAAAAAAAAAAAAAAAAAAA",
        partition: 0,
      },
      number: 7,
      config: { segmentBytes: 1_073_741_824, segmentMs: 604_800_000 },
      logStartOffset: 40,
      recoveryPoint: 41,
      segments: [],
      leaderEpochs: [[1, 0] as const],
    },
  ],
};

test("a journal block of version 1 is written as it always was", () => {
  assert.deepEqual(goldenBlock(), golden("journal.block"));
});

test("a journal block of version 1 is read", () => {
  const block = golden("journal.block");
  const header = decodeBlockHeader(block);
  assert.equal(header?.sequence, 12);
  assert.equal(header?.syncedSequence, 11);
  const payload = block.subarray(blockHeaderBytes, blockHeaderBytes + (header?.payloadBytes ?? 0));
  assert.equal(crc32c(payload), header?.payloadCrc);
  const [first, second] = [...decodeEntries(payload)];
  assert.deepEqual(first, { type: "batch", number: 7, previousEnd: 41, bytes: goldenBatch() });
  assert.deepEqual(second, { type: "deleteRecords", number: 7, before: 40 });
});

test("a checkpoint file of version 1 is written as it always was, and read", () => {
  assert.deepEqual(encodeCheckpoint(checkpoint), golden("checkpoint"));
  assert.deepEqual(decodeCheckpoint("checkpoint", golden("checkpoint")), checkpoint);
});
