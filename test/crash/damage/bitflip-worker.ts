import { serveJobs } from "../jobs.js";
import { checkDamage, type Outcome } from "./damage-check.js";
import { type Mutation, mutationsOf, textOfMutation } from "./mutations.js";
import { type Ending, makeSample, type Sample } from "./sample.js";

/** Every `step`th mutation of a sample from one on, `count` of them; or a single one. */
export interface BitflipJob {
  readonly ending: Ending;
  readonly from: number;
  readonly step: number;
  readonly count: number;
  /** One of so many damages is repaired, too. */
  readonly repairEvery: number;
  readonly only?: Mutation;
}

export interface BitflipOutcome {
  readonly points: number;
  readonly outcomes: Readonly<Record<Outcome, number>>;
  readonly violations: readonly string[];
}

interface Built {
  readonly sample: Sample;
  readonly mutations: readonly Mutation[];
}

const built = new Map<Ending, Promise<Built>>();

function build(ending: Ending): Promise<Built> {
  const known = built.get(ending);
  if (known !== undefined) return known;
  const making = makeSample(ending).then((sample) => ({ sample, mutations: mutationsOf(sample) }));
  built.set(ending, making);
  return making;
}

serveJobs(async ({ ending, from, step, count, repairEvery, only }: BitflipJob): Promise<BitflipOutcome> => {
  const { sample, mutations } = await build(ending);
  // Traces take most of the time, and only a case that is run again needs them.
  Error.stackTraceLimit = only === undefined ? 0 : 20;
  const outcomes = { detected: 0, harmless: 0, torn: 0 };
  const violations: string[] = [];
  let points = 0;
  for (let n = 0; n < count; n++) {
    const mutation = only ?? mutations[from + n * step];
    if (mutation === undefined) break;
    const { outcome, problems } = await checkDamage(
      sample,
      mutation,
      only === undefined ? from + n : 0,
      repairEvery,
    );
    points++;
    outcomes[outcome]++;
    const [first] = problems;
    if (first !== undefined)
      violations.push(`${ending} ${textOfMutation(mutation)}: ${first} (${problems.length} problems)`);
  }
  return { points, outcomes, violations };
});
