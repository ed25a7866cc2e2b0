// The command as people run it: a process in a directory of its own.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../../bin/strandlog.js", import.meta.url));

export interface Result {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export class Cli {
  readonly directory: string = fs.mkdtempSync(join(tmpdir(), "strandlog-cli-"));
  readonly data: string = join(this.directory, "data");
  readonly #running: ChildProcess[] = [];

  start(...args: string[]): ChildProcess {
    return this.#spawn({}, args);
  }

  #spawn(env: NodeJS.ProcessEnv, args: string[]): ChildProcess {
    const child = spawn(process.execPath, [main, ...args, "--data", this.data], {
      cwd: this.directory,
      env: { ...process.env, ...env },
    });
    this.#running.push(child);
    // Who is gone before all input is written has its reasons; its exit code tells them.
    child.stdin?.on("error", () => undefined);
    return child;
  }

  run(...args: string[]): Promise<Result> {
    return this.pipe("", ...args);
  }

  /** With more in its environment. */
  runWith(env: NodeJS.ProcessEnv, ...args: string[]): Promise<Result> {
    const child = this.#spawn(env, args);
    child.stdin?.end();
    return ended(child);
  }

  pipe(input: string | Buffer, ...args: string[]): Promise<Result> {
    const child = this.start(...args);
    child.stdin?.end(input);
    return ended(child);
  }

  /** Nobody writes to the directory any more when it goes. */
  async close(): Promise<void> {
    for (const child of this.#running) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    }
    fs.rmSync(this.directory, { recursive: true });
  }
}

export async function ended(child: ChildProcess): Promise<Result> {
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout?.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => stderr.push(chunk));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() };
}

/** Settles when the output has this many lines. */
export function linesOf(child: ChildProcess, count: number): Promise<string[]> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      const lines = text.split("\n").slice(0, -1);
      if (lines.length >= count) resolve(lines);
    });
    child.once("close", () => reject(new Error(`it ended after ${JSON.stringify(text)}`)));
  });
}

export function cliTest(name: string, action: (cli: Cli) => Promise<void>): void {
  void test(name, async () => {
    const cli = new Cli();
    try {
      await action(cli);
    } finally {
      await cli.close();
    }
  });
}
