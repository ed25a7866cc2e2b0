// What a mutant is: a bug planted into the engine's compiled code while a process loads it. The code itself knows nothing
// of this. Every mutant must be noticed, or the crash tests prove less than they seem to.
import type { ScenarioName } from "./scenarios.js";

type PromiseName = "I1" | "I2" | "I3" | "I4" | "I5" | "I6" | "I7" | "I8" | "I9" | "I10";

export interface Mutant {
  /** What goes wrong, in words. */
  readonly name: string;
  /** The promise that it breaks (DESIGN, section 3). */
  readonly promise: PromiseName;
  /** Below packages/log/dist. */
  readonly file: string;
  /** Occurs exactly once in that file. */
  readonly find: string;
  readonly replace: string;
  /** What notices it where random histories cannot. */
  readonly scenario?: ScenarioName;
}

/** Where a planted process says which mutant it has. */
const mark: unique symbol = Symbol.for("strandlog.planted");

/** The code with the bug in it. Throws where it is not clear what to alter: the engine has changed, the mutant must too. */
export function plant({ name, file, find, replace }: Mutant, source: string): string {
  const count = source.split(find).length - 1;
  if (count !== 1)
    throw new Error(`the mutant "${name}" cannot be planted: ${file} holds ${count} times ${find}`);
  const marked = `\nglobalThis[Symbol.for("strandlog.planted")] = ${JSON.stringify(name)};\n`;
  return source.replace(find, () => replace) + marked;
}

/** The mutant that this process has, if any. */
export function planted(): unknown {
  return Reflect.get(globalThis, mark);
}

export function urlOf(file: string): string {
  return new URL(file, import.meta.resolve("@strandlog/log")).href;
}
