import assert from "node:assert/strict";
import { test } from "node:test";
import { disks, runScenario } from "./full-disk.js";
import { scenarios } from "./scenarios.js";

const disk = disks();

for (const [name, { sentence, knownBug }] of Object.entries(scenarios)) {
  const options = {
    skip: typeof disk === "string" && disk,
    ...(knownBug === undefined ? {} : { todo: knownBug }),
  };
  test(`full disk: ${sentence}`, options, async () => {
    assert.ok(typeof disk !== "string");
    assert.equal(await runScenario(disk, name), undefined);
  });
}
