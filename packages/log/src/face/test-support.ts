// What tests of compaction and of Kafka's producers share.
import { readdirSync } from "node:fs";
import { BatchBuilder, crc32c } from "../record/index.js";
import { valuesOf } from "../test-support.js";
import type { Topic } from "./topic.js";

/** Of a topic that is compacted, with segments that a few records fill. */
export const compactedConfig = { cleanup: "compact", segmentBytes: 1024 } as const;

/** Values 0, 1, 2 and so on, each in a batch of its own, for four keys in turn. */
export async function fill(topic: Topic, count: number, first = 0): Promise<void> {
  for (let n = first; n < first + count; n++)
    await topic.append({ key: `key-${n % 4}`, value: `${n}`.padEnd(100, ".") });
}

export async function numbersOf(topic: Topic): Promise<number[]> {
  return (await valuesOf(topic.read())).map((value) => Number.parseInt(value, 10));
}

/** The files of a topic's only partition, without those for Kafka's tools. */
export function filesOf(directory: string): string[] {
  return readdirSync(`${directory}/topics/t-0`).filter((name) => /^\d/.test(name));
}

interface Produced {
  readonly producerId: number;
  readonly epoch?: number;
  readonly sequence?: number;
  readonly key?: string | null;
  readonly values?: readonly string[];
  readonly isTransactional?: boolean;
}

/** A batch as a producer of Kafka's writes it. */
export function producedBatch(produced: Produced): Buffer {
  const { producerId, epoch = 0, sequence = 0, key = null, isTransactional = false } = produced;
  const { values = [`${producerId}/${sequence}`] } = produced;
  const builder = new BatchBuilder(128);
  for (const value of values) builder.append(key, value, undefined, Date.now());
  const batch = builder.seal({ baseOffset: 0, partitionLeaderEpoch: 0, compression: "none" });
  if (isTransactional) batch.writeInt16BE(0x10, 21);
  batch.writeBigInt64BE(BigInt(producerId), 43);
  batch.writeInt16BE(epoch, 51);
  batch.writeInt32BE(sequence, 53);
  batch.writeUInt32BE(crc32c(batch, 0, 21), 17);
  return batch;
}
