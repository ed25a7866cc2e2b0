// The results as a table for the eye, and who and what they are from.
import { cpus, release, totalmem } from "node:os";
import type { Verdict } from "./goals.js";
import { bestPeer, type Row } from "./rounds.js";
import { ours } from "./subjects.js";
import type { Workload } from "./workloads.js";

export function machine(): string {
  const { length } = cpus();
  return `${length} × ${cpus()[0]?.model}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${process.platform} ${release()}, Node ${process.version}`;
}

/** The rows of one workload: subjects from the best to the worst. */
export function table({ name, unit, better, limit }: Workload, rows: readonly Row[]): string {
  const main = rows.filter((row) => row.workload === name);
  const sign = better === "more" ? -1 : 1;
  const measured = main
    .filter((row) => row.value !== undefined)
    .sort((left, right) => sign * ((left.value as number) - (right.value as number)));
  const lines = [`${name}, ${unit}`];
  const allowed = measured.find((row) => row.limit !== undefined)?.limit;
  if (allowed !== undefined) lines.push(line("the limit", figure(allowed), "", limit?.what ?? ""));
  for (const row of measured) {
    const range = `[${figure(row.least)} … ${figure(row.most)}]`;
    const ratio = row.ratio === undefined ? "" : `${row.ratio.toFixed(2)} of the limit`;
    lines.push(line(row.subject === ours ? `▸ ${ours}` : row.subject, figure(row.value), range, ratio));
    for (const more of rows)
      if (more.subject === row.subject && more.workload.startsWith(`${name}: `) && more.value !== undefined)
        lines.push(line("", figure(more.value), "", `${more.unit} ${more.workload.slice(name.length + 2)}`));
  }
  for (const { subject, skipped } of main)
    if (skipped !== undefined) lines.push(line(subject, "skipped", "", skipped));
  const own = measured.find((row) => row.subject === ours);
  const peer = bestPeer(rows, name, better);
  if (own?.value !== undefined && peer?.value !== undefined && peer.subject !== "raw disk") {
    const times = better === "more" ? own.value / peer.value : peer.value / own.value;
    lines.push(`  ${times.toFixed(1)} × the best peer, ${peer.subject}`);
  }
  return `${lines.join("\n")}\n`;
}

export function goalTable(verdicts: readonly Verdict[]): string {
  const lines = verdicts.map(({ goal, wanted, seen, isMet }) =>
    [isMet ? "met   " : "MISSED", goal.padEnd(50), wanted.padEnd(38), seen].join("  "),
  );
  const met = verdicts.filter(({ isMet }) => isMet).length;
  return `${lines.join("\n")}\n${met} of ${verdicts.length} goals met\n`;
}

function line(subject: string, value: string, range: string, remark: string): string {
  return `  ${subject.padEnd(24)} ${value.padStart(12)}  ${range.padEnd(26)} ${remark}`.trimEnd();
}

export function figure(value: number | undefined): string {
  if (value === undefined) return "";
  return value >= 100 ? Math.round(value).toLocaleString("en-US") : value.toFixed(1);
}
