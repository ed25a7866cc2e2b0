// Whatever can be wrong with an append is found here, before anything has happened.
import { type ErrorCode, LogError } from "../errors.js";
import { type Bytes, batchHeaderBytes, RecordBatch, SealedBatch } from "../record/index.js";
import type { Durability } from "../storage/contracts.js";
import type { AppendBatchOptions, AppendOptions } from "./append-options.js";
import type { RecordInput } from "./forming.js";

const durabilities: ReadonlySet<unknown> = new Set(["memory", "os", "disk"] satisfies Durability[]);
const appendOptionNames: ReadonlySet<string> = new Set([
  "durability",
  "wait",
  "signal",
  "offset",
  "dedupeId",
  "producer",
] satisfies (keyof AppendOptions)[]);
const transactionOptionNames: ReadonlySet<string> = new Set(["durability", "wait", "signal"]);
const batchOptionNames: ReadonlySet<string> = new Set([
  "durability",
  "wait",
  "signal",
  "idempotent",
] satisfies (keyof AppendBatchOptions)[]);
/** Ids are kept in memory and in the checkpoint file. */
const idLengthMax = 256;

/** Why the record cannot be appended to a topic of so many partitions, if so. */
export function recordRefusal(
  record: RecordInput,
  topic: string,
  partitions: number,
  needsKey: boolean,
): LogError | undefined {
  if (typeof record !== "object" || record === null) return invalid("a record is an object with a value");
  const { key, value, timestamp, partition, headers } = record;
  if (!isBytes(value)) return invalid("a record's value must be a Uint8Array, a string or null");
  if (key !== undefined && !isBytes(key))
    return invalid("a record's key must be a Uint8Array, a string or null");
  if (needsKey && (key === undefined || key === null)) return keyMissing(topic);
  if (timestamp !== undefined && !(Number.isSafeInteger(timestamp) && timestamp >= 0)) {
    return invalid(`${timestamp} is not a timestamp: give milliseconds since 1970`);
  }
  if (partition !== undefined && !(Number.isInteger(partition) && partition >= 0 && partition < partitions)) {
    return partitionError(topic, partition, partitions);
  }
  if (headers !== undefined && !isHeaders(headers)) {
    return invalid("headers are a plain object whose values are a Uint8Array, a string or null");
  }
  return undefined;
}

export function partitionError(topic: string, partition: number, partitions: number): LogError {
  const message = `the topic "${topic}" has partitions 0 to ${partitions - 1}, not ${partition}`;
  return new LogError("PARTITION_NOT_FOUND", message, { details: { topic, partition } });
}

