// How the command ends: one exit code per kind of outcome, one line per error, no stack for what is the world's fault.
import { LogError } from "@strandlog/log";
import { CommanderError } from "commander";

const exitCodes = { ok: 0, failed: 1, usage: 2, locked: 3, notFound: 4 } as const;

export const exitCodeHelp = `Exit codes:
  0  done
  1  the operation failed, or damage was found
  2  wrong usage: an unknown option, a value that is not allowed
  3  another process has the log open for writing
  4  there is no such log, topic, partition, file or user
  130, 143  interrupted by SIGINT or SIGTERM`;

export type CliErrorCode = "NO_LOG" | "NO_FILE" | "NO_USER" | "USAGE" | "INPUT";

const exitCodeByCode: Readonly<Record<CliErrorCode, number>> = {
  NO_LOG: exitCodes.notFound,
  NO_FILE: exitCodes.notFound,
  NO_USER: exitCodes.notFound,
  USAGE: exitCodes.usage,
  INPUT: exitCodes.failed,
};

/** An error of the command itself rather than of the log. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly code: CliErrorCode;
  readonly exitCode: number;

  constructor(code: CliErrorCode, message: string) {
    super(message);
    this.code = code;
    this.exitCode = exitCodeByCode[code];
  }
}

/** The reader of our output has gone: no reason to complain. */
export class BrokenPipeError extends Error {
  override readonly name = "BrokenPipeError";
}

/** Prints what there is to say about an error and sets the exit code. */
export function commandEnded(error: unknown, json: boolean): void {
  if (error instanceof BrokenPipeError) return;
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    return;
  }
  if (!(error instanceof LogError || error instanceof CliError)) throw error;
  process.exitCode = error instanceof CliError ? error.exitCode : exitCodeOf(error);
  const { code, message } = error;
  process.stderr.write(
    json ? `${JSON.stringify({ error: { code, message } })}\n` : `strandlog: ${message} [${code}]\n`,
  );
}

/** The command did its work and found something wrong. */
export function damageFound(): void {
  process.exitCode = exitCodes.failed;
}

function exitCodeOf({ code, details }: LogError): number {
  if (code === "LOCKED") return exitCodes.locked;
  if (code === "INVALID_ARGUMENT" || code === "INVALID_TOPIC") return exitCodes.usage;
  if (code === "TOPIC_NOT_FOUND" || code === "PARTITION_NOT_FOUND") return exitCodes.notFound;
  return details["systemCode"] === "ENOENT" ? exitCodes.notFound : exitCodes.failed;
}
