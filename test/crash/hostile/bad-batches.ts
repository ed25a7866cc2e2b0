// Record batches that must not be stored: each is answered with an error for its partition.
import { gzipSync } from "node:zlib";
import { BatchBuilder } from "@strandlog/log/storage";
import { crc32c } from "../crc32c.js";

interface BadBatch {
  readonly name: string;
  readonly batches: readonly Buffer[];
}

export function goodBatch(value = "a"): Buffer {
  const builder = new BatchBuilder(128);
  builder.append(null, value, undefined, 1000);
  return builder.seal({ baseOffset: 0, partitionLeaderEpoch: 0, compression: "none" });
}

/** A batch with something changed, under a checksum that is right. */
function forged(change: (batch: Buffer) => void, batch: Buffer = goodBatch()): Buffer {
  change(batch);
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
  return batch;
}

/** The time of the latest record in a bomb, if one believes it. */
export const bombTime = 2000n;

/** Unpacks to very much more than it takes. */
export function bomb(bytes: number): Buffer {
  const plain = goodBatch();
  const packed = Buffer.concat([plain.subarray(0, 61), gzipSync(Buffer.alloc(bytes))]);
  packed.writeInt32BE(packed.length - 12, 8);
  return forged((batch) => {
    batch.writeInt16BE(1, 21);
    batch.writeBigInt64BE(bombTime, 35);
  }, packed);
}

const counts = [2 ** 31 - 1, 1000, 2, 0, -1];

export const badBatches: readonly BadBatch[] = [
  { name: "nothing", batches: [] },
  { name: "a checksum that is wrong", batches: [changed((batch) => batch.writeUInt32BE(7, 17))] },
  { name: "a length beyond the bytes", batches: [changed((batch) => batch.writeInt32BE(2 ** 31 - 1, 8))] },
  { name: "a negative length", batches: [changed((batch) => batch.writeInt32BE(-1, 8))] },
  { name: "an old format", batches: [forged((batch) => batch.writeInt8(1, 16))] },
  { name: "two batches", batches: [goodBatch(), goodBatch()] },
  { name: "a codec that there is not", batches: [forged((batch) => batch.writeInt16BE(7, 21))] },
  { name: "a control batch", batches: [forged((batch) => batch.writeInt16BE(0x20, 21))] },
  { name: "a transaction without a producer", batches: [forged((batch) => batch.writeInt16BE(0x10, 21))] },
  { name: "a time beyond 2^53", batches: [forged((batch) => batch.writeBigInt64BE(2n ** 63n - 1n, 35))] },
  { name: "more than a batch may be", batches: [goodBatch("x".repeat(1_100_000))] },
  ...counts.map((count) => ({
    name: `${count} records where there is one`,
    batches: [
      forged((batch) => {
        batch.writeInt32BE(count, 57);
        batch.writeInt32BE((count - 1) | 0, 23);
      }),
    ],
  })),
];

function changed(change: (batch: Buffer) => void): Buffer {
  const batch = goodBatch();
  change(batch);
  return batch;
}
