// The row "hostile": bad clients against a live broker that has 256 MiB, and a good client beside them all the time.
// All bad inputs are refused or answered with an error, all requests of the good client succeed, none waits for long.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Row, RowContext, RowResult } from "../row.js";
import { attacks } from "./attacks.js";
import type { GoodReport, Order, Phase } from "./good-client-worker.js";
import { Victim } from "./victim.js";

const goodClient = new URL("good-client-worker.js", import.meta.url);
const mebibyte = 1024 * 1024;
const peakBytesMax = 256 * mebibyte;
const p99MsMax = 1000;
/** On a machine that has much else to do everybody waits: then it is so many times as long as before the attacks. */
const p99TimesMax = 10;

export const hostileRow: Row = {
  name: "hostile",
  points: "bad inputs",
  about: "bad clients against a broker that has 256 MiB: all are refused, a good one goes on beside them",
  async run(context) {
    const root = await mkdtemp(join(tmpdir(), "strandlog-hostile-"));
    const victim = await Victim.start(join(root, "data"));
    try {
      return await attackAll(victim, context);
    } finally {
      await victim.end();
      await rm(root, { recursive: true });
    }
  },
};

async function attackAll(victim: Victim, { mode, seed, replay, progress }: RowContext): Promise<RowResult> {
  const isQuick = mode === "quick";
  const chosen = attacks.filter(({ name }) => replay === undefined || name === replay);
  if (chosen.length === 0)
    throw new Error(
      `there is no attack "${replay}"; there are ${attacks.map(({ name }) => name).join("; ")}`,
    );
  const { port, askingPort } = victim;
  const good = fork(goodClient, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  tell(good, { port });
  await once(good, "message");
  await sleep(isQuick ? 1000 : 10_000);
  tell(good, { phase: "attacked" satisfies Phase });
  const violations: string[] = [];
  let points = 0;
  for (const { name, run } of chosen) {
    progress(name);
    try {
      points += await run({ port, askingPort, seed, isQuick });
    } catch (error) {
      violations.push(`${name}: ${(error as Error).message}`);
    }
    const { death, peakBytes = 0 } = victim;
    if (death !== undefined) return { points, violations: [...violations, `${name}: ${death}`] };
    if (peakBytes > peakBytesMax) {
      violations.push(`${name}: the broker has taken ${megabytes(peakBytes)}`);
      break;
    }
  }
  tell(good, { end: true });
  const [report] = (await once(good, "message")) as [GoodReport];
  const { calm, attacked } = report.waits;
  violations.push(...report.failures.map((failure) => `the good client: ${failure}`));
  if (attacked.p99Ms > Math.max(p99MsMax, p99TimesMax * calm.p99Ms))
    violations.push(
      `the good client waited ${attacked.p99Ms.toFixed(0)} ms (p99), ${calm.p99Ms.toFixed(0)} ms before`,
    );
  const { peakBytes } = victim;
  const memory =
    peakBytes === undefined ? "memory was not watched" : `the broker took ${megabytes(peakBytes)} at most`;
  const waits = `${attacked.requests} requests of the good client, p99 ${attacked.p99Ms.toFixed(1)} ms (${calm.p99Ms.toFixed(1)} ms before), longest ${attacked.maxMs.toFixed(0)} ms`;
  return { points, violations, remark: `${chosen.length} attacks; ${waits}; ${memory}` };
}

function tell(good: ChildProcess, order: Order): void {
  good.send(order);
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / mebibyte)} MiB`;
}
