// Random histories of a log: a life of random calls, ended by a crash at a random operation, a failed journal or a
// clean close; then a recovery, itself interrupted up to three times; then the oracle's comparison; and again. One
// seed decides everything.

import type { FileSystem, Log, LogOptions } from "@strandlog/log";
import { LogError, openLog } from "@strandlog/log";
import type { CrashKind, Random } from "@strandlog/log/testing";
import { Crashed, Simulation, Violation } from "@strandlog/log/testing";
import { type Ending, Oracle } from "./oracle.js";
import { RandomCalls } from "./random-calls.js";
import { randomFault, randomSettings } from "./workload-choices.js";

export interface HistoryOptions {
  readonly lives?: number;
  /** A disk that lies. */
  readonly disguise?: (fileSystem: FileSystem) => FileSystem;
  /** Whether the disk also reports errors. Default true. */
  readonly faults?: boolean;
  /** Gives up after so many operations. Default 20,000. */
  readonly operationsMax?: number;
}

export interface HistoryResult {
  readonly crashes: number;
  readonly operations: number;
  readonly records: number;
}

// New directories in a row: the name of each has to be made durable.
const directory = "/disk/some/where/log";
/** Runs the history of a seed. Throws a Violation, or whatever the engine should not have thrown. */
export async function runHistory(seed: number, options: HistoryOptions = {}): Promise<HistoryResult> {
  const history = new History(seed, options);
  try {
    return await history.run();
  } catch (error) {
    const { message } = error as Error;
    const waiting = message.includes("hang") ? `; waiting: ${history.waiting}` : "";
    throw new Violation(`seed ${seed}: ${message}${waiting}`, { cause: error });
  }
}

class History {
  readonly #simulation: Simulation;
  readonly #random: Random;
  readonly #oracle = new Oracle();
  readonly #options: HistoryOptions;
  #settings: Partial<LogOptions>;
  /** Whether the settings change from one opening to the next. */
  readonly #isFickle: boolean;
  readonly #calls: RandomCalls;
  #log!: Log;
  #ending: Ending = "closed";

  constructor(seed: number, options: HistoryOptions) {
    this.#simulation = new Simulation(seed);
    this.#simulation.disguise = options.disguise;
    this.#simulation.operationsMax = options.operationsMax ?? 20_000;
    this.#random = this.#simulation.random.fork();
    this.#options = options;
    this.#settings = randomSettings(this.#random);
    this.#isFickle = this.#random.chance(0.3);
    this.#calls = new RandomCalls(this.#simulation, this.#random, this.#oracle, options.faults !== false);
  }

  get waiting(): string {
    return this.#calls.waiting;
  }

  async run(): Promise<HistoryResult> {
    const lives = this.#options.lives ?? 4;
    for (let life = 0; life < lives; life++) {
      await this.#reopen();
      await this.#live();
    }
    await this.#reopen();
    await this.#simulation.run(this.#log.close());
    this.#checkLeftovers();
    const { crashes, changes } = this.#simulation;
    return { crashes, operations: changes, records: this.#oracle.recordsChecked };
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
        await this.#simulation.run(this.#oracle.reopened(this.#log, this.#ending));
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

  /** Of several endings without a recovery between them the worst counts. */
  #ended(ending: Ending): void {
    const worse: readonly Ending[] = ["closed", "process", "power"];
    if (worse.indexOf(ending) > worse.indexOf(this.#ending)) this.#ending = ending;
  }

  async #live(): Promise<void> {
    const { disk } = this.#simulation;
    this.#ending = "closed";
    const calls = this.#random.pick([10, 40, 40, 120]);
    if (this.#random.chance(0.8))
      this.#simulation.crashAfter(this.#random.below(calls * this.#random.pick([1, 3])), this.#crashKind());
    if (this.#options.faults !== false && this.#random.chance(0.3)) disk.faults = [randomFault(this.#random)];
    try {
      await this.#calls.make(this.#log, calls);
      if (this.#oracle.isFailed) await this.#simulation.run(this.#calls.checkFailed());
      await this.#close();
    } catch (error) {
      if (!(error instanceof Crashed)) throw error;
      this.#ended(error.kind);
    }
  }

  async #close(): Promise<void> {
    const { disk } = this.#simulation;
    const wasFailed = this.#oracle.isFailed;
    try {
      await this.#simulation.run(this.#log.close());
      // Closing may be what made the journal fail: it does not say so, and "memory" is then lost.
      const isJournalHit = disk.hits.some(({ path }) => path.includes("/journal/"));
      if (wasFailed || isJournalHit) this.#ended("process");
      else if (disk.hits.length === 0) this.#checkLeftovers();
    } catch (error) {
      if (error instanceof Crashed || disk.hits.length === 0 || !(error instanceof LogError)) throw error;
      this.#ended("process");
    }
    if (disk.openFiles > 0) throw new Violation(`${disk.openFiles} files are open after close`);
    if (disk.locks.size > 0) throw new Violation("the directory is locked after close");
  }

  /** After a clean close only the files that count are there. */
  #checkLeftovers(): void {
    const alive = this.#oracle.topics.filter(({ state }) => state !== "gone");
    const names = new Set(alive.map(({ name }) => name));
    for (const [path] of this.#simulation.disk.root.files("")) {
      const topic = /\/topics\/(.+)-\d+\//.exec(path)?.[1];
      if (topic !== undefined && !names.has(topic))
        throw new Violation(`I9: ${path} is left of a deleted topic`);
      if (path.endsWith(".tmp")) throw new Violation(`${path} is left over`);
    }
  }
}
