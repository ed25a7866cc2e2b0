// A real full disk: the log on a file system of a few megabytes, filled until nothing more goes, then given space.
//
//   node test/dist/crash/full-disk.js [SCENARIO...]
//
// Needs Linux and the right to mount; says so and does nothing where that is missing. Exit code 1 when a promise was
// broken.
import { realpathSync } from "node:fs";
import { diskMegabytes } from "./room.js";
import { type Scenario, scenarios } from "./scenarios.js";
import { type SmallDisk, smallDisk } from "./small-disk.js";

const program: string = new URL("scenarios.js", import.meta.url).pathname;

/** Disks for the scenarios, or why there are none. */
export function disks(): SmallDisk | string {
  return smallDisk(diskMegabytes);
}

/** Undefined when all went well, otherwise what went wrong. */
export async function runScenario(disk: SmallDisk, name: string): Promise<string | undefined> {
  const { failed, said } = await disk.run(program, name);
  return failed ? said.trim() || "it ended without a word" : undefined;
}

async function main(wanted: readonly string[]): Promise<number> {
  const disk = disks();
  if (typeof disk === "string") {
    console.log(`skipped: ${disk}`);
    return 0;
  }
  let broken = 0;
  for (const name of wanted) {
    const { sentence } = scenarioOf(name);
    const problem = await runScenario(disk, name);
    console.log(`${problem === undefined ? "ok       " : "VIOLATION"} ${name}: ${sentence}`);
    if (problem === undefined) continue;
    broken++;
    console.log(problem.replaceAll(/^/gm, "    "));
  }
  console.log(`${wanted.length} scenarios, ${broken} violations`);
  return broken > 0 ? 1 : 0;
}

function scenarioOf(name: string): Scenario {
  const scenario = scenarios[name];
  if (scenario === undefined)
    throw new Error(`there is no scenario "${name}"; there are ${Object.keys(scenarios).join(", ")}`);
  return scenario;
}

if (process.argv[1] !== undefined && import.meta.filename === realpathSync(process.argv[1])) {
  const wanted = process.argv.slice(2);
  process.exitCode = await main(wanted.length > 0 ? wanted : Object.keys(scenarios));
}
