// The library that stands between the story's process and its system calls: compiled from shim.c by the machine's own
// compiler, since it has to fit the machine's C library.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const source: string = fileURLToPath(new URL("../../../crash/syscalls/shim.c", import.meta.url));

type CallKind = "write" | "sync" | "open" | "look" | "cut" | "rename" | "remove" | "make";
type FaultKind = "EIO" | "ENOSPC" | "EMFILE" | "short" | "before" | "after";

/** Which call is struck, and how; the words are those of shim.c. */
export interface Fault {
  readonly kind: CallKind;
  readonly number: number;
  readonly what: FaultKind;
  readonly how: "once" | "always";
}

/** Compiles the library; answers why that cannot be done here, or undefined. */
export function compileShim(library: string): string | undefined {
  if (process.platform !== "linux") return "libraries are loaded before a program only on Linux";
  const { status, error, stderr } = spawnSync(
    "cc",
    ["-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"],
    { encoding: "utf8" },
  );
  if (error !== undefined) return `there is no C compiler: ${error.message}`;
  return status === 0 ? undefined : `the C compiler refuses: ${stderr.trim()}`;
}

/** What a process needs in its environment to have its calls below a directory counted, and one of them struck. */
export function shimEnvironment(
  library: string,
  root: string,
  trace: string,
  fault: Fault | undefined,
): Record<string, string> {
  return {
    LD_PRELOAD: library,
    CALLS_ROOT: root,
    CALLS_TRACE: trace,
    ...(fault === undefined ? {} : { CALLS_FAULT: faultText(fault) }),
  };
}

export function faultText({ kind, number, what, how }: Fault): string {
  return `${kind} ${number} ${what} ${how}`;
}

const faultsOf: Readonly<Record<CallKind, readonly FaultKind[]>> = {
  write: ["EIO", "ENOSPC", "short", "before", "after"],
  sync: ["EIO", "ENOSPC", "before", "after"],
  open: ["EIO", "ENOSPC", "EMFILE", "before", "after"],
  look: ["EMFILE"],
  cut: ["EIO", "ENOSPC", "before", "after"],
  rename: ["EIO", "ENOSPC", "before", "after"],
  remove: ["EIO", "ENOSPC", "before", "after"],
  make: ["EIO", "ENOSPC", "before", "after"],
};

/** Each call of a trace with each of its faults, once and for good; every second kill comes after short writes. */
export function faultsFor(trace: string): Fault[] {
  const faults: Fault[] = [];
  for (const line of trace.split("\n")) {
    const [kind, text] = line.split(" ") as [CallKind, string];
    const number = Number(text);
    for (const what of faultsOf[kind] ?? []) {
      const isKill = what === "before" || what === "after";
      if (!isKill || number % 2 === 0) faults.push({ kind, number, what, how: "always" });
      if (!isKill || number % 2 === 1) faults.push({ kind, number, what, how: "once" });
    }
  }
  return faults;
}
