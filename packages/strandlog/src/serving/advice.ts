// A start that has failed: what is to be done about it.
import { LogError } from "@strandlog/log";

/** The error, with what may help, if anything is known to. */
export function withAdvice(error: unknown, data: string): unknown {
  if (!(error instanceof LogError)) return error;
  const advice = adviceOn(error, data);
  if (advice === undefined) return error;
  const { code, message, cause, details } = error;
  return new LogError(code, `${message}; ${advice}`, { cause, details });
}

function adviceOn({ code, message, cause, details }: LogError, data: string): string | undefined {
  const system = (cause as NodeJS.ErrnoException | undefined)?.code;
  if (message.startsWith("cannot listen on")) return listening[system ?? ""];
  if (code === "LOCKED") return "a directory has one broker: stop that one, or give another --data";
  if (code === "FOREIGN_DIRECTORY") return foreign[String(details["file"])];
  if (code === "DISK_FULL") return `free some space where ${data} is: nothing that was acknowledged is lost`;
  if (code.startsWith("CORRUPT_")) return `see strandlog verify --data ${data}, then strandlog repair`;
  if (system === "EACCES" || system === "EROFS") return `${data} must be writable for the broker's user`;
  return undefined;
}

/** By what was found there. */
const foreign: Readonly<Record<string, string | undefined>> = {
  "lost+found": "a file system's own directory is there: give one below it",
  "meta.properties":
    "a Kafka broker's directory cannot be taken over: copy its topics with Kafka's own tools",
};

const listening: Readonly<Record<string, string | undefined>> = {
  EADDRINUSE: "another program listens there: stop it, or give another port",
  EACCES: "ports below 1024 need rights of their own: give a higher one",
  EADDRNOTAVAIL: "this machine has no such address: 0.0.0.0 is all that it has",
  ENOTFOUND: "the name is not known on this machine",
};
