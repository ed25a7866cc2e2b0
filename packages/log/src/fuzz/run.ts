// Runs cases of a target and tells which of them broke a promise: only typed errors come out, in bounded time and
// memory. Every case can be run again from its seed and its place in the run.
import { getHeapStatistics } from "node:v8";
import fc from "fast-check";
import { LogError } from "../errors.js";
import { Random } from "../testing/index.js";
import { inputBytesMax, Mutator } from "./mutation.js";
import { type FuzzTarget, FuzzViolation } from "./target.js";

/** bytes: damaged valid inputs. fields: built with right checksums around any fields. identity: encoded and decoded. */
export type FuzzWay = "bytes" | "fields" | "identity";
export const fuzzWays: readonly FuzzWay[] = ["bytes", "fields", "identity"];

export interface FuzzRun {
  readonly way: FuzzWay;
  readonly seed: number;
  readonly cases: number;
  /** One case of the run alone, as a violation has named it. */
  readonly only?: string | undefined;
}

export interface FuzzOutcome {
  readonly cases: number;
  /** How many inputs were read to the end. */
  readonly accepted: number;
  /** The first violation, with what is needed to see it again. */
  readonly violation: string | undefined;
}

/** Told before each case: a watcher that sees no change knows which case hangs. */
export type Watch = (caseNumber: number) => void;

/** Of the processor, not of the day: a machine with much else to do makes no case long. */
const caseMsMax = 2000;
// The densest that any codec packs: a zstd block of four bytes stands for 128 KiB.
const densityMax = 32 * 1024;
const memoryBytesMin = 4 * 1024 * 1024;
// What the decoder allows itself for one batch, and once more while its pieces are joined.
const memoryBytesMax = 2 * 256 * 1024 * 1024;
const hexBytesMax = 400;

export async function runFuzz(
  target: FuzzTarget,
  run: FuzzRun,
  watch: Watch = () => undefined,
): Promise<FuzzOutcome> {
  const judge = new Judge(target, watch);
  if (run.way === "bytes") return runBytes(target, run, judge);
  const property =
    run.way === "identity"
      ? target.identity
      : fc.asyncProperty(target.fields, async (input) => judge.check(input.subarray(0, inputBytesMax)));
  if (property === undefined) return { cases: 0, accepted: 0, violation: undefined };
  const { seed, cases, only } = run;
  const parameters = only === undefined ? { numRuns: cases } : { numRuns: 1, path: only };
  const details: fc.RunDetails<unknown> = await fc.check(property, {
    seed,
    ...parameters,
    interruptAfterTimeLimit: 600_000,
  });
  const { errorInstance, counterexamplePath, counterexample } = details;
  const violation = details.failed
    ? `${target.name} ${run.way} ${seed} ${counterexamplePath}: ${describe(errorInstance, firstOf(counterexample))}`
    : undefined;
  return { cases: details.numRuns, accepted: judge.accepted, violation };
}

async function runBytes(
  target: FuzzTarget,
  { seed, cases, only }: FuzzRun,
  judge: Judge,
): Promise<FuzzOutcome> {
  const mutator = new Mutator();
  const first = only === undefined ? 0 : Number(only);
  const end = only === undefined ? cases : first + 1;
  for (let number = first; number < end; number++) {
    // A generator for each case, so that one can be run without those before it.
    const random = new Random(seed + number * 2 ** 32);
    let input = mutator.mutate(target.corpus, random);
    if (random.chance(0.6)) input = target.repair(input);
    try {
      const checked = judge.check(input);
      if (checked !== undefined) await checked;
    } catch (error) {
      const violation = `${target.name} bytes ${seed} ${number}: ${describe(error, input)}`;
      return { cases: number - first + 1, accepted: judge.accepted, violation };
    }
  }
  return { cases: end - first, accepted: judge.accepted, violation: undefined };
}

/** Reads inputs and measures what that takes. */
class Judge {
  accepted = 0;
  #cases = 0;
  readonly #target: FuzzTarget;
  readonly #codes: ReadonlySet<string>;
  readonly #watch: Watch;

  constructor(target: FuzzTarget, watch: Watch) {
    this.#target = target;
    this.#codes = new Set(target.codes);
    this.#watch = watch;
  }

  /** Throws whatever must not come out. A promise only where the target answers one: millions of them cost time. */
  check(input: Buffer): undefined | Promise<void> {
    this.#watch(++this.#cases);
    const started = process.cpuUsage();
    const memoryBytes = getHeapStatistics().external_memory;
    const ended = (error?: unknown): undefined => this.#ended(input, started, memoryBytes, error);
    try {
      const answer = this.#target.read(input);
      if (typeof answer !== "boolean")
        return answer.then((isAccepted) => {
          if (isAccepted) this.accepted++;
          return ended();
        }, ended);
      if (answer) this.accepted++;
    } catch (error) {
      return ended(error);
    }
    return ended();
  }

  #ended(input: Buffer, started: NodeJS.CpuUsage, memoryBytes: number, error: unknown): undefined {
    const isTyped =
      this.#target.isRefusal?.(error) ?? (error instanceof LogError && this.#codes.has(error.code));
    if (error !== undefined && !isTyped) throw error;
    const { user, system } = process.cpuUsage(started);
    const tookMs = (user + system) / 1000;
    if (tookMs > caseMsMax) throw new FuzzViolation(`took ${Math.round(tookMs)} ms`);
    const grownBytes = getHeapStatistics().external_memory - memoryBytes;
    const allowed = Math.min(memoryBytesMax, memoryBytesMin + input.length * densityMax);
    if (grownBytes > allowed)
      throw new FuzzViolation(`took ${grownBytes} bytes of memory for an input of ${input.length}`);
  }
}

function describe(error: unknown, input: unknown): string {
  const what = error instanceof Error ? `${error.name}: ${error.message}` : `${error}`;
  const where = error instanceof Error ? (/\n\s+at (.*)/.exec(error.stack ?? "")?.[1] ?? "") : "";
  return `${what} [${where}] ${Buffer.isBuffer(input) ? inHex(input) : fc.stringify(input).slice(0, 800)}`;
}

/** A property's arguments come as a list. */
function firstOf(counterexample: unknown): unknown {
  const [first, ...rest] = Array.isArray(counterexample) ? counterexample : [];
  return rest.length === 0 ? first : counterexample;
}

function inHex(input: Buffer): string {
  const rest = input.length > hexBytesMax ? "…" : "";
  return `${input.length} bytes ${input.toString("hex", 0, hexBytesMax)}${rest}`;
}
