// What the commands are made of. Few names, small numbers and short texts: things shall meet.
import fc from "fast-check";
import type { LogOptions } from "../open.js";
import type { Bytes, HeadersInput } from "../record/index.js";
import type { Durability } from "../storage/contracts.js";
import type { ModelConfig, ModelPosition } from "./model.js";

export const topicName: fc.Arbitrary<string> = fc.constantFrom("a", "B_2-b.c");
export const partitionNumber: fc.Arbitrary<number> = fc.constantFrom(0, 0, 0, 1, 1, 2);
export const durability: fc.Arbitrary<Durability> = fc.constantFrom("disk", "os", "memory");

/** A value that no topic with `smallMessageBytes` takes, and that others do. */
export const largeValueBytes = 5000;
export const smallMessageBytes = 4096;

export const topicConfig: fc.Arbitrary<Partial<ModelConfig>> = fc.record(
  {
    partitions: fc.constantFrom(1, 1, 2, 3),
    durability,
    compression: fc.constantFrom("none", "gzip", "snappy", "lz4", "zstd"),
    segmentBytes: fc.constantFrom(1024, 4096, 1_073_741_824),
    maxMessageBytes: fc.constantFrom(smallMessageBytes, 1_048_588),
  },
  { requiredKeys: [] },
);

const bytes: fc.Arbitrary<Bytes> = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 6 }),
  fc.uint8Array({ maxLength: 6 }),
);
const key: fc.Arbitrary<Bytes | null> = fc.oneof(fc.constantFrom("k1", "k2", "k3", "", null), bytes);
const value: fc.Arbitrary<Bytes | null> = fc.oneof(
  { weight: 5, arbitrary: bytes },
  { weight: 1, arbitrary: fc.constant(null) },
  { weight: 4, arbitrary: fc.integer({ min: 100, max: 3000 }).map((length) => "v".repeat(length)) },
);
const headers: fc.Arbitrary<HeadersInput> = fc.dictionary(
  fc.string({ unit: "grapheme", maxLength: 3 }),
  fc.oneof(bytes, fc.constant(null)),
  { maxKeys: 3 },
);

/** Milliseconds around those of the clock, so that times of both kinds mix. */
const timestamp: fc.Arbitrary<number> = fc.integer({ min: 990, max: 1100 });

export interface RecordPlan {
  readonly key?: Bytes | null;
  readonly value: Bytes | null;
  readonly headers?: HeadersInput;
  readonly timestamp?: number;
  readonly partition?: number;
}

export const record: fc.Arbitrary<RecordPlan> = fc.record(
  { key, value, headers, timestamp, partition: partitionNumber },
  { requiredKeys: ["value"] },
);

/** See positions.ts for what becomes of it. */
export const offset: fc.Arbitrary<number> = fc.nat({ max: 10_000 });

export const position: fc.Arbitrary<ModelPosition> = fc.oneof(
  offset,
  fc.constantFrom("earliest" as const, "latest" as const),
  timestamp.map((time) => ({ time })),
);

const kibibyte = 1024;

/** Little memory and tiny journals, so that checkpoints come often. */
export const logOptions: fc.Arbitrary<LogOptions> = fc.record(
  {
    journalFileBytes: fc.constant(64 * kibibyte),
    journalBytesMax: fc.constantFrom(128 * kibibyte, 512 * kibibyte),
    tailBytesMax: fc.constantFrom(256 * kibibyte, 1024 * kibibyte),
    lanes: fc.integer({ min: 1, max: 3 }),
    openFilesMax: fc.constantFrom(8, 256),
    idleMs: fc.constantFrom(10, 300_000),
    syncEveryMs: fc.constantFrom(0, 2),
    lingerMs: fc.constantFrom(0, 1),
    journalRotateMs: fc.constantFrom(0, 1, 3, 10),
  },
  { requiredKeys: ["journalFileBytes", "journalBytesMax"] },
);
