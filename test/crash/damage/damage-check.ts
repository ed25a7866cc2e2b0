// One point of the row "bitflip": damages a sample, opens it and reads everything. What the engine answers must be right
// or an error that names the damage; verify must have found what changes an answer.
import { LogError } from "@strandlog/log";
import { verifyDirectory } from "@strandlog/log/format";
import type { Contents } from "./contents.js";
import { liveBlocksOf } from "./live-blocks.js";
import { attempt, type Glance, lookThrough, type Seen } from "./look.js";
import type { MemoryFiles } from "./memory-files.js";
import { applyMutation, type Mutation } from "./mutations.js";
import { repairProblems } from "./repair-check.js";
import { directory, openSample, type Sample } from "./sample.js";

/** "torn": the journal's last block is gone, as it would be after a crash. */
export type Outcome = "detected" | "harmless" | "torn";

export interface Checked {
  readonly outcome: Outcome;
  readonly problems: readonly string[];
}

/** `turn` decides what of all that there is is looked at this time; every so manieth damage is repaired, too. */
export async function checkDamage(
  sample: Sample,
  mutation: Mutation,
  turn: number,
  repairEvery: number,
): Promise<Checked> {
  const files = sample.files.copy();
  applyMutation(files, mutation);
  const mayBeTorn = touchesLastBlock(sample, mutation);
  const focus = /topics\/([^/]+)\//.exec(mutation.path)?.[1];
  const isJournal = mutation.path.endsWith(".journal");
  const concerned =
    turn % 16 === 0 ? undefined : isJournal ? journaled : focus === undefined ? undefined : [focus];
  const glance: Glance = { focus, concerned, step: 6, first: turn };
  const problems: string[] = [];
  const outcomes = new Set<Outcome>();
  for (const isReadOnly of turn % 4 === 0 ? [false, true] : [false]) {
    let isTorn = false;
    let seen = await look(files.copy(), sample.contents, glance, isReadOnly);
    if (seen.wrong.length > 0 && mayBeTorn) {
      seen = await look(files.copy(), sample.before, glance, isReadOnly);
      isTorn = true;
    }
    problems.push(...seen.wrong.map((what) => `${isReadOnly ? "read-only: " : ""}${what}`));
    if (seen.errors.length > 0) outcomes.add("detected");
    else outcomes.add(isTorn ? "torn" : "harmless");
  }
  const outcome = outcomes.has("detected") ? "detected" : outcomes.has("torn") ? "torn" : "harmless";
  const isSeen = outcome === "detected" || changesWhatCounts(sample, files, mutation);
  if (isSeen || turn % 8 === 0) {
    problems.push(...(await verifyProblems(files, isSeen)));
  }
  if ((outcome === "detected" || turn % 8 === 0) && Math.floor(turn / 8) % repairEvery === 0) {
    const expected = outcome === "torn" ? sample.before : sample.contents;
    const repaired = await inTime(
      repairProblems(files, expected, mayBeTorn, turn, outcome === "detected"),
    ).catch((error: unknown) => [`${(error as Error).stack}`]);
    problems.push(...repaired.map((what) => `after a repair: ${what}`));
  }
  return { outcome, problems };
}

/** The partitions of which the journal holds something. */
const journaled = ["plain-0", "gzip-0", "gzip-1", "sparse-0", "late-0", "late-1"];

async function look(
  files: MemoryFiles,
  expected: Contents,
  glance: Glance,
  readOnly: boolean,
): Promise<Seen> {
  const seen: Seen = { errors: [], wrong: [] };
  const log = await attempt(seen, () => inTime(openSample(files, 99, readOnly)));
  if (log === undefined) return seen;
  return inTime(lookThrough(log, expected, glance)).catch((error: unknown) => ({
    errors: seen.errors,
    wrong: [`${(error as Error).stack}`],
  }));
}

/** Not what Kafka's tools alone read and nobody can check, nor the journal, of which not every byte counts. */
function changesWhatCounts(sample: Sample, files: MemoryFiles, { path }: Mutation): boolean {
  const counts = /(\.log|index|\/checkpoint|\/checkpoint-copy|partition\.metadata|leader-epoch-checkpoint)$/;
  return counts.test(path) && !files.content(path).equals(sample.files.content(path));
}

async function verifyProblems(files: MemoryFiles, isSeen: boolean): Promise<string[]> {
  try {
    const { damages, notes } = await inTime(verifyDirectory(directory, { fileSystem: files }));
    return isSeen && damages.length + notes.length === 0 ? ["verify has found nothing"] : [];
  } catch (error) {
    if (error instanceof LogError && isSeen) return [];
    return [`verify has failed: ${(error as Error).stack}`];
  }
}

/** Whether damage there may look like the torn end of a crash. */
function touchesLastBlock({ files, ending }: Sample, mutation: Mutation): boolean {
  const last = ending === "killed" ? liveBlocksOf(files).at(-1) : undefined;
  if (last?.path !== mutation.path || mutation.kind === "swapBatches") return false;
  if (mutation.kind === "remove") return false;
  if (mutation.kind === "cut") return mutation.at > last.position;
  const isIn = (at: number): boolean => at >= last.position && at < last.position + last.span;
  return isIn(mutation.at) || (mutation.kind === "swap" && isIn(mutation.other));
}

const patienceMs = 60_000;

/** What takes longer hangs. */
async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`a hang: no end after ${patienceMs} ms`)), patienceMs);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
