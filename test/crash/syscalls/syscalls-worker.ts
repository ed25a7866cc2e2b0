// Lives the story once for each fault that it is given, and looks at what is left.
import { cpSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { serveJobs } from "../jobs.js";
import { lastLook } from "../ledger/last-look.js";
import { Ledger } from "../ledger/ledger.js";
import { type Life, storyOptions } from "../ledger/story.js";
import { runStory } from "../ledger/story-child.js";
import type { Told } from "../ledger/words.js";
import { type Fault, faultText, shimEnvironment } from "./shim.js";

/** Where a story begins: in no directory, or in one that a killed process has left, with what that one told. */
export interface Beginning {
  readonly directory: string | undefined;
  readonly lines: readonly Told[];
  readonly round: number;
  readonly lives: readonly Life[];
}

export interface SyscallsJob {
  readonly name: string;
  readonly beginning: Beginning;
  readonly library: string;
  /** Where directories can be made. */
  readonly root: string;
  /** Undefined: calls are only counted. */
  readonly fault: Fault | undefined;
}

export interface SyscallsOutcome {
  readonly problems: readonly string[];
  /** The calls, where they were counted; otherwise those that were struck. */
  readonly trace: string;
  readonly acknowledged: number;
  readonly isStuck: boolean;
}

serveJobs(async ({ name, beginning, library, root, fault }: SyscallsJob): Promise<SyscallsOutcome> => {
  const directory = join(root, `${process.pid}`);
  const trace = join(root, `${process.pid}.trace`);
  // The socket by which a log is locked cannot be copied, and nobody answers at it any more.
  const filter = (path: string): boolean => !basename(path).startsWith("lock-");
  if (beginning.directory !== undefined) cpSync(beginning.directory, directory, { recursive: true, filter });
  const ledger = new Ledger();
  for (const { line } of beginning.lines) ledger.take(line);
  const environment = shimEnvironment(library, directory, trace, fault);
  await runStory({ ...beginning, directory, isKilled: false, environment }, ledger);
  const calls = readFileSync(trace, "utf8");
  const { acknowledgedCount: acknowledged } = ledger;
  const isStuck = ledger.stuckAt !== undefined;
  if (fault?.how !== "always" && isStuck)
    ledger.problems.push(`waits for ever, ${ledger.stuckAt}, though the fault is over`);
  await lastLook(directory, storyOptions, ledger, "os");
  const about = fault === undefined ? name : `${name} ${faultText(fault)}: ${struck(calls)}`;
  const problems = ledger.problems.map((problem) => `${about}: ${problem}`);
  if (process.env["KEEP"] === undefined) {
    rmSync(directory, { recursive: true, force: true });
    rmSync(trace);
  }
  return { problems, trace: fault === undefined ? calls : "", acknowledged, isStuck };
});

/** The first call that was struck. */
function struck(trace: string): string {
  const line = trace.split("\n").find((text) => text.startsWith("*"));
  return line === undefined ? "no call was struck" : line.slice(1);
}
