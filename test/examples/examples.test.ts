// The programs of examples/ as people run them. They check themselves; their claims are what is looked at here.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

const programs = resolve(import.meta.dirname, "../../../examples/dist");

const claims = {
  "a-message-log": [
    "published: number 0, known at once",
    "completed: it is on the disk",
    "discovered: asked for message 0, the log answers that 120 is next",
    'the group "mailer" holds the rest',
    "cleaned up: ",
    "the log cleans up by itself, in the background",
  ],
  "b-partitioned-store": [
    "each user's clicks are all in one partition, in order",
    "sent over TCP as raw slices and decoded there: the same records",
    "sent from the segment file by its descriptor: the same records",
  ],
  "c-many-queues": [
    "1,000 queues are made, and listed",
    "20,000 records on the disk took ",
    "position 20 again: nothing is written, and the receipt says so",
    "position 3 is past: refused with OFFSET_OUT_OF_RANGE",
    "position 100 leaves a gap",
    "two records as one",
    "journal files that no queue needs go",
    "the queue goes on at position 103",
  ],
  "d-log-service": [
    "GET /250: ",
    "GET /?since=",
    "GET /?from=500&follow=yes: waits for event 500",
    "segments roll",
    "old ones go",
  ],
  "e-key-store": [
    "they have ended all the same",
    "the two stores are the same, byte for byte",
    "every key has all its lines, in order, each once",
  ],
};

function run(program: string, ...args: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(programs, `${program}.js`), ...args], {
    encoding: "utf8",
  });
  return { status, output: stdout + stderr };
}

for (const [program, expected] of Object.entries(claims)) {
  test(`examples/${program}.ts does what it claims`, () => {
    const { status, output } = run(program);
    assert.equal(status, 0, output);
    const ticked = output.split("\n").filter((line) => line.startsWith("  ✓ "));
    for (const claim of expected)
      assert.ok(
        ticked.some((line) => line.includes(claim)),
        `${claim}\n${output}`,
      );
    assert.ok(!output.includes("✗"), output);
  });
}

test("an example works in the directory it is given, keeps it, and refuses one that is not empty", (t) => {
  const parent = mkdtempSync(join(tmpdir(), "strandlog-test-"));
  t.after(() => rmSync(parent, { recursive: true, force: true }));
  const directory = join(parent, "new");
  assert.equal(run("b-partitioned-store", directory).status, 0);
  assert.ok(readdirSync(directory).includes("journal"));
  const { status, output } = run("b-partitioned-store", directory);
  assert.equal(status, 2);
  assert.match(output, /is not empty/);
});

test("an example whose claim does not come true fails", () => {
  const stage = JSON.stringify(pathToFileURL(join(programs, "stage.js")));
  const code = `import { claim } from ${stage}; claim("water is wet", true); claim("water is dry", false);`;
  const { status, stdout } = spawnSync(process.execPath, ["--input-type=module", "--eval", code], {
    encoding: "utf8",
  });
  assert.equal(status, 1);
  assert.equal(stdout, "  ✓ water is wet\n  ✗ water is dry\n");
});
