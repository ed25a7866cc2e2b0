// Searches for the seeds in known-seeds.ts anew: `npm run build && node test/dist/crash/mutants/note-seeds.js`.
import { readFile, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { cases, search } from "./search.js";

const file = new URL("../../../crash/mutants/known-seeds.ts", import.meta.url);
const computeMsMax = 300_000;

const seeds = new Map<string, number>();
await search(cases, {
  workers: availableParallelism(),
  from: 1,
  usesKnownSeeds: false,
  computeMsMax,
  found: ({ name, by, seed, message, broken }) => {
    console.log(`${by ?? "NOTHING"}: ${name}: ${broken ?? message}`);
    if (seed !== undefined) seeds.set(name, seed);
  },
});
const lines = [...seeds].sort(([left], [right]) => (left < right ? -1 : 1));
const table = lines.map(([name, seed]) => `  ${JSON.stringify(name)}: ${seed},\n`).join("");
const [head = ""] = (await readFile(file, "utf8")).split(" = {");
await writeFile(file, `${head} = {\n${table}};\n`);
