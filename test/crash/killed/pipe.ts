// The issue's own line: a real file piped through `strandlog append` and `strandlog read` comes back with the same
// sha256, though the process is killed again and again while it appends.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { closeSync, createReadStream, existsSync, openSync, readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Log, openLog } from "@strandlog/log";
import { checkDirectory } from "../../interop/format-reader.js";
import { makeRandom } from "../content.js";
import type { CrashRun, Totals } from "./crash-run.js";
import { makeTextFile } from "./text-file.js";

const command: string = new URL("../../../../packages/strandlog/dist/cli/main.js", import.meta.url).pathname;
const topic = "lines";

/** The file's lines, as the oracle knows them. */
interface Lines {
  readonly bytes: Buffer;
  /** Where each line begins; one more for the end. */
  readonly starts: readonly number[];
}

export async function killThePipe(
  { directory, kills, seed, say }: CrashRun,
  megabytes: number,
): Promise<Totals> {
  const startedMs = performance.now();
  const random = makeRandom(seed);
  const problems: string[] = [];
  if (!existsSync(command)) problems.push(`${command} is missing: there is no command line to test`);
  await mkdir(directory, { recursive: true });
  const data = join(directory, "data");
  const file = join(directory, "input.txt");
  await makeTextFile(file, megabytes * 1e6);
  const lines = readLines(file);
  const count = lines.starts.length - 1;
  say(`  ${file}: ${(lines.bytes.length / 1e6).toFixed(1)} MB, ${count.toLocaleString("en")} lines`);
  let acknowledged = 0;
  let end = 0;
  let killed = 0;
  // The kills are spread over the whole file; the run after the last of them comes to the file's end.
  for (let run = 0; run <= kills && problems.length === 0; run++) {
    const target = Math.floor((count * (run + 0.1 + 0.8 * random())) / (kills + 1));
    const goal = run < kills ? Math.max(target, end + 1) : Number.POSITIVE_INFINITY;
    const appended = await append(data, file, lines, end, goal, problems);
    acknowledged += appended.end - end;
    if (appended.wasKilled) killed++;
    else if (appended.end !== count) problems.push(`append ended by itself at line ${appended.end}`);
    const found = await compare(data, lines, end, problems);
    if (found < appended.end) problems.push(`LOST ${appended.end - found} lines after ${found}`);
    end = found;
  }
  if (problems.length === 0 && killed < kills) problems.push(`only ${killed} kills, the file was too short`);
  if (problems.length === 0) {
    const [before, after] = [createHash("sha256").update(lines.bytes).digest("hex"), await readSha256(data)];
    say(`  sha256 of the file ${before}`);
    say(`  sha256 of the read ${after}`);
    if (before !== after) problems.push("the sha256 of what was read differs from the file's");
    const report = checkDirectory(data);
    problems.push(...report.problems);
    say(
      `  the independent reader found ${report.records.toLocaleString("en")} records in ${report.files} files`,
    );
    if (report.records !== count) problems.push(`the files hold ${report.records} records, not ${count}`);
  }
  return { kills: killed, acknowledged, seconds: (performance.now() - startedMs) / 1000, problems };
}

function readLines(file: string): Lines {
  const bytes = readFileSync(file);
  const starts = [0];
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) starts.push(at + 1);
  return { bytes, starts };
}

/** Feeds the command with the lines from `from` on, and kills it once it has acknowledged up to line `goal`. */
async function append(
  data: string,
  file: string,
  { starts }: Lines,
  from: number,
  goal: number,
  problems: string[],
): Promise<{ end: number; wasKilled: boolean }> {
  // At first as the shell's `<` does it, later on through a pipe.
  const input = from === 0 ? openSync(file, "r") : "pipe";
  const child = spawn(process.execPath, [command, "--data", data, "append", topic, "--print-offsets"], {
    stdio: [input, "pipe", "pipe"],
  });
  if (typeof input === "number") closeSync(input);
  if (child.stdin !== null) {
    child.stdin.on("error", () => undefined); // It may be dead.
    createReadStream(file, { start: starts[from] ?? 0 }).pipe(child.stdin);
  }
  let errors = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  let end = from;
  let rest = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    const printed = (rest + text).split("\n");
    rest = printed.pop() ?? "";
    for (const line of printed) {
      if (line !== `0 ${end}`) problems.push(`append printed "${line}" where "0 ${end}" was due`);
      end++;
    }
    if (end >= goal) child.kill("SIGKILL");
    if (problems.length > 0) child.kill("SIGKILL");
  });
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  if (signal !== "SIGKILL" && code !== 0)
    problems.push(`append ended with exit code ${code}, ${signal}: ${errors.trim()}`);
  return { end, wasKilled: signal === "SIGKILL" };
}

/** Every record from `from` on is the line of that number; answers where they end. */
async function compare(data: string, lines: Lines, from: number, problems: string[]): Promise<number> {
  let log: Log | undefined;
  let next = from;
  try {
    log = await openLog(data, { readOnly: true });
    if (!(await log.topics()).includes(topic)) return from;
    for await (const { offset, value } of (await log.existingTopic(topic)).partition(0).read({ from })) {
      const line = lines.bytes.subarray(lines.starts[next], (lines.starts[next + 1] ?? 0) - 1);
      if (offset !== next || value === null || Buffer.compare(line, value) !== 0) {
        problems.push(`the record at offset ${offset} is not line ${next}`);
        break;
      }
      next++;
    }
  } catch (error) {
    problems.push(`${error instanceof Error ? error.stack : error}`);
  } finally {
    await log?.close();
  }
  return next;
}

async function readSha256(data: string): Promise<string> {
  const child = spawn(process.execPath, [command, "--data", data, "read", topic], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const hash = createHash("sha256");
  for await (const chunk of child.stdout) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
