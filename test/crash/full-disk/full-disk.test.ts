import assert from "node:assert/strict";
import { test } from "node:test";
import { disks, runScenario } from "./full-disk.js";
import { scenarios } from "./scenarios.js";

const disk = disks();

for (const [name, { sentence }] of Object.entries(scenarios)) {
  test(`full disk: ${sentence}`, { skip: typeof disk === "string" && disk }, async () => {
    assert.ok(typeof disk !== "string");
    assert.equal(await runScenario(disk, name), undefined);
  });
}
