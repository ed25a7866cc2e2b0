// A compaction that is interrupted at every step of its way to the disk, whatever happens besides, leaves what was there
// before or what is there afterwards, and of each key its latest record.
import { ok } from "node:assert/strict";
import { test } from "node:test";
import type { CrashKind } from "@strandlog/log/testing";
import { type Besides, interruptCompaction } from "./compaction-story.js";

const names: Readonly<Record<Besides, string>> = {
  nothing: "a compaction",
  others: "a compaction beside appends, reads and deletions",
  deletion: "a compaction beside a deletion of what it compacts",
  another: "a compaction of what another one has left",
  failure: "a compaction whose checkpoint fails at first",
};

for (const besides of Object.keys(names) as Besides[]) {
  for (const kind of ["power", "process"] satisfies CrashKind[]) {
    test(`${names[besides]} survives a ${kind} failure at any step`, async () => {
      const steps = await interruptCompaction(kind, besides, Number(process.env["SEEDS"] ?? 1));
      ok(steps > 50, `${steps} steps are too few to be a compaction`);
    });
  }
}
