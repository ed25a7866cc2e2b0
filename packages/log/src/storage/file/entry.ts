// What the file driver puts into the journal's blocks: entries, back to back. Layout: docs/format/journal.md.
import { LogError } from "../../errors.js";
import { batchChecksum, readInt64, writeInt64 } from "../../record/index.js";
import { fields, listOf, nullOr, parseShaped, type Shape, text, whole } from "../../shapes.js";
import type { AppendGroup, PartitionConfig, PartitionName } from "../contracts.js";

/** What is not a batch of records: rare, so that clarity beats size. Kept as JSON. */
export type ControlEntry =
  | {
      type: "createPartitions";
      config: PartitionConfig;
      partitions: readonly (PartitionName & { number: number })[];
    }
  | { type: "deletePartitions"; numbers: readonly number[] }
  | { type: "deleteRecords"; number: number; before: number }
  | { type: "metadata"; key: string; value: string | null; version: number };

export interface BatchEntry {
  type: "batch";
  /** The partition's number in the checkpoint file. */
  number: number;
  /** Where the partition ended before: what lies between there and the batch was never written. */
  previousEnd: number;
  bytes: Buffer;
}

const entryType = { batch: 1, control: 2 } as const;
const prefixBytes = 5;
const batchPrefixBytes = prefixBytes + 12;

/** What precedes a batch's bytes in the journal. */
export function encodeBatchPrefix(number: number, previousEnd: number, batchBytes: number): Buffer {
  const buffer = Buffer.allocUnsafe(batchPrefixBytes);
  buffer[0] = entryType.batch;
  buffer.writeUInt32BE(batchPrefixBytes - prefixBytes + batchBytes, 1);
  buffer.writeUInt32BE(number, prefixBytes);
  writeInt64(buffer, prefixBytes + 4, previousEnd);
  return buffer;
}

export function encodeControl(entry: ControlEntry): Buffer {
  const body = Buffer.from(JSON.stringify(entry));
  const buffer = Buffer.allocUnsafe(prefixBytes + body.length);
  buffer[0] = entryType.control;
  buffer.writeUInt32BE(body.length, 1);
  buffer.set(body, prefixBytes);
  return buffer;
}

// From here on it is quicker to put a batch's checksum together than to look at its bytes again.
const knownBytesMin = 16 * 1024;

/** Entries for one block, in pieces that are not copied. */
export class Payload {
  readonly pieces: Buffer[] = [];
  /** Checksums of the large ones. */
  known: Map<Uint8Array, number> | undefined;

  addBatch(number: number, previousEnd: number, bytes: Buffer): void {
    this.pieces.push(encodeBatchPrefix(number, previousEnd, bytes.length), bytes);
    if (bytes.length < knownBytesMin) return;
    this.known ??= new Map();
    this.known.set(bytes, batchChecksum(bytes));
  }

  addControl(entry: ControlEntry): void {
    this.pieces.push(encodeControl(entry));
  }
}

export function* decodeEntries(payload: Buffer): Generator<BatchEntry | ControlEntry, void, void> {
  for (let at = 0; at < payload.length; ) {
    const length = at + prefixBytes <= payload.length ? payload.readUInt32BE(at + 1) : -1;
    const start = at + prefixBytes;
    if (length < 0 || start + length > payload.length) throw malformed("an entry is cut short");
    const type = payload[at];
    if (type === entryType.control) {
      yield parseShaped<ControlEntry>(
        payload.toString("utf8", start, start + length),
        controlShape,
        malformed,
      );
    } else if (type === entryType.batch && length > batchPrefixBytes - prefixBytes) {
      yield {
        type: "batch",
        number: payload.readUInt32BE(start),
        previousEnd: readInt64(payload, start + 4),
        bytes: payload.subarray(start + 12, start + length),
      };
    } else throw malformed(`an entry has the type ${type}`);
    at = start + length;
  }
}

/** The block's checksum matched, so these bytes are what was written: by a newer version, or by mistake. */
function malformed(what: string, cause?: unknown): LogError {
  const message = `a journal block with a good checksum makes no sense: ${what}`;
  return new LogError("CORRUPT_JOURNAL", message, { cause });
}

const count = whole();
const controlShapes: Readonly<Record<ControlEntry["type"], Shape>> = {
  createPartitions: fields({
    config: fields({ segmentBytes: count, segmentMs: count }),
    partitions: listOf(fields({ id: text, topic: text, topicId: text, partition: count, number: count })),
  }),
  deletePartitions: fields({ numbers: listOf(count) }),
  deleteRecords: fields({ number: count, before: count }),
  metadata: fields({ key: text, value: nullOr(text), version: count }),
};

/** A type that is not known is let through: whoever applies the entry says that it takes a newer version. */
function controlShape(value: unknown): string | undefined {
  const misfit = fields({ type: text })(value);
  if (misfit !== undefined) return misfit;
  const { type } = value as { type: string };
  if (type === "batch") return ".type"; // Only the first byte of an entry makes it one.
  return Object.hasOwn(controlShapes, type) ? controlShapes[type as ControlEntry["type"]](value) : undefined;
}

// What an entry adds to what it holds, at most.
const entryOverhead = 64;

/** What a group takes in the journal, at most. */
export function bytesOf({ batches, metadata = [] }: AppendGroup): number {
  let bytes = 0;
  for (const batch of batches) bytes += batch.bytes.length + entryOverhead;
  for (const { key, value = "" } of metadata) bytes += (key.length + value.length) * 3 + entryOverhead;
  return bytes;
}
