// Looks for what notices each mutant and each lying disk: a process for each, until the first complaint.
import { runJobs } from "../jobs.js";
import { lies } from "../simulated/lying-disk.js";
import { knownSeeds } from "./known-seeds.js";
import type { Mutant } from "./mutant.js";
import { mutants } from "./mutants.js";
import type { MutantJob, MutantOutcome } from "./mutants-worker.js";
import type { ScenarioName } from "./scenarios.js";

const program = new URL("mutants-worker.js", import.meta.url);
const planting = new URL("plant.js", import.meta.url);
// A busy machine may take so much longer than it computes.
const slownessMax = 20;

/** What is to be noticed: a bug in the engine, or a disk that lies. */
export interface Case {
  readonly name: string;
  readonly mutant?: Mutant;
}

export interface Finding extends MutantOutcome {
  readonly name: string;
  readonly scenario: ScenarioName | undefined;
  /** Set when there is no knowing whether it would be noticed. */
  readonly broken?: string;
}

export interface Search {
  readonly workers: number;
  /** The first seed, after the one that is known to notice it. */
  readonly from: number;
  readonly usesKnownSeeds: boolean;
  /** For each of them. */
  readonly computeMsMax: number;
  found(finding: Finding): void;
}

export const cases: readonly Case[] = [
  ...mutants.map((mutant) => ({ name: mutant.name, mutant })),
  ...Object.keys(lies).map((lie) => ({ name: lie })),
];

export async function search(chosen: readonly Case[], options: Search): Promise<void> {
  const waiting = chosen.values();
  await Promise.all(
    Array.from({ length: options.workers }, async () => {
      for (const one of waiting) options.found(await searchOne(one, options));
    }),
  );
}

async function searchOne({ name, mutant }: Case, options: Search): Promise<Finding> {
  const known = options.usesKnownSeeds ? knownSeeds[name] : undefined;
  const scenario = mutant?.scenario;
  const job: MutantJob = {
    mutant: mutant?.name,
    lie: mutant === undefined ? name : undefined,
    scenario,
    seeds: known === undefined ? [] : [known],
    from: options.from,
    computeMsMax: options.computeMsMax,
  };
  const execArgv = mutant === undefined ? [] : ["--import", `${planting.href}?${encodeURIComponent(name)}`];
  try {
    const [outcome] = await runApart([job], execArgv);
    return { name, scenario, ...(outcome as MutantOutcome) };
  } catch (error) {
    const { message } = error as Error;
    return { ...nothing, name, scenario, broken: message };
  }
}

const nothing: MutantOutcome = { by: undefined, seed: undefined, message: "", histories: 0, crashes: 0 };

/** Those of the same histories and scenarios that complain about the engine as it is, too: they have noticed nothing. */
export async function complaintsWithout(
  findings: readonly Finding[],
  computeMsMax: number,
): Promise<MutantOutcome[]> {
  const jobs = new Map<string, MutantJob>();
  for (const { by, seed, scenario } of findings) {
    if (by === undefined) continue;
    const seeds = seed === undefined ? [] : [seed];
    jobs.set(by, { mutant: undefined, lie: undefined, scenario, seeds, from: undefined, computeMsMax });
  }
  const outcomes = await runApart([...jobs.values()], []);
  return outcomes.filter(isNoticed);
}

export function isNoticed({ by }: MutantOutcome): boolean {
  return by !== undefined;
}

/** Runs jobs in a process of their own: what is planted stays for as long as the process lives. */
async function runApart(jobs: readonly MutantJob[], execArgv: readonly string[]): Promise<MutantOutcome[]> {
  const outcomes: MutantOutcome[] = [];
  const lifeMsMax = slownessMax * jobs.reduce((sum, job) => sum + job.computeMsMax, 0);
  const done = (outcome: MutantOutcome): unknown => outcomes.push(outcome);
  await runJobs<MutantJob, MutantOutcome>(program, jobs, 1, done, { execArgv, lifeMsMax });
  return outcomes;
}
