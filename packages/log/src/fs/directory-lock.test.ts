import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { lockDirectory } from "./directory-lock.js";

test("a directory that cannot be opened is refused with an error of the log", async () => {
  await assert.rejects(lockDirectory(join(tmpdir(), "strandlog-lock-missing")), {
    name: "LogError",
    code: "IO",
  });
});

test("a lock whose announcement cannot be removed is let go of all the same", async () => {
  const directory = mkdtempSync(join(tmpdir(), "strandlog-lock-"));
  try {
    const lock = await lockDirectory(directory);
    const [name] = readdirSync(directory);
    assert.ok(name !== undefined);
    // What stands there now cannot be removed as a file is.
    rmSync(join(directory, name));
    mkdirSync(join(directory, name));
    await lock.release();
    const next = await lockDirectory(directory);
    await next.release();
  } finally {
    rmSync(directory, { recursive: true });
  }
});
