// A broker that is measured: a process of its own, on loopback, gone when this one is, however it ends.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const host = "127.0.0.1";
const startMsMax = 120_000;
const againMs = 2;
/** Linux tells processor time in these, on every machine. */
const ticksPerSecond = 100;
/** The shell tells the server's process id, waits until its own input ends, and then kills the server. */
const untilInputEnds = '"$@" >/dev/null & server=$!; echo "$server"; read -r _; kill -9 "$server"; wait';
/** ApiVersions of version 0: what every broker answers first. */
const question: Buffer = Buffer.from("0000000a0012000000000007ffff", "hex");

export interface Server {
  readonly bootstrap: string;
  /** From the start of the process to the first answer. */
  readonly startSeconds: number;
  /** What the process has in memory now, and how much of a processor it has used so far. */
  residentBytes(): number;
  processorSeconds(): number;
  /** In good order; settles when it is gone. */
  stop(): Promise<void>;
}

/** Starts a command on a port, and waits until it answers there. */
export async function start(command: readonly string[], port: number): Promise<Server> {
  const began = performance.now();
  const shell = spawn("sh", ["-c", untilInputEnds, "sh", ...command], { stdio: ["pipe", "pipe", "pipe"] });
  let complaint = "";
  shell.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaint = (complaint + text).slice(-2000);
  });
  const gone = once(shell, "exit");
  const [told] = (await once(shell.stdout, "data")) as [Buffer];
  const id = Number(told.toString());
  while (!(await answers(port))) {
    if (performance.now() - began > startMsMax || !isRunning(id))
      throw new Error(`${command[0]} does not listen: ${complaint.trim()}`);
    await sleep(againMs);
  }
  return {
    bootstrap: `${host}:${port}`,
    startSeconds: (performance.now() - began) / 1000,
    residentBytes: () =>
      1024 * Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${id}/status`, "utf8"))?.[1]),
    processorSeconds: () => {
      // Behind the name, which may hold anything, from the third field on: the 14th and 15th.
      const fields = readFileSync(`/proc/${id}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
      return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
    },
    async stop() {
      process.kill(id, "SIGTERM");
      while (isRunning(id)) await sleep(againMs);
      shell.stdin.end();
      await gone;
    },
  };
}

/** One that is free, and not of those that the system gives to whoever asks for any: it stays free until it is used. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    const server = createServer().listen(port, host);
    const isFree = await once(server, "listening").then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host, () => socket.write(question));
    const end = (isAnswered: boolean): void => {
      socket.destroy();
      resolve(isAnswered);
    };
    socket.once("data", () => end(true)).once("error", () => end(false));
    socket.once("end", () => end(false));
  });
}

/** What the shell has not yet waited for counts as gone, too. */
function isRunning(id: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${id}/status`, "utf8"));
  } catch {
    return false;
  }
}
