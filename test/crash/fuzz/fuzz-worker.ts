// Runs stretches of cases. A thread watches: where the count of cases stands still for long, the case hangs, and the
// process is ended with its number on stderr.
import { Worker } from "node:worker_threads";
import { serveJobs } from "../jobs.js";
import { type FuzzOutcome, type FuzzWay, fuzzRoom } from "./fuzz-room.js";

export interface FuzzJob {
  readonly target: string;
  readonly way: FuzzWay;
  readonly seed: number;
  readonly cases: number;
  /** One case alone. */
  readonly only?: string | undefined;
}

const hangMs = 60_000;

// A message of which nobody reads the stack costs half as much to make.
Error.stackTraceLimit = 2;

const room = await fuzzRoom();
const targets = await room.fuzzTargets();
/** What is under way: 1 while a job is, what changes with every job and case, and the number of the job's case. */
const place = new Int32Array(new SharedArrayBuffer(12));
const watcher = new Worker(new URL("fuzz-watcher.js", import.meta.url), { workerData: { place, hangMs } });
watcher.unref();

serveJobs(async ({ target: name, ...run }: FuzzJob): Promise<FuzzOutcome> => {
  const target = targets.find((one) => one.name === name);
  if (target === undefined) throw new Error(`there is no target "${name}"`);
  place[0] = 1;
  place[1] = (place[1] as number) + 1;
  place[2] = 0;
  try {
    return await room.runFuzz(target, run, (caseNumber) => {
      place[1] = (place[1] as number) + 1;
      place[2] = caseNumber;
    });
  } finally {
    place[0] = 0;
  }
});
