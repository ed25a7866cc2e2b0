// The table that `npm run crash` prints, and its lines as data.
import { cpus, release, type as systemName, totalmem } from "node:os";
import type { Row, RowResult } from "./row.js";

export interface Score extends RowResult {
  readonly row: Row;
  readonly seconds: number;
  readonly seed: number;
}

const widths = [12, 14, 26, 12, 10, 12];

export const tableHead: string = line(["row", "points", "", "violations", "time", "seed"]);

export function scoreLine({ row, points, violations, skipped, seconds, seed }: Score): string {
  const tried = points === 0 && skipped !== undefined ? "skipped" : points.toLocaleString("en");
  return line([row.name, tried, row.points, `${violations.length}`, timeText(seconds), `${seed}`]);
}

export function scoresAsJson(scores: readonly Score[], mode: string): string {
  const machine = {
    node: process.version,
    system: `${systemName()} ${release()}`,
    processors: cpus().map(({ model }) => model),
    memoryBytes: totalmem(),
  };
  const rows = scores.map(({ row, ...score }) => ({
    row: row.name,
    unit: row.points,
    goal: row.goal ?? null,
    ...score,
  }));
  return `${JSON.stringify({ date: new Date().toISOString(), mode, machine, rows }, null, 2)}\n`;
}

function line(cells: readonly string[]): string {
  return cells
    .map((cell, index) =>
      index === 2 || index === 0 ? cell.padEnd(widths[index] ?? 0) : cell.padStart(widths[index] ?? 0),
    )
    .join("  ");
}

function timeText(seconds: number): string {
  return seconds < 100 ? `${seconds.toFixed(1)} s` : `${(seconds / 60).toFixed(1)} min`;
}
