// The thread beside a fuzz worker. A hang keeps the worker from doing anything about it, so this ends the process.
import { writeSync } from "node:fs";
import { workerData } from "node:worker_threads";

const { place, hangMs } = workerData as { place: Int32Array; hangMs: number };
let seen = -1;

setInterval(() => {
  const [isRunning, count = 0, caseNumber = 0] = place;
  if (isRunning === 1 && count === seen) {
    writeSync(2, `case ${caseNumber} of the job has hung for ${hangMs} ms\n`);
    process.kill(process.pid, "SIGKILL");
  }
  seen = isRunning === 1 ? count : -1;
}, hangMs);
