// The goals, each a figure of one run held against another of the same run.
import { divided, type Figure, type Goal, inverse, most, percent, times } from "./goal.js";
import type { Row } from "./rounds.js";
import { ours } from "./subjects.js";
import { wireGoals } from "./wire/goals.js";

export interface Verdict {
  readonly goal: string;
  readonly wanted: string;
  readonly seen: string;
  readonly isMet: boolean;
}

const npmPeers = ["lmdb", "better-sqlite3", "classic-level", "hypercore", "async-append-only-log"];
const serial = "append 100 B durably, 1 in flight";
const flood = "append 100 B durably, 4,096 in flight";
const sustained = "bulk, 1 MiB batches, sustained";
const idle = "10,000 idle topics: open";

const goals: readonly Goal[] = [
  {
    goal: "serial durable append",
    wanted: "≤ 1.15 × the raw write + fdatasync",
    seen: (_, ratio) => inverse(ratio(serial)),
    bound: 1.15,
    better: "less",
    show: times,
  },
  {
    goal: "4,096 in flight",
    wanted: "≥ 1.5 M/s",
    seen: (value) => value(flood),
    bound: 1.5e6,
    better: "more",
    show: (seen) => `${(seen / 1e6).toFixed(2)} M/s`,
  },
  {
    goal: "4,096 in flight, against the best peer in process",
    wanted: "≥ 10 ×",
    seen: (value) => divided(value(flood), most(npmPeers.map((peer) => value(flood, peer)))),
    bound: 10,
    better: "more",
    show: times,
  },
  {
    goal: "bulk, burst within the journal",
    wanted: "≥ 80 % of the raw overwritten file",
    seen: (_, ratio) => ratio("bulk, 1 MiB batches, burst"),
    bound: 0.8,
    better: "more",
    show: percent,
  },
  {
    goal: "bulk, sustained",
    wanted: "≥ a growing file with no sync at all",
    seen: (value) => divided(value(sustained), value("bulk, growing file, no sync at all", "raw disk")),
    bound: 1,
    better: "more",
    show: percent,
  },
  {
    goal: "bulk, sustained",
    wanted: "≥ 40 % of the raw overwritten file",
    seen: (_, ratio) => ratio(sustained),
    bound: 0.4,
    better: "more",
    show: percent,
  },
  {
    goal: "`os` durability, 256 B in batches of 256",
    wanted: "≥ mrecordlog at its flush policy",
    seen: (value) => {
      const workload = "os durability, 256 B in batches of 256";
      return divided(value(workload), value(workload, "mrecordlog"));
    },
    bound: 1,
    better: "more",
    show: times,
  },
  {
    goal: "10,000 partitions in turn against 1, 256 in flight",
    wanted: "≥ 70 %",
    seen: (value) =>
      divided(
        value("append 100 B durably to 10,000 partitions in turn, 256 in flight"),
        value("append 100 B durably to 1 partitions in turn, 256 in flight"),
      ),
    bound: 0.7,
    better: "more",
    show: percent,
  },
  {
    goal: "sequential read, decoded",
    wanted: "≥ 5 M records/s",
    seen: (value) => value("read records of 100 B"),
    bound: 5e6,
    better: "more",
    show: (seen) => `${(seen / 1e6).toFixed(2)} M/s`,
  },
  {
    goal: "sequential read, raw",
    wanted: "≥ 2 GB/s",
    seen: (value) => value("read raw batches of 64 KiB, checked"),
    bound: 2000,
    better: "more",
    show: (seen) => `${(seen / 1000).toFixed(2)} GB/s`,
  },
  {
    goal: "writer's rate with 16 readers",
    wanted: "≥ 70 % of alone",
    seen: (value) =>
      divided(
        value("append 100 B durably, 256 in flight, beside 16 readers"),
        value("append 100 B durably, 256 in flight, beside 0 readers"),
      ),
    bound: 0.7,
    better: "more",
    show: percent,
  },
  {
    goal: "open after kill -9, 10 GB in 1,000 partitions",
    wanted: "< 1 s",
    seen: (value) => value("open after kill -9, 10 GB in 1,000 partitions"),
    bound: 1000,
    better: "less",
    show: (seen) => `${Math.round(seen)} ms`,
  },
  {
    goal: "10,000 idle topics: heap of each",
    wanted: "< 1 KB",
    seen: (value) => value(`${idle}: heap of each`),
    bound: 1000,
    better: "less",
    show: (seen) => `${Math.round(seen)} bytes`,
  },
  {
    goal: "10,000 idle topics: open",
    wanted: "< 1 s",
    seen: (value) => value(idle),
    bound: 1000,
    better: "less",
    show: (seen) => `${Math.round(seen)} ms`,
  },
  {
    goal: "10,000 idle topics: descriptors",
    wanted: "< 100",
    seen: (value) => value(`${idle}: descriptors`),
    bound: 100,
    better: "less",
    show: (seen) => `${seen}`,
  },
];

/** Those whose figures are there. */
export function verdicts(rows: readonly Row[]): Verdict[] {
  const look =
    (field: "value" | "ratio"): Figure =>
    (workload, subject = ours) =>
      rows.find((row) => row.workload === workload && row.subject === subject)?.[field];
  return [...goals, ...wireGoals].flatMap(({ goal, wanted, seen, bound, better, show }) => {
    const figure = seen(look("value"), look("ratio"));
    if (figure === undefined) return [];
    return [
      { goal, wanted, seen: show(figure), isMet: better === "more" ? figure >= bound : figure <= bound },
    ];
  });
}
