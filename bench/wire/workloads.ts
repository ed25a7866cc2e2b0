// What is measured on the wire: one and the same clients against us and against Apache Kafka, without syncs and with.
import type { Answer } from "../subject.js";
import { kafka, kafkaSynced, ours } from "../subjects.js";
import type { Workload } from "../workloads.js";

export const wirePrefix = "wire, ";
export const latencyWorkload: string = `${wirePrefix}from producer to consumer at 1,000 records/s`;
export const startWorkload: string = `${wirePrefix}start`;

const mebibyte = 1024 * 1024;
const brokers = [ours, kafka, kafkaSynced];
const clients = [
  { client: "java", title: "Java client", mebibytes: 192 },
  { client: "kcat", title: "kcat", mebibytes: 192 },
  { client: "platformatic", title: "@platformatic/kafka", mebibytes: 64 },
] as const;

export const clientTitles: readonly string[] = clients.map(({ title }) => title);
export const sizes: readonly { readonly recordBytes: number; readonly title: string }[] = [
  { recordBytes: 100, title: "100 B" },
  { recordBytes: 1024, title: "1 KiB" },
];
export const produceWorkload = (client: string, size: string): string =>
  `${wirePrefix}${client}, produce records of ${size}`;
export const consumed = "and consume them";

export const wireWorkloads: readonly Workload[] = [
  ...clients.flatMap(({ client, title, mebibytes }) =>
    sizes.map(
      ({ recordBytes, title: size }): Workload => ({
        name: produceWorkload(title, size),
        unit: "MB/s",
        better: "more",
        subjects: brokers,
        // Small records take their time: half as many bytes of them.
        request: {
          workload: "wire",
          client,
          recordBytes,
          partitions: 6,
          bytes: (mebibytes * mebibyte) / (recordBytes < 1024 ? 2 : 1),
        },
        value: ({ bytes, seconds }) => quotient(bytes, seconds, 1e6),
        also: [
          {
            name: consumed,
            unit: "MB/s",
            value: ({ bytes, readSeconds }) => quotient(bytes, readSeconds, 1e6),
          },
          {
            name: "the broker's processor time, producing",
            unit: "s/GB",
            value: ({ bytes, processorSeconds }) => quotient(processorSeconds, bytes, 1e-9),
          },
          {
            name: "the broker's processor time, consuming",
            unit: "s/GB",
            value: ({ bytes, readProcessorSeconds }) => quotient(readProcessorSeconds, bytes, 1e-9),
          },
        ],
        isQuick: client === "java",
      }),
    ),
  ),
  {
    name: latencyWorkload,
    unit: "ms (p50)",
    better: "less",
    subjects: brokers,
    request: { workload: "wire", client: "latency" },
    value: milliseconds("p50"),
    also: [
      { name: "p99", unit: "ms", value: milliseconds("p99") },
      { name: "p99.9", unit: "ms", value: milliseconds("p999") },
    ],
    isQuick: true,
  },
  {
    name: startWorkload,
    unit: "ms",
    better: "less",
    subjects: [ours, kafka],
    request: { workload: "wire", client: "start", partitions: 1000 },
    value: ({ seconds }) => quotient(seconds, 0.001),
    also: [
      { name: "with 1,000 topics", unit: "ms", value: ({ reopenSeconds }) => quotient(reopenSeconds, 0.001) },
      {
        name: "memory with 1,000 idle topics",
        unit: "MB",
        value: ({ residentBytes }) => quotient(residentBytes, 1e6),
      },
    ],
    isQuick: true,
  },
];

function milliseconds(percentile: "p50" | "p99" | "p999"): Workload["value"] {
  return ({ latencyMicros }: Answer) => quotient(latencyMicros?.[percentile], 1000);
}

function quotient(dividend: number | undefined, divisor: number | undefined, unit = 1): number | undefined {
  return dividend === undefined || divisor === undefined ? undefined : dividend / divisor / unit;
}
