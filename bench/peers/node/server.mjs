// A server that a subject starts for itself: on loopback, on a free port, and gone when the program is, however it ends.
import { spawn, spawnSync } from "node:child_process";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Skipped } from "./shared.mjs";

const host = "127.0.0.1";
const startMs = 60_000;
const againMs = 2;

/** The shell waits until its input ends, be it that this program was killed, and then kills the server. */
const untilInputEnds = '"$@" & server=$!; read -r _; kill -9 "$server"; wait';

/** What the server tells of its version. */
export function versionLine(program) {
  const { error, stdout } = spawnSync(program, ["--version"], { encoding: "utf8" });
  if (error) throw new Skipped(`${program} is not installed`);
  return stdout;
}

/** Starts the program with the arguments that `argsOf` gives for a port, and waits until it listens there. */
export async function start(program, argsOf) {
  const port = await freePort();
  const shell = spawn("sh", ["-c", untilInputEnds, "sh", program, ...argsOf(port)], {
    stdio: ["pipe", "ignore", "inherit"],
  });
  const gone = new Promise((resolve) => shell.once("exit", resolve));
  const until = performance.now() + startMs;
  while (!(await isListening(port))) {
    if (performance.now() > until) throw new Error(`${program} does not listen`);
    await sleep(againMs);
  }
  return {
    host,
    port,
    async kill() {
      shell.stdin.end();
      await gone;
    },
  };
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, host, () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

function isListening(port) {
  return new Promise((resolve) => {
    const socket = connect(port, host, () => {
      socket.destroy();
      resolve(true);
    }).once("error", () => resolve(false));
  });
}
