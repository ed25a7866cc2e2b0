// Runs workloads in rounds: in each, every subject and the limit beside it have their turn, in an order drawn anew, so
// that whatever else the machine does hits all of them alike. Medians over the rounds; ratios within a round.
import { existsSync, mkdirSync, rmSync } from "node:fs";
import type { Answer, Request } from "./subject.js";
import { ask, ours, type Subject, subjectNamed } from "./subjects.js";
import type { Workload } from "./workloads.js";

/** One line of the results. */
export interface Row {
  readonly workload: string;
  readonly subject: string;
  readonly unit: string;
  /** The median, and what the rounds ranged over. */
  readonly value?: number;
  readonly least?: number;
  readonly most?: number;
  /** What the machine allows, in the same rounds, and the median of value ÷ limit. */
  readonly limit?: number;
  readonly ratio?: number;
  readonly version?: string;
  /** Why there is no value. */
  readonly skipped?: string;
}

export interface RoundOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly directory: string;
  readonly wants: (subject: string) => boolean;
  readonly progress: (text: string) => void;
}

const timeoutMs = 15 * 60_000;
const usual = {
  durability: "disk",
  recordBytes: 100,
  batchRecords: 1,
  inFlight: 1,
  partitions: 1,
  bytes: 0,
  readers: 0,
  client: "",
};

/** The rows of one workload. */
export async function measure(workload: Workload, options: RoundOptions): Promise<Row[]> {
  const chosen = workload.subjects.filter(options.wants).map(subjectNamed);
  const answers = new Map<string, Answer[]>(chosen.map(({ name }) => [name, []]));
  const limits: (number | undefined)[] = [];
  const rounds = Math.min(options.rounds, workload.rounds ?? Number.POSITIVE_INFINITY);
  for (let round = 0; round < rounds; round++) {
    const turns: (Subject | "limit")[] = shuffled([
      ...chosen,
      ...(workload.limit === undefined ? [] : ["limit" as const]),
    ]);
    for (const turn of turns) {
      const name = turn === "limit" ? "the limit" : turn.name;
      options.progress(`${workload.name}, round ${round + 1} of ${rounds}: ${name}`);
      if (turn === "limit") limits[round] = await limitOf(workload, options);
      else if (answers.get(name)?.some(({ skipped }) => skipped !== undefined) !== true)
        answers.get(name)?.push(await run(turn, workload.request, workload.before, options));
    }
  }
  return chosen.flatMap(({ name }) => rowsOf(workload, name, answers.get(name) ?? [], limits));
}

async function limitOf({ limit }: Workload, options: RoundOptions): Promise<number | undefined> {
  return limit?.value(await run(subjectNamed("raw disk"), limit.request, undefined, options));
}

async function run(
  subject: Subject,
  request: Partial<Request>,
  before: Partial<Request> | undefined,
  { directory, seconds }: RoundOptions,
): Promise<Answer> {
  const path = `${directory}/data`;
  const whole = (part: Partial<Request>): Request =>
    ({
      ...(usual as Request),
      seconds,
      directory: path,
      subject: subject.name,
      ...part,
    }) as Request;
  mkdirSync(directory, { recursive: true });
  rmSync(path, { recursive: true, force: true });
  try {
    if (before !== undefined) {
      const left = await ask(subject, whole(before), timeoutMs);
      if (left.skipped !== undefined) return left;
    }
    return await ask(subject, whole(request), timeoutMs);
  } finally {
    if (existsSync(path)) rmSync(path, { recursive: true, force: true });
  }
}

function rowsOf(
  workload: Workload,
  subject: string,
  answers: readonly Answer[],
  limits: readonly (number | undefined)[],
): Row[] {
  const version = answers.find((answer) => answer.version !== undefined)?.version;
  const known = version === undefined ? {} : { version };
  const skipped = answers.find((answer) => answer.skipped !== undefined)?.skipped;
  const { name, unit } = workload;
  if (skipped !== undefined) return [{ workload: name, subject, unit, ...known, skipped }];
  const values = answers.map(workload.value);
  const ratios = values.map((value, round) => {
    const limit = limits[round];
    return value === undefined || limit === undefined ? undefined : value / limit;
  });
  const limit = median(limits);
  const ratio = median(ratios);
  const main = {
    workload: name,
    subject,
    unit,
    ...spread(values),
    ...(limit === undefined ? {} : { limit }),
    ...(ratio === undefined ? {} : { ratio }),
    ...known,
  };
  // How long an append takes is told of ours and of those that wait for the disk as it does.
  const more = (workload.also ?? []).map((figure) => ({
    workload: `${name}: ${figure.name}`,
    subject,
    unit: figure.unit,
    ...spread(answers.map(figure.value)),
    ...known,
  }));
  return [main, ...more];
}

function spread(values: readonly (number | undefined)[]): { value?: number; least?: number; most?: number } {
  const there = values.filter((value) => value !== undefined);
  const value = median(there);
  return value === undefined ? {} : { value, least: Math.min(...there), most: Math.max(...there) };
}

function median(values: readonly (number | undefined)[]): number | undefined {
  const sorted = values.filter((value) => value !== undefined).sort((left, right) => left - right);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle];
  if (upper === undefined || sorted.length % 2 === 1) return upper;
  return (upper + (sorted[middle - 1] as number)) / 2;
}

function shuffled<T>(items: T[]): T[] {
  for (let left = items.length - 1; left > 0; left--) {
    const other = Math.floor(Math.random() * (left + 1));
    [items[left], items[other]] = [items[other] as T, items[left] as T];
  }
  return items;
}

/** The best figure of anybody else. */
export function bestPeer(rows: readonly Row[], workload: string, better: "more" | "less"): Row | undefined {
  const peers = rows.filter(
    (row) => row.workload === workload && row.subject !== ours && row.value !== undefined,
  );
  const sign = better === "more" ? 1 : -1;
  return peers.reduce<Row | undefined>(
    (best, row) =>
      best === undefined || sign * (row.value as number) > sign * (best.value as number) ? row : best,
    undefined,
  );
}
