// The row "diskfull": each scenario on a real file system of a few megabytes.
import type { Row } from "../row.js";
import { disks, runScenario } from "./full-disk.js";
import { scenarios } from "./scenarios.js";

export const fullDiskRow: Row = {
  name: "diskfull",
  points: "scenarios",
  about: "a real full disk: appends wait, all is readable, deletion works, all resumes",
  async run({ progress }) {
    const disk = disks();
    if (typeof disk === "string") return { points: 0, violations: [], skipped: disk };
    const violations: string[] = [];
    const names = Object.keys(scenarios);
    for (const name of names) {
      progress(name);
      const problem = await runScenario(disk, name);
      if (problem !== undefined) violations.push(`${name}: ${problem}`);
    }
    return { points: names.length, violations };
  },
};
