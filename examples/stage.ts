// What the five programs share: a directory to work in, and a way to claim something and to be held to it.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";

const patienceMs = 30_000;
const lookEveryMs = 20;

/** The directory given as argument, which is kept, or a temporary one, which is gone when the program ends. */
export function workingDirectory(title: string): string {
  console.log(`\n${title}\n`);
  const [, , given] = process.argv;
  if (given !== undefined) return emptyDirectory(given);
  const temporary = mkdtempSync(join(tmpdir(), "strandlog-example-"));
  process.on("exit", () => rmSync(temporary, { recursive: true, force: true }));
  return temporary;
}

export function say(text: string): void {
  console.log(`    ${text}`);
}

/** Prints the claim with a tick, or with a cross, and then the program ends with exit code 1. */
export function claim(text: string, isTrue: boolean): void {
  console.log(`  ${isTrue ? "✓" : "✗"} ${text}`);
  if (!isTrue) process.exitCode = 1;
}

/** Whether it comes true: the log does some of its work in the background, in its own time. */
export async function comesTrue(condition: () => boolean | Promise<boolean>): Promise<boolean> {
  for (const end = performance.now() + patienceMs; performance.now() < end; ) {
    if (await condition()) return true;
    await setTimeout(lookEveryMs);
  }
  return false;
}

/** The files below a directory with this ending. */
export function filesIn(directory: string, ending: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { encoding: "utf8", recursive: true })
    .filter((name) => name.endsWith(ending))
    .sort();
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** 1234567 as "1,234,567". */
export function figure(number: number): string {
  return number.toLocaleString("en");
}

/** The programs count from 0, so they begin with nothing. */
function emptyDirectory(path: string): string {
  mkdirSync(path, { recursive: true });
  if (readdirSync(path).length === 0) return path;
  console.error(`${path} is not empty: give a directory that is, or none for a temporary one`);
  process.exit(2);
}
