#!/usr/bin/env node
// Stands still so that npm can link it before anything is built.
import { existsSync } from "node:fs";

const main = new URL("../dist/cli/main.js", import.meta.url);
if (existsSync(main)) await import(main.href);
else {
  console.error("strandlog: it has not been built yet: run npm run build first");
  process.exitCode = 1;
}
