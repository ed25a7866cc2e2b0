// Which partition a record goes to, by Kafka's rule: the one asked for, the key's hash, or one partition until its batch
// is full.
import { type Bytes, partitionForKey } from "../record/index.js";
import type { FormingPartition, RecordInput } from "./forming.js";

const keyScratch = Buffer.allocUnsafeSlow(1024);

export class Partitioner {
  #sticky = 0;

  choose(record: RecordInput, partitions: readonly FormingPartition[]): FormingPartition {
    const count = partitions.length;
    let index = 0;
    if (record.partition !== undefined) index = record.partition;
    else if (count > 1) {
      if (record.key !== undefined && record.key !== null)
        index = partitionForKey(keyBytes(record.key), count);
      else {
        if ((partitions[this.#sticky] as FormingPartition).isEmpty) this.#sticky = (this.#sticky + 1) % count;
        index = this.#sticky;
      }
    }
    return partitions[index] as FormingPartition;
  }
}

function keyBytes(key: Bytes): Uint8Array {
  if (typeof key !== "string") return key;
  if (key.length * 3 > keyScratch.length) return Buffer.from(key);
  return keyScratch.subarray(0, keyScratch.write(key));
}
