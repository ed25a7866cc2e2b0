// A process with one mutant in it, or with a disk that lies, or with neither: looks for what notices it.
import { serveJobs } from "../jobs.js";
import { lies } from "../simulated/lying-disk.js";
import { runHistory } from "../simulated/workload.js";
import { planted } from "./mutant.js";
import { type ScenarioName, scenarios } from "./scenarios.js";

export interface MutantJob {
  /** Undefined: the engine as it is. */
  readonly mutant: string | undefined;
  readonly lie: string | undefined;
  readonly scenario: ScenarioName | undefined;
  /** Tried first, in turn. */
  readonly seeds: readonly number[];
  /** Then this one and those that follow it, if any are to be tried. */
  readonly from: number | undefined;
  /** How long it may compute: a busy machine takes nothing away from the search. */
  readonly computeMsMax: number;
}

export interface MutantOutcome {
  /** What noticed it: a seed, or the scenario. Undefined when nothing did. */
  readonly by: string | undefined;
  readonly seed: number | undefined;
  readonly message: string;
  /** Histories that were tried, and how often they crashed before the one that noticed it. */
  readonly histories: number;
  readonly crashes: number;
}

const operationsMax = 3000;
/** Errors that nobody looked at: on an engine in order there are none. */
const unhandled: Error[] = [];
process.on("unhandledRejection", (error: Error) => unhandled.push(error));

serveJobs(async (job: MutantJob): Promise<MutantOutcome> => {
  if (planted() !== job.mutant) throw new Error(`the mutant is not in this process, but ${planted()}`);
  const { scenario } = job;
  if (scenario === undefined) return searchHistories(job);
  const message = await complaint(() => scenarios[scenario]());
  const by = message === undefined ? undefined : `“${scenario}”`;
  return { by, seed: undefined, message: message ?? "", histories: 0, crashes: 0 };
});

async function searchHistories({ lie, seeds, from, computeMsMax }: MutantJob): Promise<MutantOutcome> {
  const disguise = lie === undefined ? undefined : lies[lie];
  const until = computedMs() + computeMsMax;
  let crashes = 0;
  let histories = 0;
  for (const seed of seedsInTurn(seeds, from)) {
    if (computedMs() > until) break;
    histories++;
    const message = await complaint(async () => {
      crashes += (await runHistory(seed, { operationsMax, ...(disguise && { disguise }) })).crashes;
    });
    // Trying again and again proves nothing: the complaint must be about what the log shows.
    if (message !== undefined && !message.includes("no end after"))
      return { by: `seed ${seed}`, seed, message, histories, crashes };
  }
  return { by: undefined, seed: undefined, message: "", histories, crashes };
}

/** By this process so far. */
function computedMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function* seedsInTurn(first: readonly number[], from: number | undefined): Generator<number> {
  yield* first;
  if (from !== undefined) for (let seed = from; ; seed++) yield seed;
}

async function complaint(action: () => Promise<void>): Promise<string | undefined> {
  try {
    await action();
    const [error] = unhandled.splice(0);
    return error === undefined ? undefined : `nobody looked at an error: ${error.message}`;
  } catch (error) {
    const { message, cause } = error as Error;
    // The mutant itself is not in order: that is nothing to be noticed.
    if (error instanceof ReferenceError || cause instanceof ReferenceError) throw error;
    return message;
  }
}
