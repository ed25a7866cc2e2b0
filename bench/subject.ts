// What passes between the harness and the programs that are measured: see peers/README.md.
import { parseArgs } from "node:util";

export interface Request {
  readonly subject: string;
  readonly workload: string;
  /** Not there yet, but for the workloads that look at what another one has left. */
  readonly directory: string;
  readonly durability: "disk" | "os";
  readonly recordBytes: number;
  /** Records that are appended and acknowledged together. */
  readonly batchRecords: number;
  readonly inFlight: number;
  readonly partitions: number;
  readonly seconds: number;
  /** For what takes a size instead of a time. */
  readonly bytes: number;
  /** Readers beside the writer. */
  readonly readers: number;
  /** On the wire: whose client it is, or what is looked at instead of a client's rates. */
  readonly client: "java" | "kcat" | "platformatic" | "latency" | "start" | "";
}

export interface Answer {
  readonly records?: number;
  /** Of the records' values. */
  readonly bytes?: number;
  readonly seconds?: number;
  readonly latencyMicros?: Latency;
  readonly version?: string;
  /** Why there is no figure. */
  readonly skipped?: string;
  /** What only some workloads tell. */
  readonly heapBytes?: number;
  readonly descriptors?: number;
  readonly readSeconds?: number;
  readonly reopenSeconds?: number;
  readonly processorSeconds?: number;
  readonly readProcessorSeconds?: number;
  readonly residentBytes?: number;
}

export interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

/** The percentiles of times in milliseconds, as microseconds. */
export function latencyOf(timesMs: readonly number[]): Latency {
  const sorted = Float64Array.from(timesMs).sort();
  const at = (share: number): number =>
    Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) * 1000);
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999) };
}

/** Answers the request in the last argument with one of these workloads. */
export async function serve(
  workloads: Readonly<Record<string, (request: Request) => Promise<Answer>>>,
): Promise<void> {
  const request = JSON.parse(parseArgs({ allowPositionals: true }).positionals.at(-1) ?? "{}") as Request;
  const workload = workloads[request.workload];
  const answer =
    workload === undefined ? { skipped: `no workload ${request.workload}` } : await workload(request);
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

/** Values that differ, so that nothing is gained by what is the same everywhere. */
export function valuesOf(bytes: number): Buffer[] {
  return Array.from({ length: 64 }, (_, n) =>
    Buffer.alloc(bytes, `${n} is not ${n + 1}, nor is it ${n * n}. `),
  );
}
