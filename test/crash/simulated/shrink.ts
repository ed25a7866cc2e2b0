// A failing history made small: calls are left out as long as what remains still fails. Leaving calls out moves every
// crash, so that the short history is tried with a crash before every operation.
import { runHistory } from "./workload.js";

/** A history that can be run again: as text, "seed 17 calls 3,40,41". */
export interface Case {
  readonly seed: number;
  /** Undefined: all calls, and crashes where the lot has them. */
  readonly only: readonly number[] | undefined;
}

const patienceMs = 60_000;
const triesMax = 300;

export function caseText({ seed, only }: Case): string {
  return only === undefined ? `seed ${seed}` : `seed ${seed} calls ${only.join(",") || "none"}`;
}

export function caseOf(text: string): Case {
  const [, seed, calls] = /^seed (\d+)(?: calls (none|[\d,]+))?$/.exec(text.trim()) ?? [];
  if (seed === undefined) throw new Error(`"${text}" is no case: give "seed 17" or "seed 17 calls 3,40,41"`);
  const only = calls === "none" ? [] : calls?.split(",").map(Number);
  return { seed: Number(seed), only };
}

/** Undefined when no promise was broken, otherwise which. */
export async function runCase({ seed, only }: Case, density: number): Promise<string | undefined> {
  try {
    if (only === undefined) await runHistory(seed, { density });
    else await runHistory(seed, { density: 1, only: new Set(only) });
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** The smallest case found that still fails, with what it fails with. */
export async function shrink(
  seed: number,
  calls: readonly number[],
  fails: (candidate: Case) => Promise<string | undefined>,
  elapsedMs: () => number,
): Promise<{ small: Case; message: string } | undefined> {
  const began = elapsedMs();
  let only = [...calls];
  let message = await fails({ seed, only });
  if (message === undefined) return undefined;
  let tries = 0;
  for (let size = Math.ceil(only.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < only.length; ) {
      if (++tries > triesMax || elapsedMs() - began > patienceMs) return { small: { seed, only }, message };
      const without = [...only.slice(0, at), ...only.slice(at + size)];
      const problem = await fails({ seed, only: without });
      if (problem === undefined) at += size;
      else {
        only = without;
        message = problem;
      }
    }
  }
  return { small: { seed, only }, message };
}
