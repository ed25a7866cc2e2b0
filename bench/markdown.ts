// The results as a page of the docs: goals first, then every figure.
import { verdicts } from "./goals.js";
import { figure } from "./report.js";
import type { Row } from "./rounds.js";
import { ours } from "./subjects.js";

export interface Kept {
  readonly machine: string;
  readonly date: string;
  readonly command: string;
  readonly rows: readonly Row[];
}

/** `chart`: the file beside the page that shows them. */
export function markdown({ machine, date, command, rows }: Kept, chart: string): string {
  const goals = verdicts(rows);
  const met = goals.filter(({ isMet }) => isMet).length;
  return [
    "# Results of the benchmark",
    "",
    `Made by \`${command}\` on ${date.slice(0, 10)}: ${machine}. How to read it, and what bounds each figure: [performance.md](performance.md).`,
    "",
    `![the most telling figures as bars](${chart})`,
    "",
    `## Goals: ${met} of ${goals.length} met`,
    "",
    "| figure | goal | seen | |",
    "| --- | --- | --- | --- |",
    ...goals.map(
      ({ goal, wanted, seen, isMet }) =>
        `| ${goal} | ${wanted} | ${seen} | ${isMet ? "met" : "**missed**"} |`,
    ),
    "",
    "## Every figure",
    "",
    "Medians of the rounds, with the least and the most. The limit was measured in the same rounds; its share is the median of the rounds' own.",
    "",
    ...workloadsOf(rows).flatMap((workload) => section(workload, rows)),
    versions(rows),
    "",
  ].join("\n");
}

function workloadsOf(rows: readonly Row[]): string[] {
  return [...new Set(rows.map(({ workload }) => workload))];
}

function section(workload: string, rows: readonly Row[]): string[] {
  const own = rows.filter((row) => row.workload === workload);
  const measured = own.filter((row) => row.value !== undefined);
  const limit = measured.find((row) => row.limit !== undefined)?.limit;
  const allowed = limit === undefined ? "" : `; the limit: ${figure(limit)}`;
  const skipped = own.filter((row) => row.skipped !== undefined);
  return [
    `### ${workload}`,
    "",
    `${own[0]?.unit ?? ""}${allowed}`,
    "",
    "| subject | median | least … most | share of the limit |",
    "| --- | ---: | ---: | ---: |",
    ...measured.map((row) => {
      const name = row.subject === ours ? `**${ours}**` : row.subject;
      const range = `${figure(row.least)} … ${figure(row.most)}`;
      return `| ${name} | ${figure(row.value)} | ${range} | ${row.ratio?.toFixed(2) ?? ""} |`;
    }),
    "",
    ...skipped.flatMap(({ subject, skipped: why }) => [`Not measured: ${subject}, ${why}.`, ""]),
  ];
}

function versions(rows: readonly Row[]): string {
  const known = new Map(
    rows.flatMap(({ subject, version }) => (version === undefined ? [] : [[subject, version]])),
  );
  return `Versions: ${[...known].map(([subject, version]) => `${subject} ${version}`).join(", ")}.`;
}
