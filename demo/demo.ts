// Strandlog in a minute: a real file goes into a log line by line, the process is killed half-way with SIGKILL, the
// log opens again, the rest follows, and everything comes back byte for byte.
//
//   npm run demo         or: node demo/dist/demo.js [--megabytes 100]
//
// Exit code 1 when a byte differs or an acknowledged line is missing.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { type Log, openLog, type RecoveryProgress, type Topic } from "@strandlog/log";
import { appendLines } from "./append-lines.js";
import { makeTextFile } from "./text-file.js";

/** What the killed writer had told when it died. */
interface Interrupted {
  readonly lines: number;
  readonly bytes: number;
  readonly syncs: number;
  readonly ms: number;
}

const barCells = 30;
const hashBufferBytes = 1024 * 1024;

const number = (value: number): string => Math.round(value).toLocaleString("en");
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
const rate = (bytes: number, lines: number, ms: number): string =>
  `${megabytes(bytes)} in ${(ms / 1000).toFixed(2)} s: ${number(bytes / ms / 1000)} MB/s, ${number((lines / ms) * 1000)} records/s`;

function say(label: string, text: string): void {
  clearProgress();
  console.log(`  ${label.padEnd(11)} ${text}`);
}

function progress(label: string, done: number, total: number): void {
  if (!process.stderr.isTTY) return;
  const cells = Math.min(barCells, Math.round((done / total) * barCells));
  const bar = "█".repeat(cells).padEnd(barCells, "·");
  process.stderr.write(`\r\u001b[K  ${label.padEnd(11)} ${bar} ${megabytes(done)}`);
}

function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
}

/** Runs the writer and kills it as soon as it has told that half of the file is acknowledged. */
async function appendHalf(data: string, file: string, total: number): Promise<Interrupted> {
  const startedMs = performance.now();
  const program = new URL("writer.js", import.meta.url).pathname;
  const child = spawn(process.execPath, [program, data, file], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "close") as Promise<[number | null, string | null]>;
  let told: Interrupted = { lines: 0, bytes: 0, syncs: 0, ms: 0 };
  for await (const line of createInterface({ input: child.stdout })) {
    const [lines = 0, bytes = 0, syncs = 0] = line.split(" ").map(Number);
    told = { lines, bytes, syncs, ms: performance.now() - startedMs };
    progress("append", bytes, total);
    if (bytes * 2 >= total) child.kill("SIGKILL");
  }
  const [code, signal] = await ended;
  if (signal !== "SIGKILL") throw new Error(`the writer ended by itself, with exit code ${code}`);
  return told;
}

/** Where line number `count` begins: the log holds that many, so the file goes on there. */
async function positionOfLine(file: string, count: number): Promise<number> {
  let left = count;
  let position = 0;
  if (left === 0) return 0;
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) {
      if (--left === 0) return position + at + 1;
    }
    position += chunk.length;
  }
  throw new Error(`the log holds ${count} records, the file has fewer lines`);
}

async function hashFile(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

/** Reads every record and puts the newline back that the append took away. */
async function hashTopic(
  topic: Topic,
  total: number,
): Promise<{ hash: string; bytes: number; lines: number }> {
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafe(hashBufferBytes);
  let used = 0;
  let bytes = 0;
  let lines = 0;
  for await (const { value } of topic.read()) {
    const length = (value?.length ?? 0) + 1;
    if (used + length > buffer.length) {
      hash.update(buffer.subarray(0, used));
      used = 0;
      progress("read", bytes, total);
    }
    if (value !== null) buffer.set(value, used);
    used += length;
    buffer[used - 1] = 10;
    bytes += length;
    lines++;
  }
  return { hash: hash.update(buffer.subarray(0, used)).digest("hex"), bytes, lines };
}

async function appendRest(log: Log, topic: Topic, file: string, found: number, total: number): Promise<void> {
  const position = await positionOfLine(file, found);
  const startedMs = performance.now();
  let lines = 0;
  await appendLines(topic, file, position, (count, reached) => {
    lines += count;
    progress("append", reached, total);
  });
  const { storage } = await log.stats();
  say(
    "append",
    `${rate(total - position, lines, performance.now() - startedMs)}, ${number(storage.syncs)} syncs`,
  );
}

async function run(directory: string, bytesWanted: number): Promise<boolean> {
  const [file, data] = [join(directory, "input.txt"), join(directory, "data")];
  console.log("\nStrandlog: a real file through a log that is killed half-way\n");
  await makeTextFile(file, bytesWanted);
  const { size } = await stat(file);
  const before = await hashFile(file);
  say("file", `${megabytes(size)} of text, made of the sources on this machine`);

  const told = await appendHalf(data, file, size);
  say("append", `${rate(told.bytes, told.lines, told.ms)}, ${number(told.syncs)} syncs`);
  say("kill -9", `${number(told.lines)} records were acknowledged`);

  let recovery: RecoveryProgress | undefined;
  const startedMs = performance.now();
  await using log = await openLog(data, {
    onRecovery: (now) => {
      recovery = now;
    },
  });
  const topic = await log.topic("lines");
  const openMs = performance.now() - startedMs;
  const found = await topic.partition(0).offsetOf("latest");
  const replayed = `${number(recovery?.blocks ?? 0)} blocks, ${megabytes(recovery?.bytes ?? 0)} of journal replayed`;
  say("open again", `${number(openMs)} ms, ${replayed}`);
  const lost = Math.max(0, told.lines - found);
  const more = Math.max(0, found - told.lines);
  say("recovered", `${number(found)} records: ${number(lost)} lost, ${number(more)} more than acknowledged`);

  await appendRest(log, topic, file, found, size);
  const readMs = performance.now();
  const read = await hashTopic(topic, size);
  say("read back", rate(read.bytes, read.lines, performance.now() - readMs));
  const isEqual = read.hash === before && read.bytes === size;
  say("sha256", `${before}  the file`);
  say("", `${read.hash}  the log: ${isEqual ? "equal" : "DIFFERENT"}`);
  console.log(
    isEqual && lost === 0 ? "\nNothing was lost.\n" : "\nFAILED: what was acknowledged is not there.\n",
  );
  return isEqual && lost === 0;
}

const { values } = parseArgs({ options: { megabytes: { type: "string", default: "100" } } });
const wanted = Number(values.megabytes) * 1e6;
if (!(wanted > 0)) throw new Error(`--megabytes must be a number above 0, not ${values.megabytes}`);
const directory = await mkdtemp(join(tmpdir(), "strandlog-demo-"));
try {
  if (!(await run(directory, wanted))) process.exitCode = 1;
} finally {
  clearProgress();
  await rm(directory, { recursive: true, force: true });
}
