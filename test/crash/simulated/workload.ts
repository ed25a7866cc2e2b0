// Random histories of a log: a life of random calls, ended by a crash at a random operation, a failed journal or a
// clean close; then a recovery, itself interrupted up to three times; then the oracle's comparison; and again. Beside
// that, crashes are tried on copies of the machine, which leave the history itself as it was. One seed decides all.
import { type FileSystem, type Log, LogError, type LogOptions, openLog } from "@strandlog/log";
import { Crashed, type CrashKind, type Random, Simulation, Violation } from "@strandlog/log/testing";
import { CrashPoints } from "./crash-points.js";
import { checkLeftovers } from "./leftovers.js";
import { Life } from "./life.js";
import { type Ending, Oracle, worseEnding } from "./oracle.js";
import { adopt, look } from "./recovered.js";
import { randomFault, randomSettings } from "./workload-choices.js";

export interface HistoryOptions {
  /** Default 4. */
  readonly lives?: number;
  /** A disk that lies. */
  readonly disguise?: (fileSystem: FileSystem) => FileSystem;
  /** Whether the disk also reports errors. Default true. */
  readonly faults?: boolean;
  /** Gives up after so many operations. Default 20,000. */
  readonly operationsMax?: number;
  /** Of the operations that change the disk, before which share a crash is tried on a copy. Default 0. */
  readonly density?: number;
  /** Of the calls, by number, only these. Default all. */
  readonly only?: ReadonlySet<number>;
}

export interface HistoryResult {
  /** Crashes after which the log was opened again, on copies or not. */
  readonly crashes: number;
  readonly operations: number;
  readonly records: number;
}

// New directories in a row: the name of each has to be made durable.
const directory = "/disk/some/where/log";
/** The calls of a life are numbered from its own number times this. */
export const callsMax = 120;

/** Runs the history of a seed. Throws a Violation, or whatever the engine should not have thrown. */
export async function runHistory(seed: number, options: HistoryOptions = {}): Promise<HistoryResult> {
  const history = new History(seed, options);
  try {
    return await history.run();
  } catch (error) {
    const { message } = error as Error;
    const waiting = message.includes("a hang:") ? `; waiting: ${history.waiting}` : "";
    throw new Violation(`seed ${seed}: ${message}${waiting} (life ${history.lives})`, { cause: error });
  }
}

class History {
  readonly #simulation: Simulation;
  readonly #random: Random;
  readonly #oracle = new Oracle();
  readonly #options: HistoryOptions;
  readonly #life: Life;
  readonly #points: CrashPoints;
  #settings: Partial<LogOptions>;
  /** Whether the settings change from one opening to the next. */
  readonly #isFickle: boolean;
  #log!: Log;
  #ending: Ending = "closed";
  /** Somebody uses the log, or closes it. */
  #isAlive = false;
  lives = 0;

  constructor(seed: number, options: HistoryOptions) {
    this.#simulation = new Simulation(seed);
    if (options.disguise !== undefined) this.#simulation.disguise = options.disguise;
    this.#simulation.operationsMax = options.operationsMax ?? 20_000;
    this.#random = this.#simulation.random.fork();
    this.#options = options;
    this.#settings = randomSettings(this.#random);
    this.#isFickle = this.#random.chance(0.3);
    const { only } = options;
    this.#life = new Life(this.#simulation, this.#oracle, { seed, mayFill: options.faults !== false, only });
    this.#points = new CrashPoints(this.#simulation, this.#oracle, {
      seed,
      density: options.density ?? 0,
      open: (options) => openLog(directory, { ...this.#settings, ...options }),
      ending: (kind) =>
        this.#isAlive || this.#ending !== "closed" ? worseEnding(this.#ending, kind) : this.#ending,
    });
  }

  get waiting(): string {
    return this.#life.calls.waiting;
  }

