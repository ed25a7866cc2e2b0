// The results as a picture: a panel for each of a few workloads, a bar for each subject, ours in colour. SVG by hand,
// since it is nothing but rectangles and text.
import { figure } from "./report.js";
import type { Row } from "./rounds.js";
import { ours } from "./subjects.js";
import { wirePanels } from "./wire/panels.js";

const shown: readonly (readonly [workload: string, title: string])[] = [
  ["append 100 B durably, 1 in flight", "Durable appends a second, one after the other"],
  ["append 100 B durably, 256 in flight", "Durable appends a second, 256 in flight"],
  ["append 100 B durably, 4,096 in flight", "Durable appends a second, 4,096 in flight"],
  [
    "append 100 B durably to 10,000 partitions in turn, 256 in flight",
    "256 in flight, to 10,000 partitions in turn",
  ],
  ["durable batches of 1 MiB, one at a time", "Durable batches of 1 MiB, MB/s"],
  ["os durability, 256 B in batches of 256", "Batches of 64 KiB, not synced, MB/s"],
  ["queues: append, and delete what is done", "Queues: append, and delete what is done, records/s"],
  ["read records of 100 B", "Records of 100 B read a second"],
  ...wirePanels,
];

const width = 1040;
const columns = 2;
const panelWidth = width / columns;
const rowHeight = 20;
const titleHeight = 44;
const labelWidth = 170;
const valueWidth = 100;

export function chart(rows: readonly Row[], machine: string): string {
  const panels = shown
    .map(([workload, title]) => ({ title, bars: barsOf(rows, workload) }))
    .filter(({ bars }) => bars.length > 1);
  const tops: number[] = Array.from({ length: columns }, () => 30);
  const drawn = panels.map(({ title, bars }, index) => {
    const column = index % columns;
    const top = tops[column] as number;
    tops[column] = top + titleHeight + bars.length * rowHeight + 12;
    return panel(title, bars, column * panelWidth, top);
  });
  const height = Math.max(...tops) + 10;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12">`,
    "<title>Strandlog beside its peers, from the results of one run of the benchmark</title>",
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(16, 22, machine, "#57606a"),
    ...drawn,
    "</svg>",
    "",
  ].join("\n");
}

function barsOf(rows: readonly Row[], workload: string): { subject: string; value: number }[] {
  return rows
    .flatMap((row) =>
      row.workload === workload && row.value !== undefined
        ? [{ subject: row.subject, value: row.value }]
        : [],
    )
    .sort((left, right) => right.value - left.value);
}

function panel(
  title: string,
  bars: readonly { subject: string; value: number }[],
  left: number,
  top: number,
): string {
  const longest = Math.max(...bars.map(({ value }) => value));
  const space = panelWidth - labelWidth - valueWidth - 24;
  const lines = bars.map(({ subject, value }, index) => {
    const y = top + titleHeight + index * rowHeight;
    const isOurs = subject === ours;
    const length = Math.max(1, (value / longest) * space);
    const fill = isOurs ? "#d9480f" : "#8c959f";
    return [
      text(left + labelWidth + 8, y, subject, isOurs ? "#d9480f" : "#24292f", "end"),
      `<rect x="${left + labelWidth + 16}" y="${y - 11}" width="${length.toFixed(1)}" height="14" fill="${fill}"/>`,
      text(left + labelWidth + 22 + length, y, figure(value), "#24292f"),
    ].join("\n");
  });
  return [text(left + 16, top + 18, title, "#24292f", "start", true), ...lines].join("\n");
}

function text(x: number, y: number, content: string, fill: string, anchor = "start", isBold = false): string {
  const weight = isBold ? ' font-weight="600"' : "";
  const safe = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${x.toFixed(1)}" y="${y}" fill="${fill}" text-anchor="${anchor}"${weight}>${safe}</text>`;
}
