// A client in a program of its own, which prints "ok: …" for each thing that it has seen to work.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLog } from "@strandlog/log";
import { type ListenerOptions, listen, setUser } from "strandlog/broker";
import { ended } from "../maven.js";

const runTimeoutMs = 240_000;

/** Whom the broker knows, where it asks. */
export const user = { name: "interop", password: "secret" } as const;

/** Runs it against a broker, and says how it went; false if it did not get through. */
export async function tryClient(
  name: string,
  program: string,
  argsFor: (bootstrap: string, ...others: string[]) => readonly string[],
  ...listeners: readonly ListenerOptions[]
): Promise<boolean> {
  const directory = mkdtempSync(join(tmpdir(), "strandlog-client-"));
  const log = await openLog(directory);
  await setUser(log, user.name, user.password);
  const broker = await listen(log, { listeners: listeners.length === 0 ? [{ kafka: 0 }] : listeners });
  const [first = "", ...others] = broker.listeners.map(({ bootstrap }) => bootstrap);
  try {
    const stdio = ["ignore", "pipe", "pipe"] as ["ignore", "pipe", "pipe"];
    const child = spawn(program, argsFor(first, ...others), { stdio, timeout: runTimeoutMs });
    const lines: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => lines.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => lines.push(chunk));
    const { exitCode, signal } = await ended(child);
    const output = Buffer.concat(lines).toString();
    const passed = output.match(/^ok: /gm)?.length ?? 0;
    console.log(`${name}: ${passed} passed, ${exitCode === 0 ? 0 : 1} failed`);
    for (const [skipped] of output.matchAll(/^skipped: .*$/gm)) console.log(`  ${skipped}`);
    if (exitCode !== 0) console.log(`${signal ?? `exit code ${exitCode}`}\n${output}`);
    return exitCode === 0;
  } finally {
    await broker.close();
    await log.close();
    rmSync(directory, { recursive: true });
  }
}
