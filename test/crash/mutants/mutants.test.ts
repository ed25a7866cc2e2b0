import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { knownSeeds } from "./known-seeds.js";
import { plant, urlOf } from "./mutant.js";
import { mutants } from "./mutants.js";
import { scenarios } from "./scenarios.js";
import { cases } from "./search.js";

test("every mutant can be planted: what it alters is there exactly once, and is altered", () => {
  for (const mutant of mutants) {
    const source = readFileSync(fileURLToPath(urlOf(mutant.file)), "utf8");
    ok(!plant(mutant, source).startsWith(source), `${mutant.name} alters something`);
  }
});

test("a mutant whose place has gone, or is no longer the only one, is refused", () => {
  const mutant = { name: "m", promise: "I1", file: "f.js", find: "here", replace: "there" } as const;
  throws(() => plant(mutant, "gone"), /holds 0 times/);
  throws(() => plant(mutant, "here and here"), /holds 2 times/);
});

test("mutants are told apart by their names", () => {
  equal(new Set(mutants.map(({ name }) => name)).size, mutants.length);
});

test("seeds are known only of what there is", () => {
  const names = new Set(cases.map(({ name }) => name));
  deepEqual(
    Object.keys(knownSeeds).filter((name) => !names.has(name)),
    [],
  );
});

for (const [name, scenario] of Object.entries(scenarios)) test(name, scenario);
