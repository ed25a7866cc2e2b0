// The fixed workloads: what each subject is asked, the physical limit beside it, and which figure is taken.
import type { Answer, Request } from "./subject.js";
import { ours } from "./subjects.js";

export interface Workload {
  readonly name: string;
  readonly unit: string;
  readonly better: "more" | "less";
  /** Those that are measured, each in turn. */
  readonly subjects: readonly string[];
  readonly request: Partial<Request>;
  /** What leaves behind what is measured. */
  readonly before?: Partial<Request>;
  readonly value: (answer: Answer) => number | undefined;
  /** What the machine allows, measured in the same round, and what that is. */
  readonly limit?: {
    readonly what: string;
    readonly request: Partial<Request>;
    readonly value: Workload["value"];
  };
  /** More figures of the same runs. */
  readonly also?: readonly {
    readonly name: string;
    readonly unit: string;
    readonly value: Workload["value"];
  }[];
  /** Part of `--quick`. */
  readonly isQuick?: boolean;
  /** Takes so long that it is run once, or in a full run only. */
  readonly rounds?: number;
}

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;
const gibibyte = 1024 * mebibyte;

const npmPeers = ["lmdb", "better-sqlite3", "classic-level", "hypercore", "async-append-only-log"];
const nativePeers = ["mrecordlog", "walrus", "tidwall-wal", "raft-wal"];
const servers = ["redis", "nats"];
const everybody = [ours, ...npmPeers, ...nativePeers, ...servers];
const embedded = [ours, ...npmPeers, ...nativePeers];

const rate = ({ records, seconds }: Answer): number | undefined => quotient(records, seconds);
const megabytes = ({ bytes, seconds }: Answer): number | undefined => quotient(bytes, seconds, 1e6);
const milliseconds = ({ seconds }: Answer): number | undefined => quotient(seconds, 0.001);
const micros =
  (percentile: "p50" | "p99" | "p999") =>
  ({ latencyMicros }: Answer): number | undefined =>
    latencyMicros?.[percentile];

// What a record of 100 bytes takes in a batch, and what a block of the journal has besides.
const recordOverhead = 10;
const blockOverhead = 64 + 17 + 61;
const pageBytes = 4 * kibibyte;

export const workloads: readonly Workload[] = [
  durable(1),
  durable(16),
  durable(256),
  durable(4096),
  ...[1, 16, 256, 1024].map(batches),
  {
    name: "os durability, 256 B in batches of 256",
    unit: "MB/s",
    better: "more",
    subjects: everybody,
    request: { workload: "append", durability: "os", recordBytes: 256, batchRecords: 256 },
    value: megabytes,
    limit: {
      what: "write of the same blocks to a growing file",
      request: { workload: "grow", recordBytes: 68 * kibibyte },
      value: megabytes,
    },
    isQuick: true,
  },
  bulk("burst", 48 * mebibyte, [1, 2]),
  bulk("sustained", gibibyte, [2]),
  {
    name: "bulk, growing file, no sync at all",
    unit: "MB/s",
    better: "more",
    subjects: ["raw disk"],
    request: { workload: "grow", recordBytes: mebibyte, bytes: gibibyte },
    value: megabytes,
  },
  ...[1, 100, 10_000].map(partitions),
  {
    name: "queues: append, and delete what is done",
    unit: "records/s",
    better: "more",
    subjects: everybody,
    request: { workload: "queue", inFlight: 256, partitions: 16 },
    value: rate,
  },
  {
    name: "read records of 100 B",
    unit: "records/s",
    better: "more",
    subjects: everybody,
    request: { workload: "read", bytes: 100 * 1_000_000 },
    value: rate,
    limit: {
      what: "pread of the same bytes from the page cache",
      request: { workload: "pread" },
      value: ({ bytes, seconds }) => quotient(bytes, seconds, 100 + recordOverhead),
    },
    isQuick: true,
  },
  {
    name: "read raw batches of 64 KiB, checked",
    unit: "MB/s",
    better: "more",
    subjects: [ours],
    request: { workload: "readBatches", recordBytes: kibibyte, bytes: 256 * mebibyte },
    value: megabytes,
    limit: { what: "pread from the page cache", request: { workload: "pread" }, value: megabytes },
    isQuick: true,
  },
  ...[0, 1, 4, 16].map(beside),
  {
    name: "from append to follower, 100 B durably",
    unit: "µs (p50)",
    better: "less",
    subjects: [ours],
    request: { workload: "follow" },
    value: micros("p50"),
    limit: rawSync(pageBytes, micros("p50")),
    also: [
      { name: "p99", unit: "µs", value: micros("p99") },
      { name: "p99.9", unit: "µs", value: micros("p999") },
    ],
  },
  reopening("1 GB", 1e9, embedded, 1),
  reopening("10 GB", 1e10, [ours], 1),
  {
    name: "10,000 idle topics: open",
    unit: "ms",
    better: "less",
    subjects: [ours],
    before: { workload: "makeTopics", partitions: 10_000 },
    request: { workload: "idle", partitions: 10_000 },
    value: milliseconds,
    also: [
      { name: "heap of each", unit: "bytes", value: ({ heapBytes }) => quotient(heapBytes, 10_000) },
      { name: "descriptors", unit: "", value: ({ descriptors }) => descriptors },
    ],
    isQuick: true,
  },
];