/** Why a batch cannot be appended as it is, if so. Its records are not looked at. */
export function batchRefusal(bytes: Uint8Array, bytesMax: number, options: AppendBatchOptions): unknown {
  if (!(bytes instanceof Uint8Array)) return invalid("a batch is a Uint8Array");
  const refusal = levelRefusal(options, batchOptionNames);
  if (refusal !== undefined) return refusal;
  const size = bytes.length;
  if (size > bytesMax) {
    const message = `the batch takes ${size} bytes, its topic allows ${bytesMax}: raise maxMessageBytes or send smaller ones`;
    return new LogError("RECORD_TOO_LARGE", message, { details: { size, max: bytesMax } });
  }
  try {
    const batch = new RecordBatch(bufferOf(bytes)).verify();
    // What the log itself reads of a batch has to be readable.
    if (batch.maxTimestamp < -1 || batch.baseTimestamp < -1) {
      return new LogError("CORRUPT_BATCH", "the batch has a negative timestamp");
    }
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Why a batch, which is whole and undamaged, cannot go into a compacted topic: each of its records needs a key. */
export function keysRefusal(bytes: Uint8Array, topic: string): unknown {
  try {
    for (const { key } of new RecordBatch(bufferOf(bytes)).records())
      if (key === null) return keyMissing(topic);
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Kafka's clients are told INVALID_RECORD. */
function keyMissing(topic: string): LogError {
  const message = `a record of "${topic}", a compacted topic, needs a key: it is what records are compared by`;
  return new LogError("INVALID_ARGUMENT", message, { details: { name: "key" } });
}

export function sealedBatch(bytes: Uint8Array): SealedBatch {
  return new SealedBatch(new RecordBatch(bufferOf(bytes)));
}

/** Why the options make no sense for the record, if so. */
export function optionsRefusal(
  options: AppendOptions,
  { partition }: RecordInput,
  partitions: number,
): LogError | undefined {
  const refusal = levelRefusal(options, appendOptionNames);
  if (refusal !== undefined) return refusal;
  const { offset, dedupeId, producer } = options;
  if (dedupeId !== undefined && (!isId(dedupeId) || dedupeId === ""))
    return invalid(`a dedupeId is a string of 1 to ${idLengthMax} characters`);
  if (producer !== undefined && (!isId(producer) || dedupeId === undefined))
    return invalid(`a producer is a string of at most ${idLengthMax} characters, and goes with a dedupeId`);
  if (offset === undefined) return undefined;
  if (!Number.isSafeInteger(offset) || offset < 0) return invalid(`${offset} is not an offset`);
  if (dedupeId !== undefined) return invalid("give an offset or a dedupeId, not both");
  if (partition === undefined && partitions > 1)
    return invalid("an append at an offset needs a partition, since the topic has several");
  return undefined;
}

/** @throws LogError INVALID_ARGUMENT */
export function checkTransactionOptions(options: Pick<AppendOptions, "durability">): void {
  const refusal = levelRefusal(options, transactionOptionNames);
  if (refusal !== undefined) throw refusal;
}

function levelRefusal(
  options: Pick<AppendOptions, "durability">,
  known: ReadonlySet<string>,
): LogError | undefined {
  for (const name in options) {
    if (!known.has(name)) return invalid(`unknown option "${name}"; known are ${[...known].join(", ")}`);
  }
  if (options.durability !== undefined && !durabilities.has(options.durability)) {
    return invalid(`"${options.durability}" is not a durability: disk, os or memory`);
  }
  return undefined;
}

function isId(value: unknown): boolean {
  return typeof value === "string" && value.length <= idLengthMax;
}

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

function isBytes(value: unknown): value is Bytes | null {
  return value === null || typeof value === "string" || value instanceof Uint8Array;
}

function isHeaders(headers: unknown): boolean {
  if (typeof headers !== "object" || headers === null) return false;
  const prototype: unknown = Object.getPrototypeOf(headers);
  return (prototype === Object.prototype || prototype === null) && Object.values(headers).every(isBytes);
}

function invalid(message: string): LogError {
  return new LogError("INVALID_ARGUMENT", message);
}

const refusals: ReadonlySet<string> = new Set<ErrorCode>([
  "INVALID_ARGUMENT",
  "OFFSET_OUT_OF_RANGE",
  "PARTITION_NOT_FOUND",
  "TOPIC_NOT_FOUND",
  "VERSION_CONFLICT",
]);

/** Whether the storage refused a group before anything of it was done. */
export function isRefusal(error: unknown): boolean {
  return error instanceof LogError && refusals.has(error.code);
}

export function offsetTaken(offset: number, end: number): LogError {
  const message = `cannot append at offset ${offset}: the partition ends at ${end}`;
  return new LogError("OFFSET_OUT_OF_RANGE", message, { details: { offset, end } });
}

export function repeatRefused(offset: number): LogError {
  const message = `the batch that this one repeats was refused, at offset ${offset}: send it again`;
  return new LogError("BACKPRESSURE", message, { details: { offset } });
}

/** Why a record of at most this size cannot be appended, if so. */
export function tooLarge(
  size: number,
  { batchBytesMax }: { readonly batchBytesMax: number },
): LogError | undefined {
  if (size + batchHeaderBytes <= batchBytesMax) return undefined;
  const message = `the record takes up to ${size} bytes, its topic allows ${batchBytesMax - batchHeaderBytes}: raise maxMessageBytes or split it`;
  return new LogError("RECORD_TOO_LARGE", message, { details: { size, max: batchBytesMax } });
}
