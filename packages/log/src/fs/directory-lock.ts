// One writer per directory. The lock is a listening local socket inside the directory: the kernel closes it when the
// process ends, however it ends, so a lock left behind is recognised by nobody answering. Process ids, start times and
// heartbeats all fail in some container; this does not. docs/adr/0004 compares.
//
// Every opener announces itself first and looks at the others after, so of two at once at least one sees the other.
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { LogError } from "../errors.js";
import type { DirectoryLock } from "./file-system.js";

const prefix = "lock-";
const triesMax = 5;
const answerMsMax = 1000;

export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  for (let attempt = 1; ; attempt++) {
    const name = `${prefix}${randomBytes(6).toString("hex")}`;
    const descriptor = process.platform === "linux" ? openDirectory(directory) : undefined;
    const letGo = (): void => {
      if (descriptor !== undefined) fs.closeSync(descriptor);
    };
    const server = await announce(directory, descriptor, name).catch((error: unknown) => {
      letGo();
      throw error;
    });
    const release = once(async () => {
      clearAway(`${directory}/${name}`);
      await new Promise<void>((resolve) => server.close(() => resolve()));
      letGo();
    });
    try {
      const holder = await otherHolder(directory, descriptor, name);
      if (holder === undefined) return { release };
      await release();
      if (attempt === triesMax) throw lockedError(directory, holder);
    } catch (error) {
      await release();
      throw error;
    }
    // Two openers at once step back both; unequal waits let one of them through.
    await new Promise((resolve) => setTimeout(resolve, randomBytes(1)[0] as number));
  }
}

function announce(directory: string, descriptor: number | undefined, name: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.end(JSON.stringify({ pid: process.pid, title: process.title }));
    });
    server.on("error", (error) => {
      reject(lockError(directory, error, "; the file system must support local sockets"));
    });
    server.listen(socketPath(directory, descriptor, name), () => resolve(server));
    server.unref();
  });
}

interface Holder {
  pid: number | undefined;
}

/** Looks at every announcement but our own; clears away those whose process is gone. */
async function otherHolder(
  directory: string,
  descriptor: number | undefined,
  own: string,
): Promise<Holder | undefined> {
  for (const name of namesIn(directory)) {
    if (!name.startsWith(prefix) || name === own) continue;
    const holder = await ask(socketPath(directory, descriptor, name));
    if (holder !== undefined) return holder;
    clearAway(`${directory}/${name}`);
  }
  return undefined;
}

/** An announcement that cannot be removed does no harm: nobody answers at it, so the next opener tries again. */
function clearAway(path: string): void {
  try {
    fs.rmSync(path, { force: true });
  } catch {
    // See above.
  }
}

function openDirectory(directory: string): number {
  try {
    return fs.openSync(directory, "r");
  } catch (error) {
    throw lockError(directory, error as Error);
  }
}

function namesIn(directory: string): string[] {
  try {
    return fs.readdirSync(directory);
  } catch (error) {
    throw lockError(directory, error as Error);
  }
}

/** Undefined when nobody listens. A holder too busy to answer within a second is a holder all the same. */
function ask(path: string): Promise<Holder | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    let answer = "";
    let connected = false;
    const finish = (holder: Holder | undefined): void => {
      socket.destroy();
      resolve(holder);
    };
    socket.setTimeout(answerMsMax, () => finish({ pid: undefined }));
    socket.on("connect", () => {
      connected = true;
    });
    socket.on("data", (data) => {
      answer += data.toString();
    });
    socket.on("end", () => finish({ pid: parsePid(answer) }));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      const nobody = !connected && (error.code === "ECONNREFUSED" || error.code === "ENOENT");
      finish(nobody ? undefined : { pid: undefined });
    });
  });
}

function parsePid(answer: string): number | undefined {
  try {
    return (JSON.parse(answer) as { pid: number }).pid;
  } catch {
    return undefined;
  }
}

/** Socket paths hold about 100 bytes; on Linux a descriptor of the directory makes any path short. */
function socketPath(directory: string, descriptor: number | undefined, name: string): string {
  if (process.platform === "win32") return `\\\\.\\pipe\\${directory.replaceAll(/[\\/:]/g, "-")}-${name}`;
  return descriptor === undefined ? `${directory}/${name}` : `/proc/self/fd/${descriptor}/${name}`;
}

function lockError(directory: string, cause: Error, hint = ""): LogError {
  const message = `cannot lock ${directory}: ${cause.message}${hint}`;
  return new LogError("IO", message, { cause, details: { path: directory } });
}

function lockedError(directory: string, holder: Holder): LogError {
  const who = holder.pid === undefined ? "another process" : `process ${holder.pid}`;
  return new LogError(
    "LOCKED",
    `${who} has ${directory} open for writing: close it there, or open it here with readOnly`,
    { details: { path: directory, pid: holder.pid } },
  );
}

function once(action: () => Promise<void>): () => Promise<void> {
  let result: Promise<void> | undefined;
  return () => {
    result ??= action();
    return result;
  };
}
