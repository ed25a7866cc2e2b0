// Kafka's producers, killed at every step on the way to the disk.
import { ok } from "node:assert/strict";
import { test } from "node:test";
import type { CrashKind } from "@strandlog/log/testing";
import { interruptProducer } from "./producer-story.js";

for (const kind of ["power", "process"] satisfies CrashKind[]) {
  test(`a ${kind} failure at any step loses and doubles nothing of a producer's`, async () => {
    const steps = await interruptProducer(kind, 4);
    ok(steps > 50, `${steps} steps are too few for the life of a producer`);
  });
}
