// The parent's side of story-worker.ts: starts it, lets a ledger hear it, and ends it when its time is up.
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Ledger } from "./ledger.js";
import type { Life } from "./story.js";
import { type Told, toldIn } from "./words.js";

const program: string = fileURLToPath(new URL("story-worker.js", import.meta.url));
const hangMs = 60_000;

export interface StoryChild {
  readonly directory: string;
  /** The first of its rounds: each opening has one. */
  readonly round: number;
  readonly lives: readonly Life[];
  /** Whether it is to end in the midst of its work. */
  readonly isKilled: boolean;
  readonly environment: Readonly<Record<string, string>>;
}

/** Lives a story in a process of its own. What it tells and how it ends goes to the ledger. Answers all lines. */
export async function runStory(child: StoryChild, ledger: Ledger): Promise<Told[]> {
  const { directory, round, lives, isKilled, environment } = child;
  const args = [program, directory, `${round}`, lives.join(), ...(isKilled ? ["killed"] : [])];
  const process_ = spawn(process.execPath, args, {
    stdio: ["ignore", "ignore", "pipe", "pipe"],
    // One thread does one call after the other, so that their order hardly varies.
    env: { ...process.env, UV_THREADPOOL_SIZE: "1", UV_USE_IO_URING: "0", ...environment },
  });
  let told = "";
  let errors = "";
  (process_.stdio[3] as Readable).setEncoding("utf8").on("data", (text: string) => {
    told += text;
  });
  (process_.stdio[2] as Readable).setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  let isHanging = false;
  const timer = setTimeout(() => {
    isHanging = true;
    process_.kill("SIGKILL");
  }, hangMs);
  const [status] = (await once(process_, "close")) as [number | null];
  clearTimeout(timer);
  const lines = toldIn(told);
  for (const { line } of lines) ledger.take(line);
  if (isHanging) ledger.problems.push(`hangs after "${lines.at(-1)?.line}"`);
  if (errors !== "") ledger.problems.push(`wrote to its standard error: ${errors.trim()}`);
  if (status !== null && !ledger.hasEnded) ledger.problems.push(`ended with ${status} before its story did`);
  return lines;
}