  async run(): Promise<HistoryResult> {
    const lives = this.#options.lives ?? 4;
    for (; this.lives < lives; this.lives++) {
      await this.#reopen();
      await this.#live();
    }
    await this.#reopen();
    this.#isAlive = true;
    await this.#simulation.run(this.#log.close());
    checkLeftovers(this.#simulation, this.#topicsThere());
    const { crashes, changes } = this.#simulation;
    return {
      crashes: crashes + this.#points.tried,
      operations: changes,
      records: this.#oracle.recordsChecked,
    };
  }

  /** Opens the log, through up to three crashes and a fault; then asks the oracle. */
  async #reopen(): Promise<void> {
    const { disk } = this.#simulation;
    if (disk.hits.some(({ verb }) => verb === "sync") && this.#random.chance(0.4)) {
      // After a failed sync the page cache may drop what it holds: "os" then promises no more than "memory".
      for (const [, file] of disk.root.files("")) file.evict();
      if (this.#ending !== "closed") this.#ended("power");
    }
    disk.faults = [];
    disk.freeBytes = Number.POSITIVE_INFINITY;
    if (this.#isFickle) this.#settings = randomSettings(this.#random);
    let crashes = this.#random.pick([0, 0, 1, 1, 2, 3]);
    for (;;) {
      disk.hits = [];
      if (crashes-- > 0) this.#simulation.crashAfter(this.#random.below(14), this.#crashKind());
      else this.#simulation.disarm();
      try {
        this.#log = await this.#simulation.run(
          openLog(directory, { ...this.#settings, ...this.#simulation.options() }),
        );
        this.#simulation.disarm();
        const seen = await this.#simulation.run(
          look(this.#oracle, this.#log, this.#simulation.clock, this.#ending),
        );
        adopt(this.#oracle, seen);
        return;
      } catch (error) {
        if (!(error instanceof Crashed)) throw error;
        this.#ended(error.kind);
      }
    }
  }

  #crashKind(): CrashKind {
    return this.#random.chance(0.5) ? "power" : "process";
  }

  /** What a life that was closed cleanly has left is safe from whatever comes before the next one. */
  #ended(ending: Ending): void {
    if (this.#isAlive || this.#ending !== "closed") this.#ending = worseEnding(this.#ending, ending);
  }

  async #live(): Promise<void> {
    const { disk } = this.#simulation;
    this.#ending = "closed";
    this.#isAlive = true;
    const calls = this.#random.pick([10, 40, 40, callsMax]);
    if (this.#random.chance(0.8))
      this.#simulation.crashAfter(this.#random.below(calls * this.#random.pick([1, 3])), this.#crashKind());
    if (this.#options.faults !== false && this.#random.chance(0.3)) disk.faults = [randomFault(this.#random)];
    try {
      await this.#life.run(this.#log, this.lives * callsMax, calls);
      if (this.#oracle.isFailed) await this.#simulation.run(this.#life.checkFailed());
      await this.#close();
    } catch (error) {
      if (!(error instanceof Crashed)) throw error;
      this.#ended(error.kind);
    }
    this.#isAlive = false;
  }

  async #close(): Promise<void> {
    const { disk } = this.#simulation;
    const wasFailed = this.#oracle.isFailed;
    try {
      await this.#simulation.run(this.#log.close());
      // Closing may be what made the journal fail: it does not say so, and "memory" is then lost.
      const isJournalHit = disk.hits.some(({ path }) => path.includes("/journal/"));
      if (wasFailed || isJournalHit) this.#ended("process");
      else if (disk.hits.length === 0) checkLeftovers(this.#simulation, this.#topicsThere());
    } catch (error) {
      if (error instanceof Crashed || disk.hits.length === 0 || !(error instanceof LogError)) throw error;
      this.#ended("process");
    }
    if (disk.openFiles > 0) throw new Violation(`${disk.openFiles} files are open after close`);
    if (disk.locks.size > 0) throw new Violation("the directory is locked after close");
  }

  #topicsThere(): string[] {
    return this.#oracle.topics.filter(({ state }) => state !== "gone").map(({ name }) => name);
  }
}
