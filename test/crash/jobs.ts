// Work spread over child processes: each takes one job after the other. A child that dies takes its job's answer with
// it, which counts as a failure of that job.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";

interface Answer<Result> {
  readonly result?: Result;
  readonly error?: string;
}

/** Called by the program of a child: answers every job that comes. */
export function serveJobs<Job, Result>(work: (job: Job) => Promise<Result>): void {
  process.on("message", (job: Job) => {
    work(job).then(
      (result) => process.send?.({ result } satisfies Answer<Result>),
      (error: Error) => process.send?.({ error: error.stack ?? `${error}` } satisfies Answer<Result>),
    );
  });
  process.on("disconnect", () => process.exit());
}

export interface WorkerOptions {
  readonly execArgv?: readonly string[];
  /** Default: the Node that runs this. */
  readonly execPath?: string;
  /** A child that lives for longer, in milliseconds, is ended. Default: none is. */
  readonly lifeMsMax?: number;
}

/** Runs all jobs, at most `workers` at once; jobs are taken from the iterable only when a child is free. */
export async function runJobs<Job, Result>(
  program: URL,
  jobs: Iterable<Job>,
  workers: number,
  done: (result: Result, job: Job) => void,
  { execArgv = [], execPath = process.execPath, lifeMsMax }: WorkerOptions = {},
): Promise<void> {
  const waiting = jobs[Symbol.iterator]();
  const oneByOne = async (): Promise<void> => {
    const child = fork(program, {
      execPath,
      execArgv: [...execArgv],
      serialization: "advanced",
      killSignal: "SIGKILL",
      timeout: lifeMsMax,
    });
    try {
      for (let next = waiting.next(); next.done !== true; next = waiting.next())
        done(await answer<Job, Result>(child, next.value), next.value);
    } finally {
      child.kill("SIGKILL");
    }
  };
  await Promise.all(Array.from({ length: workers }, oneByOne));
}

async function answer<Job, Result>(child: ChildProcess, job: Job): Promise<Result> {
  const ended = new AbortController();
  const died = once(child, "exit", { signal: ended.signal }).then(([code, signal]) => {
    throw new Error(`a worker ended (${signal ?? code}) while it had ${JSON.stringify(job).slice(0, 300)}`);
  });
  died.catch(() => undefined);
  const heard = once(child, "message", { signal: ended.signal }) as Promise<[Answer<Result>]>;
  heard.catch(() => undefined);
  child.send(job as object);
  try {
    const [{ result, error }] = await Promise.race([heard, died]);
    if (error !== undefined) throw new Error(error);
    return result as Result;
  } finally {
    ended.abort();
  }
}
