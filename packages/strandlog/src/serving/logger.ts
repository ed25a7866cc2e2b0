// What the broker has to say, a line each on standard output: JSON for programs, words where a person looks on. Nothing
// waits for who reads it: beyond a mebibyte of lines that nobody takes, lines are dropped.
import { AssertionError } from "node:assert";
import { styleText } from "node:util";
import { LogError } from "@strandlog/log";
import { type Logger, pino } from "pino";

export type { Logger } from "pino";

export interface LoggerOptions {
  readonly level: string;
  /** JSON also where standard output is a terminal. */
  readonly json: boolean;
}

export interface ServingLogger {
  readonly logger: Logger;
  /** Settles when all lines have left. */
  close(): Promise<void>;
}

const pendingBytesMax = 1024 * 1024;
/** How long the last lines are waited for. */
const closeMsMax = 1000;

export function openLogger({ level, json }: LoggerOptions): ServingLogger {
  let isEnding = false;
  let isGone = false;
  // Before pino's own, which waits for whoever does not read.
  process.once("exit", () => {
    isEnding = true;
    leave(output);
  });
  const isForPeople = process.stdout.isTTY && !json;
  const output = pino.destination({
    dest: 1,
    sync: false,
    maxLength: pendingBytesMax,
    retryEAGAIN: () => !isEnding,
  });
  // Who reads it has gone: the broker's work goes on.
  output.on("error", () => {
    isGone = true;
  });
  const destination = isForPeople ? { write: (line: string) => output.write(readable(line)) } : output;
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      if (isGone) return resolve();
      const patience = setTimeout(() => {
        isEnding = true;
        leave(output);
        resolve();
      }, closeMsMax);
      output.once("close", () => {
        clearTimeout(patience);
        resolve();
      });
      output.end();
    });
  return { logger, close };
}

/** With what can be written at once. */
function leave(output: ReturnType<typeof pino.destination>): void {
  try {
    output.flushSync();
  } catch {
    // It has been left already, or is full.
  }
  output.destroy();
}

/** An error as fields of a line. What can only be a mistake of ours has a stack. */
export function errorFields(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { error: String(error) };
  const { message, stack } = error;
  if (error instanceof LogError) return { error: message, code: error.code };
  return ourMistakes.some((kind) => error instanceof kind) ? { error: message, stack } : { error: message };
}

const ourMistakes = [AssertionError, RangeError, ReferenceError, TypeError];

const colours = { debug: "dim", info: "green", warn: "yellow", error: "red", fatal: "red" } as const;

/** The same line for people. */
export function readable(line: string): string {
  const { level, time, event, msg, stack, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const colour = colours[level as keyof typeof colours];
  void event; // its message says it
  const details = Object.entries(fields).map(([name, value]) => `${name}=${valueText(value)}`);
  const parts = [
    styleText("dim", String(time).slice(11, 23)),
    styleText(colour, String(level).padEnd(5)),
    printable(String(msg)),
    ...(details.length === 0 ? [] : [styleText("dim", details.join(" "))]),
  ];
  const trace = typeof stack === "string" ? `${printable(stack.replaceAll("\n", "\n  ")).trimEnd()}\n` : "";
  return `${parts.join(" ")}\n${trace}`;
}

function valueText(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return /^[^\s"=]+$/.test(text) || typeof value !== "string" ? printable(text) : JSON.stringify(text);
}

/** What clients send may end up in a message: a terminal must not take it for a command. */
function printable(text: string): string {
  return text.replaceAll(/(?!\n)\p{Cc}/gu, "\ufffd");
}
