// Has Kafka itself read our files: runs its DumpLogSegments over every segment below the directories given.
//
//   node test/dist/interop/dump-log-segments.js DIR...
//
// Needs java and mvn, and skips without them. The tool exits 0 whatever it finds, so its output is searched
// for the words that it uses for damage. One JVM takes all the files; a file that stops it is reported and left
// out, and the rest is run again.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { classpathOf, ended, isInstalled } from "./maven.js";

export interface DumpReport {
  /** Why Kafka's tool did not run. */
  skipped?: string;
  files: number;
  problems: string[];
}

type Kind = "log" | "index" | "timeindex";
interface Problem {
  /** What is to blame: for some kinds of damage the tool names no file. */
  readonly kind: Kind;
  readonly message: string;
}
interface Dump {
  readonly skipped: string | undefined;
  readonly files: readonly string[];
  readonly problems: readonly Problem[];
}
interface Run {
  readonly exitCode: number;
  readonly signal: string | null;
  readonly problems: readonly Problem[];
  /** The file that the tool was at when it ended. */
  readonly lastFile: string | undefined;
  readonly exception: string | undefined;
}

const kinds: readonly Kind[] = ["log", "index", "timeindex"];
const crashesMax = 10;
const runTimeoutMs = 600_000;
const batchBytesMax = 100 * 1024 * 1024;
const pom: string = fileURLToPath(new URL("../../interop/kafka-tools/pom.xml", import.meta.url));

/** Checks all segments below the directories. Rejects when a directory is missing, not for what is found. */
export async function dumpLogSegments(directories: string[]): Promise<DumpReport> {
  const { skipped, files, problems } = await dump(directories);
  return {
    ...(skipped === undefined ? {} : { skipped }),
    files: files.length,
    problems: problems.map(({ message }) => message),
  };
}

async function dump(directories: readonly string[]): Promise<Dump> {
  const files = directories.flatMap(findSegmentFiles);
  const missing = ["java", "mvn"].filter((command) => !isInstalled(command));
  if (missing.length > 0) {
    return { skipped: `${missing.join(" and ")} not installed`, files, problems: [] };
  }
  const classpath = await classpathOf(pom);
  if (classpath === undefined) {
    return { skipped: "Maven could not resolve Kafka's jars", files, problems: [] };
  }
  if (files.length === 0) {
    return { skipped: undefined, files, problems: [{ kind: "log", message: "there is no file to check" }] };
  }
  const { sound, problems } = splitPaired(files);
  const indexes = sound.filter((file) => kindOf(file) !== "log");
  const [deep, sanity] = await Promise.all([
    dumpAll(classpath, ["--deep-iteration", "--skip-record-metadata", "--verify-index-only"], sound),
    dumpAll(classpath, ["--index-sanity-check"], indexes),
  ]);
  return { skipped: undefined, files, problems: [...problems, ...deep, ...sanity] };
}

function findSegmentFiles(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((file) => /(^|[/\\])\d{20}\.(log|index|timeindex)$/.test(file))
    .map((file) => resolve(directory, file))
    .sort();
}

function kindOf(file: string): Kind {
  return kinds.find((kind) => file.endsWith(`.${kind}`)) ?? "log";
}

/** The tool splits at commas, reads an index beside its log, and makes an empty file where one is missing. */
function splitPaired(files: readonly string[]): { sound: string[]; problems: Problem[] } {
  const sound: string[] = [];
  const problems: Problem[] = [];
  for (const file of files) {
    const stem = file.slice(0, file.lastIndexOf("."));
    const absent = kinds.find((kind) => !existsSync(`${stem}.${kind}`));
    if (file.includes(",")) {
      problems.push({ kind: kindOf(file), message: `${file}: cannot be checked, the path holds a comma` });
    } else if (absent !== undefined) {
      problems.push({ kind: absent, message: `${file}: the segment's .${absent} file is missing` });
    } else {
      sound.push(file);
    }
  }
  return { sound, problems };
}

