// Who is measured, and how each is started. A subject whose tool or server is not there is skipped, and says why.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Answer, Request } from "./subject.js";

export interface Subject {
  readonly name: string;
  /** Where it comes from: the engine itself, the machine, an npm package, a program in another language, a server. */
  readonly kind: "ours" | "limit" | "npm" | "native" | "server";
  readonly command: readonly string[];
  /** There only when it was made ready. */
  readonly needs?: { readonly path: string; readonly what: string };
}

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const peers = here("../peers");
export const prepare = "npm run bench -- --prepare";
/** Where Kafka's jars are, once it has been made ready. */
export const kafkaClasspathFile: string = `${peers}/kafka/classpath.txt`;

export const ours = "strandlog";
/** As it comes, it leaves syncing to the system; and so that it syncs before each acknowledgement. */
export const kafka = "kafka";
export const kafkaSynced = "kafka flush.messages=1";
const inProcess = ["lmdb", "better-sqlite3", "classic-level", "hypercore", "async-append-only-log"];

export const subjects: readonly Subject[] = [
  { name: ours, kind: "ours", command: [process.execPath, "--expose-gc", here("strandlog/strandlog.js")] },
  { name: "raw disk", kind: "limit", command: [process.execPath, here("limits/raw-disk.js")] },
  ...inProcess.map((name) => nodePeer(name, "npm")),
  native("mrecordlog", "rust/target/release/peer", "Cargo"),
  native("walrus", "rust/target/release/peer", "Cargo"),
  native("tidwall-wal", "go/peer", "Go"),
  native("raft-wal", "go/peer", "Go"),
  nodePeer("redis", "server"),
  nodePeer("nats", "server"),
  broker(kafka),
  broker(kafkaSynced),
];

export function subjectNamed(name: string): Subject {
  const subject = subjects.find((one) => one.name === name);
  if (subject === undefined) throw new Error(`there is no subject "${name}"`);
  return subject;
}

/** Starts the subject's program and waits for its answer. */
export async function ask(subject: Subject, request: Request, timeoutMs: number): Promise<Answer> {
  const { needs } = subject;
  if (needs !== undefined && !existsSync(needs.path)) return { skipped: `${needs.what}: ${prepare}` };
  const [program, ...args] = subject.command;
  const child = spawn(program as string, [...args, JSON.stringify(request)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  let complaint = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaint = (complaint + text).slice(-2000);
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  const failure = await new Promise<string | undefined>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => {
      // What fills the disk for another one ends by killing itself.
      const isOver = code === 0 || (signal === "SIGKILL" && request.workload === "fill");
      resolve(isOver ? undefined : `it ended with ${signal ?? code}: ${complaint.trim()}`);
    });
  });
  clearTimeout(timer);
  if (failure !== undefined) return { skipped: `failed: ${failure}` };
  return JSON.parse(said.trim().split("\n").at(-1) ?? "") as Answer;
}

function nodePeer(name: string, kind: "npm" | "server"): Subject {
  const needs = { path: `${peers}/node/node_modules`, what: "the packages are not installed" };
  return { name, kind, command: [process.execPath, `${peers}/node/peer.mjs`], needs };
}

function broker(name: string): Subject {
  const needs = { path: kafkaClasspathFile, what: "its jars are not there, with mvn" };
  return { name, kind: "server", command: [process.execPath, here("wire/kafka.js")], needs };
}

function native(name: string, program: string, tool: string): Subject {
  const path = `${peers}/${program}`;
  return { name, kind: "native", command: [path], needs: { path, what: `not built, with ${tool}` } };
}
