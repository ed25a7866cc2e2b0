// kill -9 under load, the oracle in this process, the log in another:
//
//   node test/dist/crash/kill9.js [--kills 1000] [--seed S] [--keep DIR]   a writer killed at random moments
//   node test/dist/crash/kill9.js --pipe [--kills 20] [--megabytes 100]    the command line, fed with a real file
//   node test/dist/crash/kill9.js --quick                                  a little of both, within a minute
//
// Exit code 1 when anything acknowledged is lost, doubled, out of order, changed, or anything invented or deleted is
// there. --keep leaves the log, closed cleanly, for other readers; after a failure it is left in any case.
import { realpathSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Totals } from "./crash-run.js";
import { killUnderLoad } from "./kill-rounds.js";
import { killThePipe } from "./pipe.js";

function report(name: string, { kills, acknowledged, seconds, problems }: Totals): void {
  const lost = problems.filter((problem) => problem.includes("LOST")).length;
  for (const problem of problems.slice(0, 40)) console.log(`  VIOLATION ${problem}`);
  console.log(
    `${name}: ${kills} kills, ${acknowledged.toLocaleString("en")} acknowledged, lost ${lost === 0 ? 0 : `in ${lost} places`}, ` +
      `${problems.length} violations, ${seconds.toFixed(1)} s`,
  );
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      kills: { type: "string" },
      megabytes: { type: "string" },
      seed: { type: "string" },
      keep: { type: "string" },
      quick: { type: "boolean", default: false },
      pipe: { type: "boolean", default: false },
    },
  });
  const { quick, pipe, keep } = values;
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
  const megabytes = Number(values.megabytes ?? (pipe ? 100 : 8));
  const root = keep ?? (await mkdtemp(join(tmpdir(), "strandlog-kill9-")));
  await mkdir(root, { recursive: true });
  const run = { seed, say: (line: string) => console.log(line) };
  console.log(`seed ${seed}, in ${root}`);
  let violations = 0;
  if (!pipe) {
    const kills = Number(values.kills ?? (quick ? 40 : 1000));
    const totals = await killUnderLoad({ ...run, directory: join(root, "load"), kills });
    report("under load", totals);
    violations += totals.problems.length;
  }
  if (pipe || quick) {
    const kills = Number((pipe ? values.kills : undefined) ?? (quick ? 4 : 20));
    const totals = await killThePipe({ ...run, directory: join(root, "pipe"), kills }, megabytes);
    report("through the pipe", totals);
    violations += totals.problems.length;
  }
  if (violations > 0) console.log(`FAILED; repeat with --seed ${seed}; the log is left in ${root}`);
  else if (keep === undefined) await rm(root, { recursive: true });
  return violations > 0 ? 1 : 0;
}

if (process.argv[1] !== undefined && import.meta.filename === realpathSync(process.argv[1])) {
  process.exitCode = await main();
}
