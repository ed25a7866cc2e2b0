// The goals on the wire: as fast as Kafka when Kafka syncs nothing, though we sync before each acknowledgement.
import { divided, type Goal, times } from "../goal.js";
import { kafka } from "../subjects.js";
import {
  clientTitles,
  consumed,
  latencyWorkload,
  produceWorkload,
  sizes,
  startWorkload,
} from "./workloads.js";

const unsynced = "Kafka, which syncs nothing";
const memory = `${startWorkload}: memory with 1,000 idle topics`;

export const wireGoals: readonly Goal[] = [
  ...clientTitles.flatMap((client) =>
    sizes.flatMap(({ title }) => {
      const produce = produceWorkload(client, title);
      return [
        throughput(`produce ${title}, ${client}`, produce),
        throughput(`consume ${title}, ${client}`, `${produce}: ${consumed}`),
      ];
    }),
  ),
  {
    goal: "from producer to consumer at 1,000 records/s, p99",
    wanted: `< ${unsynced}`,
    seen: (value) => divided(value(`${latencyWorkload}: p99`), value(`${latencyWorkload}: p99`, kafka)),
    bound: 1,
    better: "less",
    show: times,
  },
  {
    goal: "start, to the first answer",
    wanted: "< 300 ms",
    seen: (value) => value(startWorkload),
    bound: 300,
    better: "less",
    show: (seen) => `${Math.round(seen)} ms`,
  },
  {
    goal: "start, to the first answer",
    wanted: "≥ 10 × as quick as Kafka",
    seen: (value) => divided(value(startWorkload, kafka), value(startWorkload)),
    bound: 10,
    better: "more",
    show: times,
  },
  {
    goal: "memory with 1,000 idle topics",
    wanted: "< 100 MB",
    seen: (value) => value(memory),
    bound: 100,
    better: "less",
    show: (seen) => `${Math.round(seen)} MB`,
  },
  {
    goal: "memory with 1,000 idle topics",
    wanted: "≤ a tenth of Kafka's",
    seen: (value) => divided(value(memory, kafka), value(memory)),
    bound: 10,
    better: "more",
    show: times,
  },
];

function throughput(goal: string, workload: string): Goal {
  return {
    goal,
    wanted: `≥ ${unsynced}`,
    seen: (value) => divided(value(workload), value(workload, kafka)),
    bound: 1,
    better: "more",
    show: times,
  };
}
