// E. A key store behind a write log. Every write goes to one log; committers (key-committers.ts) take them to their
// keys, each key's in order and in batches. Killed at any time, they go on: to apply a write twice does no harm.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { isDeepStrictEqual } from "node:util";
import { openLog } from "strandlog";
import { claim, figure, say, workingDirectory } from "./stage.js";

const directory = workingDirectory("E. A key store behind a write log: its committers are killed");
const writeLog = join(directory, "write-log");
const calm = join(directory, "calm");
const killed = join(directory, "killed");
const keys = Array.from({ length: 40 }, (_, n) => `page-${n}`);
const lines = Array.from({ length: 50 }, (_, n) => `line ${n}`);

const log = await openLog(writeLog);
const writes = await log.topic("writes", { partitions: 4 });
for (const value of lines) await Promise.all(keys.map((key) => writes.append({ key, value })));
await log.close();
say(`${figure(keys.length * lines.length)} writes to ${keys.length} keys are in the write log`);

say("committers that are left alone:");
await commit(calm, false);
say("others, killed up to five times:");
let kills = 0;
while (await commit(killed, kills < 5)) kills++;
claim(`killed ${kills} times, they have ended all the same`, kills > 0);
const store = readStore(killed);
claim("the two stores are the same, byte for byte", isDeepStrictEqual(store, readStore(calm)));
const isComplete = keys.every((key) => isDeepStrictEqual(JSON.parse(store.get(key) ?? "{}").lines, lines));
claim("every key has all its lines, in order, each once", isComplete);

/** Runs the committers, and kills them in the middle if asked to. Answers whether they were killed. */
async function commit(to: string, isToBeKilled: boolean): Promise<boolean> {
  mkdirSync(to, { recursive: true });
  const program = join(import.meta.dirname, "key-committers.js");
  const child = spawn(process.execPath, [program, writeLog, to], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "close");
  let [batches, taken, known] = [0, 0, 0];
  for await (const line of createInterface(child.stdout)) {
    const [records = 0, skipped = 0] = line.split(" ").map(Number);
    [batches, taken, known] = [batches + 1, taken + records, known + skipped];
    if (isToBeKilled && batches === 60) child.kill("SIGKILL");
  }
  const [code, signal] = (await ended) as [number | null, string | null];
  say(`  ${figure(taken)} writes, ${figure(known)} of them known already: ${signal ?? `exit code ${code}`}`);
  if (signal !== "SIGKILL" && code !== 0) throw new Error("the committers failed");
  return signal === "SIGKILL";
}

/** What each key's file holds. */
function readStore(path: string): Map<string, string> {
  return new Map(keys.map((key) => [key, readFileSync(join(path, `${key}.json`), "utf8")]));
}
