// What ends a producer's transaction in a partition: a control batch of one record, as Kafka writes it.
// Layout: docs/format/record-batch.md.
import { LogError } from "../errors.js";
import { BatchBuilder } from "./batch-builder.js";
import { attributeBits, batchCrcStart, batchField, writeInt64 } from "./batch-format.js";
import { crc32c } from "./crc32c.js";
import { RecordBatch } from "./record-batch.js";

export interface EndMarker {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** False: what the producer has written since it began is not to be read. */
  readonly isCommit: boolean;
}

const recordVersion = 0;
const markerType = { abort: 0, commit: 1 } as const;
/** One coordinator, which nobody replaces. */
const coordinatorEpoch = 0;
const markerBytes = 96;

/** The batch, still without a place. */
export function endMarkerBatch(
  { producerId, producerEpoch, isCommit }: EndMarker,
  timestamp: number,
): RecordBatch {
  const key = Buffer.alloc(4);
  key.writeInt16BE(recordVersion, 0);
  key.writeInt16BE(isCommit ? markerType.commit : markerType.abort, 2);
  const value = Buffer.alloc(6);
  value.writeInt16BE(recordVersion, 0);
  value.writeInt32BE(coordinatorEpoch, 2);
  const builder = new BatchBuilder(markerBytes);
  builder.append(key, value, undefined, timestamp);
  const bytes = builder.seal({ baseOffset: 0, partitionLeaderEpoch: 0, compression: "none" });
  bytes.writeInt16BE(attributeBits.transactional | attributeBits.control, batchField.attributes);
  writeInt64(bytes, batchField.producerId, producerId);
  bytes.writeInt16BE(producerEpoch, batchField.producerEpoch);
  bytes.writeUInt32BE(crc32c(bytes, 0, batchCrcStart), batchField.crc);
  return new RecordBatch(bytes);
}

/** What a control batch says; undefined if it says something else than the end of a transaction. */
export function readEndMarker(batch: RecordBatch): EndMarker | undefined {
  const { value: record } = batch.records().next();
  const key = record?.key;
  if (key === undefined || key === null || key.length < 4) {
    throw new LogError("CORRUPT_BATCH", `the control batch at offset ${batch.baseOffset} says nothing`);
  }
  const type = Buffer.from(key.buffer, key.byteOffset, key.byteLength).readInt16BE(2);
  if (type !== markerType.commit && type !== markerType.abort) return undefined;
  const { producerId, producerEpoch } = batch;
  return { producerId, producerEpoch, isCommit: type === markerType.commit };
}
