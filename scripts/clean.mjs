// Removes all that a build leaves behind.
import { rmSync } from "node:fs";

for (const dir of [
  "packages/log",
  "packages/protocol",
  "packages/strandlog",
  "test",
  "bench",
  "demo",
  "examples",
]) {
  rmSync(`${dir}/dist`, { recursive: true, force: true });
}