async function dumpAll(
  classpath: string,
  options: readonly string[],
  files: readonly string[],
): Promise<Problem[]> {
  const crashes: Problem[] = [];
  let rest = files;
  while (rest.length > 0) {
    const run = await runTool(classpath, options, rest);
    if (run.exitCode === 0) {
      return [...crashes, ...run.problems];
    }
    const reason = run.exception ?? (run.signal === null ? `exit code ${run.exitCode}` : run.signal);
    const file = run.lastFile;
    const message = `${file ?? "before the first file"}: DumpLogSegments stopped: ${reason}`;
    crashes.push({ kind: kindOf(file ?? ""), message });
    if (file === undefined || crashes.length === crashesMax) {
      crashes.push({ kind: "log", message: `${rest.length} files were not checked to the end` });
      return [...crashes, ...run.problems];
    }
    rest = rest.filter((other) => other !== file);
  }
  return crashes;
}

async function runTool(
  classpath: string,
  options: readonly string[],
  files: readonly string[],
): Promise<Run> {
  // A file of arguments, because one argument may not be longer than 128 KiB on Linux.
  const directory = mkdtempSync(join(tmpdir(), "strandlog-dump-"));
  const argumentFile = join(directory, "arguments");
  const quote = (text: string): string => `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
  const args = [...options, "--max-message-size", `${batchBytesMax}`, "--files", quote(files.join(","))];
  writeFileSync(argumentFile, `-cp ${quote(classpath)} kafka.tools.DumpLogSegments ${args.join(" ")}\n`);
  const child = spawn("java", ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", `@${argumentFile}`], {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: runTimeoutMs,
  });
  try {
    const [output, errors, end] = await Promise.all([
      readOutput(child.stdout),
      readErrors(child.stderr),
      ended(child),
    ]);
    const problems = [...output.problems, ...errors.problems];
    return { ...end, problems, lastFile: output.lastFile, exception: errors.exception };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** On its standard output the tool says which file it is at, and what is wrong with a log's bytes. */
async function readOutput(output: Readable): Promise<{ problems: Problem[]; lastFile: string | undefined }> {
  const problems: Problem[] = [];
  let lastFile: string | undefined;
  for await (const line of createInterface({ input: output })) {
    lastFile = /^Dumping (.*)$/.exec(line)?.[1] ?? lastFile;
    if (/isvalid: false|invalid bytes/i.test(line)) {
      problems.push({ kind: "log", message: `${lastFile}: ${line}` });
    }
  }
  return { problems, lastFile };
}

/** On its standard error it lists, at the end, what does not fit together: a headline, then details. */
async function readErrors(errors: Readable): Promise<{ problems: Problem[]; exception: string | undefined }> {
  const headlines: readonly (readonly [Kind, RegExp])[] = [
    ["index", /Mismatches in/],
    ["timeindex", /timestamp mismatch/],
    ["timeindex", /out of order timestamp/],
    ["timeindex", /not found in the log/],
    ["log", /Non-consecutive/],
  ];
  const found: { kind: Kind; headline: string; details: string[] }[] = [];
  let exception: string | undefined;
  for await (const line of createInterface({ input: errors })) {
    const kind = headlines.find(([, pattern]) => pattern.test(line))?.[0];
    if (kind !== undefined) {
      found.push({ kind, headline: line, details: [] });
    } else if (/^Exception in thread|^Error/.test(line)) {
      exception ??= line;
    } else if (/^ {2}\S|^Indexed offset:/.test(line)) {
      found.at(-1)?.details.push(line.trim());
    }
  }
  const problems = found.map(({ kind, headline, details }) => {
    const more = details.length > 3 ? ` and ${details.length - 3} more` : "";
    return { kind, message: `${headline} ${details.slice(0, 3).join("; ")}${more}` };
  });
  return { problems, exception };
}

// Finding the tool.

async function main(directories: readonly string[]): Promise<number> {
  if (directories.length === 0) {
    console.error("usage: dump-log-segments DIR...");
    return 2;
  }
  const { skipped, files, problems } = await dump(directories);
  if (skipped !== undefined) {
    console.log(`skipped: ${skipped}`);
    // Where the tools are there, a CI run that checks nothing must not pass.
    return process.env["CI"] === "true" && !skipped.endsWith("not installed") ? 1 : 0;
  }
  for (const kind of kinds) {
    const count = files.filter((file) => kindOf(file) === kind).length;
    const bad = problems.filter((problem) => problem.kind === kind);
    console.log(`${kind}: ${count} files, ${bad.length} problems`);
    for (const { message } of bad) {
      console.log(`  ${message}`);
    }
  }
  return problems.length === 0 ? 0 : 1;
}

if (process.argv[1] !== undefined && import.meta.filename === realpathSync(process.argv[1])) {
  process.exitCode = await main(process.argv.slice(2));
}
