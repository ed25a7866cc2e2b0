// One simulated machine: a disk, a clock, and the loop that lets one thing happen at a time. The engine runs until it
// waits for the disk or the clock; then one operation ends, or, when none is under way, the next timer fires.
import type { FileSystem } from "../fs/index.js";
import type { LogOptions } from "../open.js";
import { Random } from "./random.js";
import { SimulatedClock } from "./simulated-clock.js";
import { type CrashKind, SimulatedDisk, type Verb } from "./simulated-disk.js";
import type { CrashStyle } from "./simulated-file.js";
import { SimulatedFileSystem } from "./simulated-file-system.js";

/** Thrown into whoever waits for a process that died. */
export class Crashed extends Error {
  readonly kind: CrashKind;

  constructor(kind: CrashKind) {
    super(`the simulated ${kind === "power" ? "power went off" : "process was killed"}`);
    this.kind = kind;
  }
}

/** A promise of the simulation does not hold. */
export class Violation extends Error {
  override readonly name = "Violation";
}

const hangMs = 120_000;

/**
 * A machine whose disk and clock are simulated: time passes and the disk works only while {@link Simulation.run} waits
 * for something. There is one directory, `/disk`. One seed decides everything, so that a run can be seen again.
 */
export class Simulation {
  /** Where everything that is left to chance comes from. */
  readonly random: Random;
  readonly disk: SimulatedDisk;
  readonly clock: SimulatedClock;
  /** A disk that lies, for tests of the tests. */
  disguise: ((fileSystem: FileSystem) => FileSystem) | undefined;
  /** A history that takes more than this is one without an end. */
  operationsMax = 20_000;
  /** Operations that changed the disk, since the beginning. */
  changes = 0;
  /** How often it has crashed. */
  crashes = 0;
  /** Called before each operation that changes the disk, which waits for it: the place to look at a {@link Simulation.fork}. */
  onChange: ((verb: Verb, path: string) => Promise<void>) | undefined;
  #crashBefore: ((verb: Verb, path: string) => boolean) | undefined;
  #crashKind: CrashKind = "power";
  #busyMs = 0;
  #operations = 0;

  /** Without an original: an empty disk. With one: see {@link Simulation.fork}. */
  constructor(seed: number, original?: Simulation) {
    this.random = new Random(seed);
    this.disk = original?.disk.fork(this.random.fork()) ?? new SimulatedDisk(this.random.fork());
    this.clock = new SimulatedClock(this.random.fork());
    if (original === undefined) {
      this.disk.root.subdirectory("disk");
      this.disk.root.sync();
    } else this.clock.pass(original.clock.elapsedMs());
  }

  /**
   * A copy of the machine with what is under way on its disk, but without its processes: crash it and see what is left,
   * while this one goes on as if nothing had happened.
   */
  fork(seed: number): Simulation {
    return new Simulation(seed, this);
  }

  /** What a new process gets. */
  options(): Pick<LogOptions, "fileSystem" | "clock"> {
    const fileSystem = new SimulatedFileSystem(this.disk);
    return { fileSystem: this.disguise?.(fileSystem) ?? fileSystem, clock: this.clock };
  }

  /** Crashes when `changes` more operations have changed the disk, before the next that would. */
  crashAfter(changes: number, kind: CrashKind): void {
    const end = this.changes + changes;
    this.crashBefore(() => this.changes >= end, kind);
  }

  /** Crashes before the first operation of which `isIt` is true, among those that change the disk. */
  crashBefore(isIt: (verb: Verb, path: string) => boolean, kind: CrashKind): void {
    this.#crashBefore = isIt;
    this.#crashKind = kind;
  }

  /** No crash by itself any more. */
  disarm(): void {
    this.#crashBefore = undefined;
  }

  /** What a power cut keeps of what was not synced is drawn by lot, unless the style says it. */
  crash(kind: CrashKind, style?: CrashStyle): void {
    this.disarm();
    this.crashes++;
    this.disk.crash(kind, style);
    this.clock.crash();
  }

  /** Lets things happen until the promise settles. Throws Crashed when the process dies first. */
  async run<T>(work: Promise<T>): Promise<T> {
    let isSettled = false;
    const settled = (): void => {
      isSettled = true;
    };
    work.then(settled, settled);
    this.touch();
    for (;;) {
      await quiet();
      if (isSettled) return work;
      await this.step();
    }
  }

  /** Somebody asked for something: what happens from here on is not idleness. */
  touch(): void {
    this.#busyMs = this.clock.elapsedMs();
  }

  /** One operation or one timer. Call it when the engine is {@link quiet}. */
  async step(): Promise<void> {
    const { disk, clock, random } = this;
    if (!disk.isBusy || random.chance(0.01)) {
      const idleMs = clock.elapsedMs() - this.#busyMs;
      if (!clock.fireNext() && !disk.isBusy)
        throw new Violation("a hang: no operation is under way and no timer runs");
      if (idleMs > hangMs && !disk.isBusy)
        throw new Violation("a hang: only timers fire, and nothing comes of it");
      return;
    }
    clock.pass(random.below(100) / 100);
    this.touch();
    const operation = disk.draw();
    if (++this.#operations > this.operationsMax)
      throw new Violation(`no end after ${this.operationsMax} operations`);
    if (disk.isChange(operation)) {
      if (this.#crashBefore?.(operation.verb, operation.path)) {
        disk.putBack(operation);
        this.crash(this.#crashKind);
        throw new Crashed(this.#crashKind);
      }
      if (this.onChange !== undefined) {
        // A copy that is made now has it among what is under way.
        disk.putBack(operation);
        await this.onChange(operation.verb, operation.path);
        disk.take(operation);
      }
      this.changes++;
    }
    disk.complete(operation);
  }
}

/** Settles when the engine has done all that it can do without the disk or the clock: its own immediates included. */
export async function quiet(): Promise<void> {
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
}
