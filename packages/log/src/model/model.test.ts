// Random histories through the public API, each answer compared with a model of arrays and numbers. A failure prints
// its seed and the shortest history that still fails; SEED=… repeats the run.
import { test } from "node:test";
import fc from "fast-check";
import { type DriverName, temporaryDirectory } from "../test-support.js";
import { logOptions, topicConfig } from "./arbitraries.js";
import { commands } from "./commands.js";
import { LogUnderTest } from "./log-under-test.js";
import { Model } from "./model.js";
import { adopt } from "./topic-commands.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
const runs: readonly (readonly [DriverName, number])[] = [
  ["memory", 200],
  ["file", 40],
];

for (const [driver, numRuns] of runs) {
  test(`${driver}: whatever is done to a log, it answers as its model does`, async (t) => {
    const directory = temporaryDirectory(t);
    let count = 0;
    const property = fc.asyncProperty(
      fc.commands(commands, { maxCommands: 150, size: "max" }),
      topicConfig,
      logOptions,
      async (history, config, options) => {
        const location = driver === "memory" ? "memory:" : `${directory}/${count++}`;
        const log = await LogUnderTest.open(location, options);
        const model = new Model();
        adopt(model, log, await log.log.topic("a", config), config);
        try {
          await fc.asyncModelRun(() => ({ model, real: log }), history);
          await log.close();
        } catch (error) {
          await log.log.close();
          throw error;
        }
      },
    );
    await fc.assert(property, { seed, numRuns });
  });
}