/** One record an append; with one in flight, how long each takes is told, too. */
function durable(inFlight: number): Workload {
  const blockBytes = pageBytes * Math.ceil((inFlight * (100 + recordOverhead) + blockOverhead) / pageBytes);
  const isSerial = inFlight === 1;
  return {
    name: `append 100 B durably, ${inFlight.toLocaleString("en-US")} in flight`,
    unit: "appends/s",
    better: "more",
    subjects: everybody,
    request: { workload: "append", inFlight },
    value: rate,
    limit: {
      ...rawSync(blockBytes, ({ records, seconds }) => quotient(records, seconds, 1 / inFlight)),
      what: isSerial ? "write + fdatasync" : "write + fdatasync of blocks that hold them all",
    },
    also: isSerial
      ? [
          { name: "p50", unit: "µs", value: micros("p50") },
          { name: "p99", unit: "µs", value: micros("p99") },
          { name: "p99.9", unit: "µs", value: micros("p999") },
        ]
      : [],
    isQuick: true,
  };
}

function batches(batchRecords: number): Workload {
  return {
    name: `durable batches of ${batchRecords === 1024 ? "1 MiB" : `${batchRecords} KiB`}, one at a time`,
    unit: "MB/s",
    better: "more",
    subjects: everybody,
    request: { workload: "append", recordBytes: kibibyte, batchRecords },
    value: megabytes,
    limit: rawSync(batchRecords * kibibyte + pageBytes, ({ bytes, seconds }) =>
      quotient(bytes, seconds, (1e6 * (batchRecords * kibibyte + pageBytes)) / (batchRecords * kibibyte)),
    ),
  };
}

/** Records that fill a batch each, eight in flight. */
function bulk(name: string, bytes: number, quickRounds: readonly number[]): Workload {
  return {
    name: `bulk, 1 MiB batches, ${name}`,
    unit: "MB/s",
    better: "more",
    subjects: [ours],
    request: { workload: name, recordBytes: mebibyte - 200, bytes },
    value: megabytes,
    limit: rawSync(mebibyte, megabytes, gibibyte / 2),
    isQuick: quickRounds.includes(1),
  };
}

function partitions(count: number): Workload {
  return {
    name: `append 100 B durably to ${count.toLocaleString("en-US")} partitions in turn, 256 in flight`,
    unit: "appends/s",
    better: "more",
    subjects: everybody,
    request: { workload: "append", inFlight: 256, partitions: count },
    value: rate,
    isQuick: count !== 100,
  };
}

function beside(readers: number): Workload {
  return {
    name: `append 100 B durably, 256 in flight, beside ${readers} readers`,
    unit: "appends/s",
    better: "more",
    subjects: [ours],
    request: { workload: "readers", inFlight: 256, readers, bytes: 64 * mebibyte },
    value: rate,
    isQuick: readers === 0 || readers === 16,
  };
}

function reopening(size: string, bytes: number, subjects: readonly string[], rounds: number): Workload {
  const layout = { partitions: 1000, recordBytes: kibibyte, batchRecords: 64 };
  return {
    name: `open after kill -9, ${size} in 1,000 partitions`,
    unit: "ms",
    better: "less",
    subjects,
    before: { workload: "fill", durability: "os", bytes, ...layout },
    request: { workload: "open", ...layout },
    value: milliseconds,
    rounds,
  };
}

function rawSync(recordBytes: number, value: Workload["value"], bytes = 0): NonNullable<Workload["limit"]> {
  return {
    what: "write + fdatasync of the same blocks",
    request: { workload: "overwrite", recordBytes, bytes },
    value,
  };
}

function quotient(dividend: number | undefined, divisor: number | undefined, unit = 1): number | undefined {
  return dividend === undefined || divisor === undefined ? undefined : dividend / divisor / unit;
}
