// npm run bench: every workload several times in turn, medians, and beside each the raw disk's figure from the same run.
//   --rounds N (3)  --seconds N (2)  --only TEXT  --json FILE  --directory DIR (a new one below the system's temporary one)
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Measurement, workloads } from "./workloads.js";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "2" },
    only: { type: "string", default: "" },
    json: { type: "string" },
    directory: { type: "string" },
  },
});

const base = options.directory ?? mkdtempSync(join(tmpdir(), "strandlog-bench-"));
const chosen = workloads.filter(({ name }) => name.includes(options.only));
const measured = new Map<string, Measurement[]>(chosen.map(({ name }) => [name, []]));
const machine = `${cpus().length} × ${cpus()[0]?.model}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}`;

process.stdout.write(`${machine}\n${options.rounds} rounds in turn, medians [least … most]\n\n`);
try {
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const workload of chosen) {
      if (process.stderr.isTTY) process.stderr.write(`\r\u001b[Kround ${round + 1}: ${workload.name}`);
      measured.get(workload.name)?.push(await workload.run(join(base, "log"), Number(options.seconds)));
    }
  }
} finally {
  if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
  if (options.directory === undefined) rmSync(base, { recursive: true, force: true });
}

const report = chosen.map(({ name, unit, against }) => {
  const rounds = measured.get(name) ?? [];
  const sorted = (pick: (measurement: Measurement) => number): number[] =>
    rounds.map(pick).sort((a, b) => a - b);
  const own = sorted(({ value }) => value);
  const ratio = median(sorted(({ value, raw }) => value / raw));
  return {
    name,
    unit,
    against,
    median: median(own),
    least: own[0] ?? 0,
    most: own.at(-1) ?? 0,
    raw: median(sorted(({ raw }) => raw)),
    ratio,
  };
});
for (const row of report) {
  const range = `[${figure(row.least)} … ${figure(row.most)}]`;
  process.stdout.write(`${row.name}\n  ${figure(row.median)} ${row.unit} ${range}\n`);
  process.stdout.write(`  raw disk ${figure(row.raw)} (${row.against}), ratio ${row.ratio.toFixed(2)}\n`);
}
if (options.json !== undefined) {
  writeFileSync(
    options.json,
    `${JSON.stringify({ machine, date: new Date().toISOString(), options, report }, null, 2)}\n`,
  );
}

function median(sorted: readonly number[]): number {
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

function figure(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en-US") : value.toFixed(1);
}
