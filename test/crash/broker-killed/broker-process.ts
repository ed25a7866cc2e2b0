// `strandlog serve` as a process of its own, on one directory and one port, killed and started again: its clients are
// to believe that it is the same broker all the time.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";

const command: string = new URL("../../../../packages/strandlog/dist/cli/main.js", import.meta.url).pathname;
const startMsMax = 120_000;
const exitCodeOfSigterm = 143;

export class BrokerProcess {
  readonly bootstrap: string;
  readonly #directory: string;
  readonly #fault: (problem: string) => void;
  #child: ChildProcess | undefined;
  #gone: Promise<unknown> = Promise.resolve();

  constructor(directory: string, port: number, fault: (problem: string) => void) {
    this.bootstrap = `127.0.0.1:${port}`;
    this.#directory = directory;
    this.#fault = fault;
  }

  /** Begins to start it; the promise settles when it listens, or has ended before it did. */
  start(): Promise<void> {
    const args = ["--data", this.#directory, "--json", "serve", "--kafka", this.bootstrap];
    const child = spawn(process.execPath, [command, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    let complaint = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      complaint += text;
    });
    const listening = new Promise<void>((resolve) => {
      createInterface({ input: child.stdout }).on("line", (line) => {
        if (line.includes('"event":"listening"')) resolve();
        // Clients that are in order give it no reason to warn.
        else if (!line.startsWith('{"level":"info"') && line.endsWith("}")) complaint += `${line}\n`;
      });
    });
    this.#gone = once(child, "close").then(([code, signal]) => {
      const isWanted = signal === "SIGKILL" || code === exitCodeOfSigterm;
      if (!isWanted) this.#fault(`the broker ended by itself: ${signal ?? code} ${complaint.trim()}`);
      else if (complaint !== "") this.#fault(`the broker said: ${complaint.trim()}`);
    });
    return this.#soon(listening);
  }

  async kill(): Promise<void> {
    this.#child?.kill("SIGKILL");
    await this.#gone;
  }

  /** In good order. */
  async stop(): Promise<void> {
    this.#child?.kill("SIGTERM");
    await this.#gone;
  }

  async #soon(listening: Promise<void>): Promise<void> {
    const timer = setTimeout(() => {
      this.#fault(`the broker did not listen within ${startMsMax / 1000} s`);
      this.#child?.kill("SIGKILL");
    }, startMsMax);
    await Promise.race([listening, this.#gone]);
    clearTimeout(timer);
  }
}

/**
 * One that is free, and the same for every start. Not of those that the system gives to whoever asks for any: while the
 * broker is down it could go to a client that tries to reach it.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    const server = createServer().listen(port, "127.0.0.1");
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
