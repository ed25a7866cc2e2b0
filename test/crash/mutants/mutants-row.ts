// The row "mutants": bugs planted into the engine, and disks that lie. Each must be noticed.
import { runJobs } from "../jobs.js";
import type { Row, RowContext, RowResult } from "../row.js";
import { lies } from "../simulated/lying-disk.js";
import type { Mutant } from "./mutant.js";
import { mutants } from "./mutants.js";
import type { MutantJob, MutantOutcome } from "./mutants-worker.js";

const program = new URL("mutants-worker.js", import.meta.url);
const planting = new URL("plant.js", import.meta.url);
const timeMsMax = { quick: 20_000, full: 120_000 };
const messageCharacters = 90;

/** What is to be noticed. */
interface Case {
  readonly name: string;
  readonly mutant?: Mutant;
}

interface Finding extends MutantOutcome {
  readonly name: string;
  /** Set when there is no knowing whether it would be noticed. */
  readonly broken?: string;
}

export const mutantsRow: Row = {
  name: "mutants",
  points: "planted bugs",
  goal: 20,
  about: "bugs planted into the engine and disks that lie: each must be noticed",
  async run(context) {
    const cases = chosenCases(context.replay);
    const waiting = cases.values();
    const findings: Finding[] = [];
    await Promise.all(
      Array.from({ length: context.workers }, async () => {
        for (const one of waiting) {
          findings.push(await find(one, context));
          const noticed = findings.filter(isNoticed).length;
          context.progress(
            `${noticed} of ${findings.length} noticed, ${cases.length - findings.length} to go`,
          );
        }
      }),
    );
    return resultOf(findings, await unfounded(findings), context);
  },
};

function chosenCases(name: string | undefined): Case[] {
  const all: Case[] = [
    ...mutants.map((mutant) => ({ name: mutant.name, mutant })),
    ...Object.keys(lies).map((lie) => ({ name: lie })),
  ];
  const chosen = name === undefined ? all : all.filter((one) => one.name === name);
  if (chosen.length === 0) throw new Error(`there is no mutant "${name}"`);
  return chosen;
}

async function find({ name, mutant }: Case, { mode, seed }: RowContext): Promise<Finding> {
  const job: MutantJob = {
    mutant: mutant?.name,
    lie: mutant === undefined ? name : undefined,
    scenario: mutant?.scenario,
    seeds: mutant?.seed === undefined ? [] : [mutant.seed],
    from: seed,
    timeMsMax: timeMsMax[mode],
  };
  const execArgv = mutant === undefined ? [] : ["--import", `${planting.href}?${encodeURIComponent(name)}`];
  try {
    return { name, ...(await runOne(job, execArgv)) };
  } catch (error) {
    const { message } = error as Error;
    return { name, by: undefined, seed: undefined, message: "", histories: 0, crashes: 0, broken: message };
  }
}

/** Runs a job in a process of its own: what is planted stays for as long as the process lives. */
async function runOne(job: MutantJob, execArgv: readonly string[]): Promise<MutantOutcome> {
  const outcomes: MutantOutcome[] = [];
  const lifeMsMax = 2 * job.timeMsMax + 10_000;
  await runJobs<MutantJob, MutantOutcome>(
    program,
    [job],
    1,
    (outcome) => outcomes.push(outcome),
    execArgv,
    lifeMsMax,
  );
  return outcomes[0] as MutantOutcome;
}

/** The seeds that complain about the engine as it is, too: then they have noticed nothing. */
async function unfounded(findings: readonly Finding[]): Promise<MutantOutcome | undefined> {
  const seeds = [...new Set(findings.map(({ seed }) => seed).filter((seed) => seed !== undefined))];
  const job: MutantJob = {
    mutant: undefined,
    lie: undefined,
    scenario: undefined,
    seeds,
    from: undefined,
    timeMsMax: timeMsMax.full,
  };
  const outcome = await runOne(job, []);
  return outcome.by === undefined ? undefined : outcome;
}

function resultOf(
  findings: readonly Finding[],
  doubt: MutantOutcome | undefined,
  { mode, replay }: RowContext,
): RowResult {
  const missed = findings.filter((one) => !isNoticed(one));
  const violations = missed.map(({ name, broken, histories, crashes }) =>
    broken === undefined
      ? `nothing noticed that ${name}, in ${histories} histories with ${crashes} crashes`
      : `“${name}” could not be tried: ${broken}`,
  );
  if (doubt !== undefined) violations.push(`${doubt.by} complains without any mutant, too: ${doubt.message}`);
  const noticed = findings.filter(isNoticed);
  const hardest = noticed.reduce((most, { crashes }) => Math.max(most, crashes), 0);
  const summary = `${noticed.length} of ${findings.length} noticed, the hardest after ${hardest} crashes`;
  const table = mode === "full" || replay !== undefined ? noticed.map(lineOf) : [];
  return { points: findings.length, violations, remark: [summary, ...table].join("\n      ") };
}

function lineOf({ name, by, histories, message }: Finding): string {
  const text = message.replace(/^seed \d+: /, "").slice(0, messageCharacters);
  return `${name}: ${by}${histories > 1 ? `, the ${histories}th history` : ""}: ${text}`;
}

function isNoticed({ by }: Finding): boolean {
  return by !== undefined;
}
