// npm run bench: every workload, Strandlog beside its peers and the physical limit, in one run. `--help` tells how.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chart } from "./chart.js";
import { verdicts } from "./goals.js";
import { type Kept, markdown } from "./markdown.js";
import { goalTable, machine, table } from "./report.js";
import { measure, type Row } from "./rounds.js";
import { kafkaClasspathFile, subjects } from "./subjects.js";
import { wirePrefix, wireWorkloads } from "./wire/workloads.js";
import { workloads } from "./workloads.js";

const help = `npm run bench -- [TEXT...] [options]

Runs the workloads whose name contains one of the texts, or all of them but those on the wire: "wire" names these.

  --quick            the most telling workloads, one short round: a few minutes
  --rounds N         how often each is run; default 3
  --seconds N        how long each takes; default 2
  --subjects A,B     only these: ${subjects.map(({ name }) => name).join(", ")}
  --json FILE        keeps the results: an object for each workload and subject
  --chart FILE       draws the results, as SVG
  --markdown FILE    writes them down as a page
  --from FILE        no run: takes the results that were kept there
  --directory DIR    where data goes; default: a new one below the system's temporary directory
  --prepare          installs and builds the peers first: needs npm, and for some Cargo or Go

  npm run bench -- --quick --json results.json
  npm run bench -- wire --rounds 3
  npm run bench -- "4,096 in flight" --subjects strandlog,lmdb --rounds 5
`;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    help: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    prepare: { type: "boolean", default: false },
    rounds: { type: "string" },
    seconds: { type: "string" },
    subjects: { type: "string" },
    json: { type: "string" },
    chart: { type: "string" },
    markdown: { type: "string" },
    from: { type: "string" },
    directory: { type: "string" },
  },
});

if (options.help) process.stdout.write(help);
else {
  if (options.prepare) prepare();
  const kept =
    options.from === undefined ? await run() : (JSON.parse(readFileSync(options.from, "utf8")) as Kept);
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(kept, null, 2)}\n`);
  if (options.chart !== undefined) writeFileSync(options.chart, chart(kept.rows, kept.machine));
  if (options.markdown !== undefined)
    writeFileSync(options.markdown, markdown(kept, basename(options.chart ?? "performance.svg")));
}

async function run(): Promise<Kept> {
  const base = options.directory ?? tmpdir();
  const directory = mkdtempSync(join(base, "strandlog-bench-"));
  const only = options.subjects?.split(",");
  const wants = (name: string): boolean =>
    positionals.length === 0 ? !name.startsWith(wirePrefix) : positionals.some((text) => name.includes(text));
  const chosen = [...workloads, ...wireWorkloads].filter(
    ({ name, isQuick }) => wants(name) && (!options.quick || isQuick === true),
  );
  if (chosen.length === 0) throw new Error("no workload has such a name: see --help");
  const rows: Row[] = [];
  process.stdout.write(`${machine()}\n\n`);
  try {
    for (const workload of chosen) {
      const measured = await measure(workload, {
        rounds: Number(options.rounds ?? (options.quick ? 1 : 3)),
        seconds: Number(options.seconds ?? (options.quick ? 0.7 : 2)),
        directory,
        wants: (subject) => only?.includes(subject) ?? true,
        progress: (text) => {
          if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
        },
      });
      if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
      rows.push(...measured);
      process.stdout.write(`${table(workload, measured)}\n`);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  process.stdout.write(goalTable(verdicts(rows)));
  const command = [
    "npm run bench",
    ...(process.argv.length > 2 ? ["--", ...process.argv.slice(2)] : []),
  ].join(" ");
  return { machine: machine(), date: new Date().toISOString(), command, rows };
}

/** Whoever lacks the tool goes without those peers: they are skipped later, with the reason. */
function prepare(): void {
  const steps: [string, string, string[]][] = [
    ["node", "npm", ["install", "--no-audit", "--no-fund"]],
    ["node", "npm", ["run", "prepare-peers"]],
    ["rust", "cargo", ["build", "--release"]],
    ["go", "go", ["build", "-o", "peer", "."]],
    [
      "kafka",
      "mvn",
      ["--quiet", "--batch-mode", "dependency:build-classpath", `-Dmdep.outputFile=${kafkaClasspathFile}`],
    ],
  ];
  for (const [language, command, args] of steps) {
    const directory = fileURLToPath(new URL(`../peers/${language}`, import.meta.url));
    const { status, error } = spawnSync(command, args, { cwd: directory, stdio: "inherit" });
    if (status !== 0)
      process.stdout.write(`${command} in peers/${language}: ${error?.message ?? `exit code ${status}`}\n`);
  }
}
