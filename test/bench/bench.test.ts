// The benchmark as a program: what it prints and keeps. How fast anything is, is no test's business.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../../../bench/dist/bench.js", import.meta.url));

interface Row {
  readonly workload: string;
  readonly subject: string;
  readonly unit: string;
  readonly value?: number;
  readonly limit?: number;
  readonly ratio?: number;
  readonly skipped?: string;
}

function bench(
  t: TestContext,
  ...args: string[]
): { status: number | null; said: string; rows: Row[]; files: string } {
  const files = mkdtempSync(join(tmpdir(), "strandlog-bench-test-"));
  t.after(() => rmSync(files, { recursive: true }));
  const json = join(files, "results.json");
  const kept = ["--json", json, "--chart", join(files, "chart.svg"), "--markdown", join(files, "page.md")];
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [program, ...args, "--rounds", "1", "--seconds", "0.05", "--directory", files, ...kept],
    { encoding: "utf8" },
  );
  assert.equal(status, 0, stderr);
  return {
    status,
    said: stdout,
    rows: (JSON.parse(readFileSync(json, "utf8")) as { rows: Row[] }).rows,
    files,
  };
}

test("a workload is measured beside the limit, and kept as rows, as a chart and as a page", (t) => {
  const { said, rows, files } = bench(t, "durably, 16 in flight", "--subjects", "strandlog");
  const [row] = rows;
  assert.ok(row !== undefined && rows.length === 1);
  assert.equal(row.subject, "strandlog");
  assert.equal(row.unit, "appends/s");
  assert.ok((row.value ?? 0) > 0 && (row.limit ?? 0) > 0);
  assert.ok(Math.abs((row.ratio ?? 0) - (row.value ?? 0) / (row.limit ?? 1)) < 1e-9);
  assert.match(said, /▸ strandlog/);
  assert.match(readFileSync(join(files, "chart.svg"), "utf8"), /^<svg .*<\/svg>\n$/s);
  assert.match(readFileSync(join(files, "page.md"), "utf8"), /durably, 16 in flight/);
});

test("a subject that cannot be measured is skipped, with the reason", (t) => {
  const { rows, said } = bench(t, "durably, 16 in flight", "--subjects", "hypercore");
  assert.equal(rows.length, 1);
  assert.equal(rows[0]?.value, undefined);
  assert.ok((rows[0]?.skipped ?? "").length > 0);
  assert.match(said, /hypercore +skipped/);
});

test("a workload with more than one figure has a row for each", (t) => {
  const { rows } = bench(t, "from append to follower", "--subjects", "strandlog");
  const name = "from append to follower, 100 B durably";
  assert.deepEqual(
    rows.map(({ workload }) => workload),
    [name, `${name}: p99`, `${name}: p99.9`],
  );
});

test("a broker is started, asked and looked at from outside", (t) => {
  const { rows, said } = bench(t, "wire, start", "--subjects", "strandlog");
  assert.deepEqual(
    rows.map(({ workload, unit }) => [workload, unit]),
    [
      ["wire, start", "ms"],
      ["wire, start: with 1,000 topics", "ms"],
      ["wire, start: memory with 1,000 idle topics", "MB"],
    ],
  );
  for (const { value } of rows) assert.ok((value ?? 0) > 0);
  assert.match(said, /start, to the first answer/);
});

test("a name that no workload has is told", () => {
  const { status, stderr } = spawnSync(process.execPath, [program, "no such workload"], { encoding: "utf8" });
  assert.notEqual(status, 0);
  assert.match(stderr, /no workload has such a name/);
});
