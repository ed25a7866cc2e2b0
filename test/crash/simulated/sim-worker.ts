// Runs stretches of seeds in a process of their own, and makes small what fails.
import { serveJobs } from "../jobs.js";
import { caseText, runCase, shrink } from "./shrink.js";
import { callsMax, runHistory } from "./workload.js";

/** Seeds from `from` to before `to`; a crash before this share of the operations. */
export interface SimJob {
  readonly from: number;
  readonly to: number;
  readonly density: number;
}

export interface SimOutcome {
  readonly points: number;
  readonly histories: number;
  readonly records: number;
  readonly violations: readonly string[];
}

serveJobs(async ({ from, to, density }: SimJob): Promise<SimOutcome> => {
  let points = 0;
  let records = 0;
  const violations: string[] = [];
  for (let seed = from; seed < to; seed++) {
    try {
      const result = await runHistory(seed, { density });
      points += result.crashes;
      records += result.records;
    } catch (error) {
      violations.push(await explained(seed, density, error as Error));
    }
  }
  return { points, histories: to - from, records, violations };
});

/** With the command that shows it again. */
async function explained(seed: number, density: number, { message }: Error): Promise<string> {
  const [, lives = "0"] = /\(life (\d+)\)$/.exec(message) ?? [];
  const calls = Array.from({ length: (Number(lives) + 1) * callsMax }, (_, number) => number);
  const fails = (candidate: Parameters<typeof runCase>[0]): Promise<string | undefined> =>
    runCase(candidate, density);
  const found = await shrink(seed, calls, fails, () => performance.now());
  const text = found === undefined ? caseText({ seed, only: undefined }) : caseText(found.small);
  return `${found?.message ?? message}\n      npm run crash -- sim --replay "${text}"`;
}
