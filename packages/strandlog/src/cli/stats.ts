// strandlog stats: what there is, and where.
import { readdirSync, statSync } from "node:fs";
import type { LogStats } from "@strandlog/log";
import { Command } from "commander";
import { Output, styled, table } from "./output.js";
import { type GlobalOptions, globalOptions, openForReading, withLog } from "./session.js";
import { totals } from "./topics.js";
import { bytesText, countText } from "./units.js";

const help = `
The figures are those of the directory. What a running process counts (syncs, groups, latencies) it tells itself: log.stats().

Examples:
  $ strandlog stats
  $ strandlog stats --json
`;

export function statsCommand(): Command {
  return new Command("stats")
    .description("figures of the log, its topics and partitions")
    .addHelpText("after", help)
    .action((_: unknown, command: Command) => stats(globalOptions(command)));
}

async function stats({ data, json }: GlobalOptions): Promise<void> {
  const figures = await withLog(openForReading(data), (log) => log.stats());
  const journalBytes = sizeOfFiles(`${data}/journal`);
  const output = new Output();
  output.text(json ? `${JSON.stringify(asJson(figures, journalBytes))}\n` : inWords(figures, journalBytes));
  await output.flush();
}

function asJson({ topics, storage }: LogStats, journalBytes: number): object {
  const { tailBytes, segmentBytes } = storage;
  return {
    topics: topics.map((topic) => ({ ...topic, totals: totals(topic) })),
    tailBytes,
    segmentBytes,
    journalBytes,
  };
}

function inWords({ topics, storage }: LogStats, journalBytes: number): string {
  const all = topics.map(totals);
  const sum = (pick: (total: (typeof all)[number]) => number): number =>
    all.reduce((before, total) => before + pick(total), 0);
  const lines = [
    ["topics", countText(topics.length)],
    ["partitions", countText(sum(({ partitions }) => partitions))],
    ["records", countText(sum(({ records }) => records))],
    ["in segments", bytesText(storage.segmentBytes)],
    ["in the journal only", bytesText(storage.tailBytes)],
    ["journal files", bytesText(journalBytes)],
  ].map(([name = "", value]) => `${styled("bold", name.padEnd(20))} ${value}\n`);
  const rows = topics.flatMap(({ name, partitions }) =>
    partitions.map((partition) => [
      name,
      partition.partition,
      partition.highWatermark - partition.logStartOffset,
      partition.logStartOffset,
      partition.highWatermark,
      partition.segmentCount,
      partition.segmentBytes,
      partition.tailBytes,
    ]),
  );
  const headings = [
    "TOPIC",
    "PARTITION",
    "RECORDS",
    "START",
    "END",
    "SEGMENTS",
    "SEGMENT BYTES",
    "TAIL BYTES",
  ];
  return `${lines.join("")}\n${table(headings, rows)}`;
}

/** Files may come and go while they are being looked at. */
function sizeOfFiles(directory: string): number {
  let bytes = 0;
  for (const name of readdirSync(directory, { recursive: false }) as string[]) {
    bytes += statSync(`${directory}/${name}`, { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes;
}
