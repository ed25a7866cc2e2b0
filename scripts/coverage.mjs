// Runs the tests of journal, checkpoint and recovery with V8's coverage and demands that every branch of them was taken:
// `npm run coverage`. Asserts are calls, so the branch that a broken invariant would take is not among them. Give it
// a directory of coverage files to have those judged instead: `npm run coverage -- DIRECTORY`.
//
// What V8 counts are blocks: of an `if` without `else` only the one that there is.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { SourceMap } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const engine = "packages/log/dist";

const tests = [
  ...testsIn(`${engine}/journal`),
  ...testsIn(`${engine}/checkpoint`),
  ...testsIn(`${engine}/storage/file`),
  ...[
    "face/append",
    "face/checkpoint-races",
    "face/compaction",
    "face/compaction-trouble",
    "face/topics",
    "face/transaction",
    "open",
  ].map((name) => `${engine}/${name}.test.js`),
  ...["crash-scenarios", "workload"].map((name) => `test/dist/crash/simulated/${name}.test.js`),
];

const measured = [
  ...modulesIn(`${engine}/journal`),
  ...modulesIn(`${engine}/checkpoint`),
  `${engine}/storage/file/open-file-storage.js`,
];

function testsIn(directory) {
  return readdirSync(directory)
    .filter((name) => name.endsWith(".test.js"))
    .map((name) => `${directory}/${name}`);
}

function modulesIn(directory) {
  return readdirSync(directory)
    .filter((name) => name.endsWith(".js") && !/\.test\.js$|^index\.js$/.test(name))
    .map((name) => `${directory}/${name}`);
}

function runTests(directory) {
  // The histories on lying disks prove that the tests bite; they cover nothing else.
  const options = ["--test", "--test-concurrency=2", "--test-name-pattern=/^(?!it is noticed when)/"];
  const env = { ...process.env, NODE_V8_COVERAGE: directory };
  const limits = { encoding: "utf8", maxBuffer: 256 * 1024 * 1024 };
  const { status, stdout } = spawnSync(process.execPath, [...options, ...tests], { env, ...limits });
  if (status === 0) return;
  for (const [failure] of stdout.matchAll(/^ *not ok .*(\n(?!# Subtest|ok |not ok ).*){0,40}/gm))
    console.error(failure);
  console.error("the tests failed: there is nothing to measure");
  process.exit(1);
}

/** What each process says of the measured files: by their address, lists of functions. */
function readReports(directory) {
  const reports = new Map(measured.map((file) => [pathToFileURL(resolve(file)).href, []]));
  for (const name of readdirSync(directory)) {
    const { result } = JSON.parse(readFileSync(join(directory, name), "utf8"));
    for (const { url, functions } of result) reports.get(url)?.push(functions);
  }
  return reports;
}

/** For each character whether any process ran it; and how many blocks there are. */
function judge(code, processes) {
  const isCovered = new Uint8Array(code.length);
  const blocks = new Set();
  for (const functions of processes) {
    const isRun = new Uint8Array(code.length);
    const ranges = functions.flatMap((one) => one.ranges);
    // Ranges lie within each other; the innermost one counts.
    ranges.sort((left, right) => right.endOffset - right.startOffset - (left.endOffset - left.startOffset));
    for (const { startOffset, endOffset, count } of ranges) {
      isRun.fill(count > 0 ? 1 : 0, startOffset, endOffset);
      blocks.add(`${startOffset} ${endOffset}`);
    }
    for (let at = 0; at < code.length; at++) isCovered[at] |= isRun[at];
  }
  return { isCovered, blocks: blocks.size };
}

/** Stretches that nobody ran and that hold more than brackets and comments. */
function uncovered(code, isCovered) {
  const stretches = [];
  for (let at = 0; at < code.length; at++) {
    if (isCovered[at]) continue;
    const start = at;
    while (at < code.length && !isCovered[at]) at++;
    const text = code.slice(start, at);
    const rest = text.replace(/\/\/.*$/gm, "").replace(/[\s{}();,]/g, "");
    if (rest !== "") stretches.push({ start: start + text.search(/[^\s{}();,]/), text });
  }
  return stretches;
}

/** Where it stands in the TypeScript source. */
function placeOf(file, code, position) {
  const map = new SourceMap(JSON.parse(readFileSync(`${file}.map`, "utf8")));
  const before = code.slice(0, position).split("\n");
  const { originalLine = 0 } = map.findEntry(before.length - 1, before.at(-1).length);
  return originalLine + 1;
}

const given = process.argv[2];
const directory = given ?? mkdtempSync(join(tmpdir(), "strandlog-coverage-"));
if (given === undefined) runTests(directory);
const missing = [];
const line = (...cells) =>
  console.log(cells.map((cell, n) => (n === 0 ? `${cell}`.padEnd(52) : `${cell}`.padStart(12))).join(""));
line("file", "blocks", "not covered", "covered");
for (const [url, processes] of readReports(directory)) {
  const file = measured.find((one) => url.endsWith(one));
  const code = readFileSync(file, "utf8");
  const { isCovered, blocks } = judge(code, processes);
  const stretches = uncovered(code, isCovered);
  const source = file.replace("/dist/", "/src/").replace(/\.js$/, ".ts");
  const share = (100 * (blocks - stretches.length)) / Math.max(blocks, 1);
  line(source, blocks, stretches.length, `${share.toFixed(1)} %`);
  for (const { start, text } of stretches)
    missing.push(`${source}:${placeOf(file, code, start)}: ${text.trim().split("\n")[0].slice(0, 90)}`);
}
if (given === undefined) rmSync(directory, { recursive: true });
for (const place of missing) console.log(`not covered: ${place}`);
console.log(
  missing.length === 0 ? "\nevery branch is covered" : `\n${missing.length} branches are not covered`,
);
process.exitCode = missing.length === 0 ? 0 : 1;
