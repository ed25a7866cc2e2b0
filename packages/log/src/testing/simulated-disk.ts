// A disk in memory that can crash. It keeps the tree of files, the queue of operations under way and the faults to
// come; which operation ends next is drawn by lot. Processes reach it through simulated-file-system.ts. What a crash
// does follows RELIABILITY: a power cut keeps any subset of unsynced sectors and names, a killed process leaves the
// page cache. Whoever called before a crash never hears of it again.
import { LogError } from "../errors.js";
import type { Random } from "./random.js";
import { SimulatedDirectory } from "./simulated-directory.js";
import { type CrashStyle, SimulatedFile } from "./simulated-file.js";

/** power: what was not synced is at risk. process: what was written stays. */
export type CrashKind = "power" | "process";

export type Verb =
  | "open"
  | "create"
  | "read"
  | "write"
  | "sync"
  | "truncate"
  | "close"
  | "look"
  | "makeDirectory"
  | "rename"
  | "remove"
  | "syncDirectory";

/** Fails operations of these verbs on paths that match: the first `skip` get through, the next `times` fail. */
export interface Fault {
  readonly code: "EIO" | "ENOSPC" | "EMFILE";
  readonly verbs: readonly Verb[];
  readonly path: RegExp;
  skip: number;
  times: number;
}

export interface Operation {
  readonly verb: Verb;
  readonly path: string;
  /**
   * Does it, on that disk: the one where it was asked for, or a copy. `part`, from 0 to 1, is how far it gets when it
   * fails or the process dies.
   */
  run(disk: SimulatedDisk, part: number): unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

const changing: ReadonlySet<Verb> = new Set<Verb>([
  "create",
  "write",
  "sync",
  "truncate",
  "makeDirectory",
  "rename",
  "remove",
  "syncDirectory",
]);

/** The disk of a {@link Simulation}: reach it there to fill it, to let it fail, to look at its files and to damage them. */
export class SimulatedDisk {
  readonly root: SimulatedDirectory;
  readonly random: Random;
  readonly locks: Set<string> = new Set();
  /** What shall go wrong. */
  faults: Fault[] = [];
  /** The faults that struck. */
  hits: { verb: Verb; path: string; code: Fault["code"] }[] = [];
  /** By how many bytes files may still grow. */
  freeBytes: number = Number.POSITIVE_INFINITY;
  /** One higher after each crash: a process of an earlier generation is dead. */
  generation = 0;
  openFiles = 0;
  /** Operations that change nothing end at once instead of in their turn: many times quicker, and less is tried. */
  looksAtOnce = false;
  /** Told of each operation that ends well. */
  onOperation: ((verb: Verb, path: string) => void) | undefined;
  #queue: Operation[] = [];
  /** In a copy: its own file for each file of the original. */
  readonly #twins: Map<unknown, unknown>;

