import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { nodeFileSystem } from "./node-file-system.js";

test("closing a file twice leaves alone whoever got its descriptor in the meantime", async () => {
  const directory = mkdtempSync(join(tmpdir(), "strandlog-files-"));
  try {
    const first = await nodeFileSystem.open(join(directory, "first"), "create");
    await first.close();
    const second = await nodeFileSystem.open(join(directory, "second"), "create");
    assert.equal(second.descriptor, first.descriptor, "the system gives the lowest number that is free");
    await first.close();
    await second.write([Buffer.from("still open")], 0);
    assert.equal(await second.size(), 10);
    await second.close();
  } finally {
    rmSync(directory, { recursive: true });
  }
});
