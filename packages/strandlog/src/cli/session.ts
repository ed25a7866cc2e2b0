// What all commands share: where the log is, how it is opened, and whether the output is for programs.
import { subscribe } from "node:diagnostics_channel";
import { existsSync } from "node:fs";
import { type Log, LogError, type LogOptions, openLog } from "@strandlog/log";
import type { Command } from "commander";
import { CliError } from "./exit.js";
import { showProgress } from "./progress.js";
import { bytesText } from "./units.js";

export interface GlobalOptions {
  readonly data: string;
  readonly json?: boolean;
}

export function globalOptions(command: Command): GlobalOptions {
  return command.optsWithGlobals<GlobalOptions>();
}

/** Reading must not make a log where there is none. */
export function requireLog(directory: string): void {
  const signs = ["checkpoint", "checkpoint-copy", "topics"];
  if (signs.some((name) => existsSync(`${directory}/${name}`))) return;
  throw new CliError(
    "NO_LOG",
    `there is no log in ${directory}: append to a topic to make one, or give --data`,
  );
}

/** Beside a writer, or without one. */
export async function openForReading(directory: string): Promise<Log> {
  requireLog(directory);
  return openLog(directory, { readOnly: true });
}

const troubleEveryMs = 10_000;

/** Says why appends wait, a full disk above all; the engine tries again by itself. Now and then, not each time. */
function tellTrouble(): void {
  const toldMs = new Map<string, number>();
  subscribe("strandlog:trouble", (message) => {
    const { where, error } = message as { where: string; error: Error };
    const now = performance.now();
    if (where === "journal") return; // A failed journal fails the appends, and that is told.
    if (now - (toldMs.get(where) ?? Number.NEGATIVE_INFINITY) < troubleEveryMs) return;
    toldMs.set(where, now);
    process.stderr.write(`strandlog: ${where}: ${error.message}; appends may wait, trying again\n`);
  });
}

/** Tells on a terminal how far recovery has come when a journal is replayed. */
export async function openForWriting(directory: string, options: LogOptions = {}): Promise<Log> {
  tellTrouble();
  const progress = showProgress();
  try {
    return await openLog(directory, {
      ...options,
      onRecovery: ({ phase, bytes }) => {
        if (phase !== "done") progress.show(() => `recovering: ${bytesText(bytes)} of the journal replayed`);
      },
    });
  } catch (error) {
    if (!(error instanceof LogError) || error.code !== "LOCKED") throw error;
    const { code, message, cause, details } = error;
    const advice = "if that is a broker, Kafka's clients can do this through it";
    throw new LogError(code, `${message}; ${advice}`, { cause, details });
  } finally {
    progress.clear();
  }
}

/** Closes the log however the action ends; an error of the action comes first. */
export async function withLog<T>(opening: Promise<Log>, action: (log: Log) => Promise<T>): Promise<T> {
  const log = await opening;
  let result: T;
  try {
    result = await action(log);
  } catch (error) {
    await log.close().catch(() => undefined);
    throw error;
  }
  await log.close();
  return result;
}
