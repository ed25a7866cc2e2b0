// The row "mutants": bugs planted into the engine, and disks that lie. Each must be noticed.
import { runJobs } from "../jobs.js";
import type { Row, RowContext, RowResult } from "../row.js";
import { lies } from "../simulated/lying-disk.js";
import type { Mutant } from "./mutant.js";
import { mutants } from "./mutants.js";
import type { MutantJob, MutantOutcome } from "./mutants-worker.js";
import type { ScenarioName } from "./scenarios.js";

const program = new URL("mutants-worker.js", import.meta.url);
const planting = new URL("plant.js", import.meta.url);
const computeMsMax = { quick: 20_000, full: 120_000 };
const messageCharacters = 90;

const nothingFound: MutantOutcome = { by: undefined, seed: undefined, message: "", histories: 0, crashes: 0 };

/** Without any bug, and without searching on. */
const healthy = {
  mutant: undefined,
  lie: undefined,
  from: undefined,
  computeMsMax: computeMsMax.full,
} as const;

/** What is to be noticed. */
interface Case {
  readonly name: string;
  readonly mutant?: Mutant;
}

interface Finding extends MutantOutcome {
  readonly name: string;
  readonly scenario: ScenarioName | undefined;
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
    computeMsMax: computeMsMax[mode],
  };
  const execArgv = mutant === undefined ? [] : ["--import", `${planting.href}?${encodeURIComponent(name)}`];
  const { scenario } = job;
  try {
    const [outcome] = await runApart([job], execArgv);
    return { name, scenario, ...(outcome as MutantOutcome) };
  } catch (error) {
    const { message } = error as Error;
    return { ...nothingFound, name, scenario, broken: message };
  }
}

/** Runs jobs in a process of their own: what is planted stays for as long as the process lives. */
async function runApart(jobs: readonly MutantJob[], execArgv: readonly string[]): Promise<MutantOutcome[]> {
  const outcomes: MutantOutcome[] = [];
  const lifeMsMax = 20 * jobs.reduce((sum, job) => sum + job.computeMsMax, 0);
  const done = (outcome: MutantOutcome): unknown => outcomes.push(outcome);
  await runJobs<MutantJob, MutantOutcome>(program, jobs, 1, done, execArgv, lifeMsMax);
  return outcomes;
}

/** What complains about the engine as it is, too, and so has noticed nothing. */
async function unfounded(findings: readonly Finding[]): Promise<MutantOutcome[]> {
  const jobs = new Map<string, MutantJob>();
  for (const { by, seed, scenario } of findings) {
    if (by === undefined) continue;
    const seeds = seed === undefined ? [] : [seed];
    jobs.set(by, { ...healthy, scenario, seeds });
  }
  const outcomes = await runApart([...jobs.values()], []);
  return outcomes.filter(isNoticed);
}

function resultOf(
  findings: readonly Finding[],
  doubts: readonly MutantOutcome[],
  { mode, replay }: RowContext,
): RowResult {
  const missed = findings.filter((one) => !isNoticed(one));
  const violations = missed.map(({ name, broken, histories, crashes }) =>
    broken === undefined
      ? `nothing noticed that ${name}, in ${histories} histories with ${crashes} crashes`
      : `“${name}” could not be tried: ${broken}`,
  );
  for (const { by, message } of doubts)
    violations.push(`${by} complains about the engine as it is, too: ${message}`);
  const table = mode === "full" || replay !== undefined ? findings.filter(isNoticed).map(lineOf) : [];
  return { points: findings.length, violations, remark: [summaryOf(findings), ...table].join("\n      ") };
}

function summaryOf(findings: readonly Finding[]): string {
  const noticed = findings.filter(isNoticed);
  const told = noticed.filter(({ scenario }) => scenario !== undefined).length;
  const hardest = noticed.reduce((most, { crashes }) => Math.max(most, crashes), 0);
  const how = `${noticed.length - told} by random histories, ${told} by scenarios`;
  return `${noticed.length} of ${findings.length} noticed: ${how}; the hardest after ${hardest} crashes`;
}

function lineOf({ name, by, histories, message }: Finding): string {
  const text = message.replace(/^seed \d+: /, "").slice(0, messageCharacters);
  return `${name}: ${by}${histories > 1 ? `, the ${histories}th history` : ""}: ${text}`;
}

function isNoticed({ by }: MutantOutcome): boolean {
  return by !== undefined;
}