  constructor(random: Random, original?: SimulatedDisk) {
    this.random = random;
    this.#twins = new Map();
    this.root = original?.root.fork(this.#twins) ?? new SimulatedDirectory();
    if (original === undefined) return;
    this.freeBytes = original.freeBytes;
    this.generation = original.generation;
    this.openFiles = original.openFiles;
    for (const path of original.locks) this.locks.add(path);
    this.#queue = original.#queue.slice();
  }

  /** A copy with all that is under way, which goes its own way from here on. Nobody hears of what ends there. */
  fork(random: Random): SimulatedDisk {
    return new SimulatedDisk(random, this);
  }

  /** @internal What an operation that was asked for elsewhere has to change here. */
  own(file: SimulatedFile): SimulatedFile {
    return (this.#twins.get(file) as SimulatedFile | undefined) ?? file;
  }

  /** @internal */
  get isBusy(): boolean {
    return this.#queue.length > 0;
  }

  /** @internal */
  enqueue(operation: Operation): void {
    if (this.looksAtOnce && !this.isChange(operation)) this.complete(operation);
    else this.#queue.push(operation);
  }

  /** @internal Takes the lot: the operation that ends next. */
  draw(): Operation {
    const index = this.random.chance(0.5) ? 0 : this.random.below(this.#queue.length);
    const [drawn] = this.#queue.splice(index, 1);
    return drawn as Operation;
  }

  /** @internal */
  putBack(operation: Operation): void {
    this.#queue.unshift(operation);
  }

  /** @internal Takes one that is known, instead of drawing it. */
  take(operation: Operation): void {
    this.#queue.splice(this.#queue.indexOf(operation), 1);
  }

  /** @internal Whether the disk is another one afterwards: only then is a crash before it worth a try. */
  isChange({ verb }: Operation): boolean {
    return changing.has(verb);
  }

  /** @internal */
  complete(operation: Operation): void {
    const { verb, path } = operation;
    const fault = this.#faultFor(verb, path);
    try {
      if (fault !== undefined) {
        this.hits.push({ verb, path, code: fault.code });
        this.#fail(operation, fault);
        throw diskError(fault.code, verb, path);
      }
      const result = operation.run(this, 1);
      this.onOperation?.(verb, path);
      operation.resolve(result);
    } catch (error) {
      if (systemCodeOf(error) === "ENOSPC" && fault === undefined)
        this.hits.push({ verb, path, code: "ENOSPC" });
      operation.reject(error);
    }
  }

  /** What is under way may have got anywhere; then the process, or the machine, is gone. Default style: by lot. */
  crash(kind: CrashKind, style?: CrashStyle): void {
    this.generation++;
    const mayGoOn = style === undefined || style === "prefix" || style === "scattered";
    if (mayGoOn) for (const operation of this.#queue) this.#tear(operation);
    this.#queue = [];
    this.openFiles = 0;
    this.locks.clear();
    if (kind === "process") return;
    const styles: CrashStyle[] = ["nothing", "everything", "prefix", "scattered", "scattered"];
    this.root.lose(this.random, style ?? this.random.pick(styles));
  }

  directory(path: string): SimulatedDirectory | undefined {
    let directory: SimulatedDirectory = this.root;
    for (const name of namesOf(path)) {
      const next = directory.get(name);
      if (!(next instanceof SimulatedDirectory)) return undefined;
      directory = next;
    }
    return directory;
  }

  file(path: string): SimulatedFile | undefined {
    const found = this.parent(path)?.get(lastName(path));
    return found instanceof SimulatedFile ? found : undefined;
  }

  parent(path: string): SimulatedDirectory | undefined {
    return this.directory(path.slice(0, path.lastIndexOf("/")));
  }

  #tear(operation: Operation): void {
    if (this.random.chance(0.4)) return;
    try {
      operation.run(this, this.random.chance(0.5) ? 1 : this.random.below(1024) / 1024);
    } catch {
      // It would have failed. Nobody is left to be told.
    }
  }

  #fail(operation: Operation, fault: Fault): void {
    const file = this.file(operation.path);
    if (operation.verb === "sync") file?.failSync(this.random);
    else if (operation.verb === "write")
      operation.run(this, fault.code === "ENOSPC" ? this.random.below(1024) / 1024 : 0);
  }

  #faultFor(verb: Verb, path: string): Fault | undefined {
    const fault = this.faults.find((one) => one.times > 0 && one.verbs.includes(verb) && one.path.test(path));
    if (fault === undefined) return undefined;
    if (fault.skip > 0) {
      fault.skip--;
      return undefined;
    }
    fault.times--;
    return fault;
  }
}

export function namesOf(path: string): string[] {
  return path.split("/").filter((name) => name !== "");
}

export function lastName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** As node-file-system.ts raises it. */
export function diskError(code: string, verb: string, path: string): LogError {
  const cause = Object.assign(new Error(`simulated ${code}`), { code });
  return new LogError(code === "ENOSPC" ? "DISK_FULL" : "IO", `cannot ${verb} ${path} (${code})`, {
    cause,
    details: { path, operation: verb, systemCode: code },
  });
}

function systemCodeOf(error: unknown): unknown {
  return error instanceof LogError ? error.details["systemCode"] : undefined;
}
