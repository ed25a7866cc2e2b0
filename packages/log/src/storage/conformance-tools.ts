// What the parts of the conformance suite share: batches, partitions, and ways to look at what a driver answers.
import assert from "node:assert/strict";
import { type ErrorCode, LogError } from "../errors.js";
import { BatchBuilder, batchLengthAt, type Compression, RecordBatch } from "../record/index.js";
import type {
  AppendGroup,
  LogStorage,
  PartitionConfig,
  PartitionName,
  StorageManifest,
} from "./contracts.js";

/** A driver under test, with nothing in it. The suite closes `storage` itself. */
export interface OpenedStorage {
  readonly storage: LogStorage;
  /** Opens the same data again; called after `storage` was closed. A persistent driver must have it. */
  readonly reopen?: () => Promise<LogStorage>;
  /** Opens the same data read-only, beside `storage`. For drivers that can. */
  readonly openReadOnly?: () => Promise<LogStorage>;
}

export interface ConformanceOptions {
  /** Stands before the name of each test. */
  readonly name: string;
  /** What the driver's manifest says; decides which tests there are. */
  readonly manifest: Pick<StorageManifest, "atomicGroups" | "singleWriter" | "persistent" | "readOnly">;
  /** A test that takes longer fails. Default 10 s. */
  readonly timeoutMs?: number;
  open(): Promise<OpenedStorage>;
  /** The test runner's: `node:test`, vitest, mocha. */
  test(name: string, action: () => Promise<void>): unknown;
}

/** Registers one test that gets a fresh driver and has it closed in the end. */
export type Register = (name: string, action: (opened: OpenedStorage) => Promise<void>) => void;

export const config: PartitionConfig = { segmentBytes: 1024 * 1024, segmentMs: 7 * 24 * 60 * 60 * 1000 };

export function partitionName(topic: string, partition = 0, topicId: string = `${topic}-id`): PartitionName {
  return { id: `${topicId}/${partition}`, topic, topicId, partition };
}

/** A storage with one empty partition; answers the partition's id. */
export async function withPartition(storage: LogStorage, topic = "a"): Promise<string> {
  const name = partitionName(topic);
  await storage.createPartitions([name], config);
  return name.id;
}

export interface BatchInput {
  readonly values: readonly string[];
  /** Of the first record; each one after it is a millisecond later. */
  readonly timestamp?: number;
  readonly compression?: Compression;
}

export function makeBatch({ values, timestamp = 1000, compression = "none" }: BatchInput): Buffer {
  const builder = new BatchBuilder(256);
  for (const [index, value] of values.entries()) builder.append(null, value, undefined, timestamp + index);
  return builder.seal({ baseOffset: 0, partitionLeaderEpoch: 0, compression });
}

/** Values "first" to "first + count − 1", as text. */
export function numbered(first: number, count: number): string[] {
  return Array.from({ length: count }, (_, n) => `${first + n}`);
}

/** Appends one batch and waits until it is durable. */
export async function append(
  storage: LogStorage,
  partitionId: string,
  baseOffset: number,
  batch: BatchInput,
): Promise<void> {
  const { written, durable } = storage.append(groupOf(partitionId, baseOffset, batch));
  await written;
  await durable;
}

export function groupOf(
  partitionId: string,
  baseOffset: number,
  batch: BatchInput,
  more: Partial<AppendGroup> = {},
): AppendGroup {
  const bytes = makeBatch(batch);
  return { batches: [{ partitionId, bytes, baseOffset, visibleAt: "disk" }], durability: "disk", ...more };
}

/** Whole batches, each checked, from a read's chunks. */
export function batchesIn(chunks: readonly Buffer[]): RecordBatch[] {
  const batches: RecordBatch[] = [];
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      const length = batchLengthAt(chunk, at);
      assert.ok(length > 0 && at + length <= chunk.length, "a chunk holds whole batches and nothing else");
      batches.push(new RecordBatch(chunk.subarray(at, at + length)).verify());
      at += length;
    }
  }
  return batches;
}

/** Everything from `from` on as "offset:value", as a reader that asks again and again sees it. */
export async function readAll(storage: LogStorage, id: string, from = 0): Promise<string[]> {
  const found: string[] = [];
  for (let next = from; ; ) {
    const { chunks, startOffset } = await storage.read(id, next, 4096);
    const batches = batchesIn(chunks);
    const last = batches.at(-1);
    if (last === undefined) return found;
    assert.ok(last.nextOffset > next, "reading goes on");
    for (const batch of batches) {
      for (const record of batch.records(startOffset)) {
        if (record.offset >= next) found.push(`${record.offset}:${record.value?.toString()}`);
      }
    }
    next = last.nextOffset;
  }
}

/** Rejects, and does not throw, with a LogError of that code. */
export async function refuses(code: ErrorCode, start: () => Promise<unknown>): Promise<void> {
  let promise: Promise<unknown>;
  try {
    promise = start();
  } catch (error) {
    assert.fail(`the call threw instead of answering a promise that rejects: ${String(error)}`);
  }
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof LogError, `a LogError ${code} was expected, not ${String(error)}`);
    assert.equal(error.code, code, error.message);
    return true;
  });
}

/** Both promises of an append reject with that code, and the call itself does not throw. */
export async function refusesGroup(code: ErrorCode, storage: LogStorage, group: AppendGroup): Promise<void> {
  let outcome: ReturnType<LogStorage["append"]> | undefined;
  await refuses(code, () => {
    outcome = storage.append(group);
    outcome.durable.catch(() => undefined);
    return outcome.written;
  });
  await refuses(code, () => (outcome as ReturnType<LogStorage["append"]>).durable);
}

/** Whether a promise is still open once what is ready to run has run. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let isSettled = false;
  const settle = (): void => {
    isSettled = true;
  };
  promise.then(settle, settle);
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  return !isSettled;
}
