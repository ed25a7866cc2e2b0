// Crashes tried beside a history: before an operation that changes the disk, the machine is copied, the copy crashes,
// the log is opened there, through more crashes if the lot says so, and the oracle looks at it. The history goes on as
// if nothing had happened.
import type { Log, LogOptions } from "@strandlog/log";
import {
  Crashed,
  type CrashKind,
  type CrashStyle,
  Random,
  type Simulation,
  Violation,
} from "@strandlog/log/testing";
import { checkLeftovers } from "./leftovers.js";
import { type Ending, type Oracle, worseEnding } from "./oracle.js";
import { look } from "./recovered.js";
import type { Seen } from "./seen.js";

export interface CrashPointOptions {
  readonly seed: number;
  /** Before which share of the operations. */
  readonly density: number;
  open(options: Partial<LogOptions>): Promise<Log>;
  /** How the present life ends by a crash of that kind. */
  ending(kind: CrashKind): Ending;
}

const styles: readonly CrashStyle[] = ["nothing", "everything", "prefix", "scattered", "scattered"];
const stepsMax = 14;
// Of the copies that were looked at: closing takes as long as all the rest.
const closedShare = 0.1;

export class CrashPoints {
  readonly #simulation: Simulation;
  readonly #oracle: Oracle;
  readonly #options: CrashPointOptions;
  /** Crashes so far. */
  tried = 0;

  constructor(simulation: Simulation, oracle: Oracle, options: CrashPointOptions) {
    this.#simulation = simulation;
    this.#oracle = oracle;
    this.#options = options;
    if (options.density > 0) simulation.onChange = (verb, path) => this.#perhaps(verb, path);
  }

  async #perhaps(verb: string, path: string): Promise<void> {
    const { seed, density } = this.#options;
    const random = new Random((seed % 2 ** 31) + this.#simulation.changes * 2 ** 31);
    if (!random.chance(density)) return;
    const kind: CrashKind = random.chance(0.6) ? "power" : "process";
    const style = random.pick(styles);
    try {
      await this.crash(kind, style, random);
    } catch (error) {
      const where = `crash before change ${this.#simulation.changes}, ${verb} ${path}, ${kind}, ${style}`;
      throw new Violation(`${(error as Error).message} (${where})`, { cause: error });
    }
  }

  /** Copies the machine, crashes the copy and looks at what is left. */
  async crash(kind: CrashKind, style: CrashStyle, random: Random): Promise<void> {
    const twin = this.#simulation.fork(random.next());
    twin.disguise = this.#simulation.disguise;
    twin.operationsMax = this.#simulation.operationsMax;
    twin.disk.looksAtOnce = random.chance(0.9);
    twin.disk.freeBytes = Number.POSITIVE_INFINITY;
    let ending = this.#options.ending(kind);
    twin.crash(kind, style);
    let more = random.pick([0, 0, 0, 0, 1, 1, 2]);
    let served: Seen | undefined;
    for (;;) {
      this.tried++;
      if (more-- > 0) twin.crashAfter(random.below(stepsMax), random.chance(0.5) ? "power" : "process");
      try {
        const log = await twin.run(this.#options.open(twin.options()));
        served = await twin.run(look(this.#oracle, log, twin.clock, ending, served));
        if (more < 0) return random.chance(closedShare) ? await close(twin, log) : undefined;
        // What was served must be there after the next crash, too.
        twin.crash("power");
        if (ending !== "closed") ending = "power";
      } catch (error) {
        if (!(error instanceof Crashed)) throw error;
        if (ending !== "closed") ending = worseEnding(ending, error.kind);
      }
    }
  }
}

async function close(twin: Simulation, log: Log): Promise<void> {
  const topics = await log.topics();
  await twin.run(log.close());
  checkLeftovers(twin, topics);
}
