// Runs the compiled tests, two files at a time, and prints the totals last. Options go to `node --test`; any other
// argument selects the files whose path holds it: `npm test -- journal --test-name-pattern=torn`.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The sources decide which tests there are, so that what an old build left behind is never run. */
function compiledTests(sourceDir, compiledDir) {
  return readdirSync(sourceDir, { recursive: true })
    .filter((file) => file.endsWith(".test.ts") && !file.startsWith("dist"))
    .map((file) => join(compiledDir, file.replace(/\.ts$/, ".js")));
}

const args = process.argv.slice(2);
const options = args.filter((arg) => arg.startsWith("-"));
const parts = args.filter((arg) => !arg.startsWith("-"));
const files = [
  ...["log", "protocol", "broker", "strandlog"].flatMap((name) =>
    compiledTests(`packages/${name}/src`, `packages/${name}/dist`),
  ),
  ...compiledTests("test", "test/dist"),
].filter((file) => parts.every((part) => file.includes(part)));

if (files.length === 0) {
  console.error("no test files match");
  process.exit(1);
}

const dir = mkdtempSync(join(tmpdir(), "strandlog-test-"));
const tap = join(dir, "results.tap");
const { status } = spawnSync(
  process.execPath,
  [
    "--test",
    "--test-concurrency=2",
    "--test-reporter=spec",
    "--test-reporter-destination=stdout",
    "--test-reporter=tap",
    `--test-reporter-destination=${tap}`,
    ...options,
    ...files.sort(),
  ],
  { stdio: "inherit" },
);

// The spec reporter prints its totals before the details of failures; only the last lines are sure to be seen.
const totals = readFileSync(tap, "utf8").match(/^# (tests|pass|fail|cancelled|skipped|todo) \d+$/gm) ?? [];
console.log(`\nNode ${process.version}, ${files.length} files\n${totals.join("\n")}`);
rmSync(dir, { recursive: true });
process.exitCode = status ?? 1;
