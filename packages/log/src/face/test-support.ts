// What tests of compaction and of Kafka's producers share.
import { readdirSync } from "node:fs";
import { BatchBuilder, crc32c } from "../record/index.js";
import { valuesOf } from "../test-support.js";
import type { Log } from "./log.js";
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

/** Ends the transaction that a producer has open in a topic's first partition. */
export function endTransaction(log: Log, topic: Topic, producerId: number, isCommit: boolean): Promise<void> {
  const partitions = [{ topic, partition: 0 }];
  return log.endTransaction({
    producerId,
    producerEpoch: 0,
    isCommit,
    partitions,
    progress: [],
    metadata: [],
  });
}

/** What producers write in one partition, each batch with the sequence that is its turn. */
export class TransactionWriter {
  readonly #log: Log;
  readonly #topic: Topic;
  readonly #sequences = new Map<number, number>();

  constructor(log: Log, topic: Topic) {
    this.#log = log;
    this.#topic = topic;
  }

  async write(producerId: number, values: readonly string[], key: string | null = null): Promise<void> {
    const sequence = this.#sequences.get(producerId) ?? 0;
    this.#sequences.set(producerId, sequence + values.length);
    const batch = producedBatch({ producerId, sequence, values, key, isTransactional: true });
    await this.#topic.appendBatch(0, batch, { idempotent: true });
  }

  commit(producerId: number): Promise<void> {
    return endTransaction(this.#log, this.#topic, producerId, true);
  }

  abort(producerId: number): Promise<void> {
    return endTransaction(this.#log, this.#topic, producerId, false);
  }
}
