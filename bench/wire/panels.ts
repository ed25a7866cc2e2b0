// What is shown as bars of what was measured on the wire.
import { clientTitles, consumed, latencyWorkload, produceWorkload, startWorkload } from "./workloads.js";

const size = "1 KiB";

export const wirePanels: readonly (readonly [workload: string, title: string])[] = [
  ...clientTitles.flatMap((client): [string, string][] => [
    [produceWorkload(client, size), `${client}: records of ${size} produced, MB/s`],
    [`${produceWorkload(client, size)}: ${consumed}`, `${client}: records of ${size} consumed, MB/s`],
  ]),
  [latencyWorkload, "From producer to consumer at 1,000 records/s, p50, ms"],
  [`${latencyWorkload}: p99`, "From producer to consumer at 1,000 records/s, p99, ms"],
  [startWorkload, "From the start to the first answer, ms"],
  [`${startWorkload}: memory with 1,000 idle topics`, "Memory with 1,000 idle topics, MB"],
];
