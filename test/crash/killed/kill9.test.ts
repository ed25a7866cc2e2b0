import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { killUnderLoad } from "./kill-rounds.js";

test("a writer that is killed five times loses nothing it acknowledged", async (context) => {
  const directory = mkdtempSync(join(tmpdir(), "strandlog-kill9-"));
  const seed = 4; // Its first kill waits for a record.
  const say = (line: string): void => context.diagnostic(line);
  say(`seed ${seed}`);
  const { problems, acknowledged } = await killUnderLoad({ directory, kills: 5, seed, say });
  assert.deepEqual(problems, [], `repeat with --seed ${seed}; the log is left in ${directory}`);
  assert.ok(acknowledged > 0);
  rmSync(directory, { recursive: true });
});
