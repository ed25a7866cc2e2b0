// The crash lab: tries to break the engine by every means it knows and prints the score.
//
//   npm run crash                                       every row in full: about an hour on two cores
//   npm run crash -- --quick                            every row, within five minutes
//   npm run crash -- sim mutants                        some rows
//   npm run crash -- sim --seed 17                      with the lots of an earlier run
//   npm run crash -- sim --points 100000                as many crash points
//   npm run crash -- sim --replay "TEXT"                one case, as a violation has printed it
//   npm run crash -- --json FILE                        the table as data, too
//
// Exit code 1 when any promise was broken. What a machine cannot try is told as skipped, with the reason.
import { writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import type { Row, RowContext, RowResult } from "./row.js";
import { rows } from "./rows.js";
import { type Score, scoreLine, scoresAsJson, tableHead } from "./scorecard.js";

const violationsShown = 20;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: "boolean", default: false },
      json: { type: "string" },
      seed: { type: "string" },
      points: { type: "string" },
      replay: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return help();
  const chosen = positionals.map(rowOf);
  const points = values.points === undefined ? undefined : Number(values.points);
  if (points !== undefined && !(points >= 1))
    throw new Error(`--points takes a number, not ${values.points}`);
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new Error(`--seed takes a whole number, not ${values.seed}`);
  if (values.replay !== undefined && chosen.length !== 1)
    throw new Error("--replay is for one row: name it first");
  const mode = values.quick ? "quick" : "full";
  const scores: Score[] = [];
  for (const row of chosen.length > 0 ? chosen : rows) {
    const score = await runRow(row, { mode, seed, points, replay: values.replay });
    scores.push(score);
    tell(score);
  }
  console.log(`\n${tableHead}`);
  for (const score of scores) console.log(scoreLine(score));
  if (values.json !== undefined) await writeFile(values.json, scoresAsJson(scores, mode));
  const violations = scores.reduce((sum, score) => sum + score.violations.length, 0);
  console.log(
    violations === 0 ? "\nno promise was broken" : `\nFAILED: ${violations} violations, told above`,
  );
  return violations === 0 ? 0 : 1;
}

async function runRow(
  row: Row,
  options: Pick<RowContext, "mode" | "seed" | "points" | "replay">,
): Promise<Score> {
  const began = process.hrtime.bigint();
  const result = await row
    .run({ ...options, workers: availableParallelism(), progress: (text) => showProgress(row.name, text) })
    // A row that breaks has proved nothing: that is a violation too.
    .catch((error: Error): RowResult => ({ points: 0, violations: [`the row broke: ${error.stack}`] }));
  showProgress("", "");
  return { ...result, row, seed: options.seed, seconds: Number(process.hrtime.bigint() - began) / 1e9 };
}

/** One line at once, so that an hour's run can be followed. */
function tell(score: Score): void {
  const { row, violations, skipped, remark } = score;
  console.log(scoreLine(score));
  if (remark !== undefined) console.log(`    ${remark}`);
  if (skipped !== undefined) console.log(`    skipped: ${skipped}`);
  for (const violation of violations.slice(0, violationsShown)) console.log(`    VIOLATION ${violation}`);
  if (violations.length > violationsShown)
    console.log(`    … and ${violations.length - violationsShown} more`);
  if (violations.length > 0) console.log(`    again: npm run crash -- ${row.name} --seed ${score.seed}`);
}

function showProgress(name: string, text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${name}${text === "" ? "" : `: ${text}`}`);
}

function rowOf(name: string): Row {
  const row = rows.find((one) => one.name === name);
  if (row === undefined)
    throw new Error(`there is no row "${name}"; there are ${rows.map((one) => one.name).join(", ")}`);
  return row;
}

function help(): number {
  console.log("npm run crash -- [ROW…] [--quick] [--seed N] [--points N] [--json FILE] [--replay TEXT]\n");
  for (const { name, about } of rows) console.log(`  ${name.padEnd(12)}${about}`);
  console.log(
    "\nExamples: npm run crash -- --quick    npm run crash -- sim mutants --seed 7 --json score.json",
  );
  return 0;
}

process.exitCode = await main().catch((error: Error) => {
  console.error(error.message);
  return 2;
});
