// A disk of a few megabytes for a program that fills it: a tmpfs in a mount namespace of the program's own, so that it
// is gone when the program ends, however it ends.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";

export interface SmallDisk {
  /** Runs a program with the disk's directory as its first argument. */
  run(program: string, ...args: readonly string[]): Promise<{ failed: boolean; said: string }>;
}

const hangMs = 120_000;
const mountAndRun = 'mount -t tmpfs -o "size=$1" tmpfs "$2" && shift 2 && exec "$@"';
/** Where one may mount: as root, or as anybody if the system gives users namespaces. */
const ways: readonly (readonly string[])[] = [["--mount"], ["--mount", "--map-root-user"]];

/** Such disks, or why there can be none. */
export function smallDisk(megabytes: number): SmallDisk | string {
  let why = "";
  for (const way of ways) {
    const args = (directory: string, ...command: string[]): string[] => [
      ...way,
      ...["sh", "-c", mountAndRun, "sh", `${megabytes}m`, directory],
      ...command,
    ];
    const { status, stderr, error } = inDirectory((directory) =>
      spawnSync("unshare", args(directory, "true"), { encoding: "utf8" }),
    );
    if (status === 0) return { run: (program, ...more) => runOn(args, program, more) };
    why = error?.message ?? stderr.trim();
  }
  return `a small disk cannot be mounted here: ${why}`;
}

async function runOn(
  argsFor: (directory: string, ...command: string[]) => string[],
  program: string,
  more: readonly string[],
): Promise<{ failed: boolean; said: string }> {
  return inDirectory(async (directory) => {
    const child = spawn("unshare", argsFor(directory, process.execPath, program, directory, ...more), {
      stdio: ["ignore", "pipe", "inherit"],
      timeout: hangMs,
      killSignal: "SIGKILL",
    });
    const ended = once(child, "close");
    const said = await text(child.stdout);
    const [status, signal] = (await ended) as [number | null, string | null];
    return { failed: status !== 0, said: signal === null ? said : `${said}\nended by ${signal}` };
  });
}

/** Gives the action a place to mount the disk at. */
function inDirectory<T>(action: (directory: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), "strandlog-disk-"));
  const remove = (): void => rmdirSync(directory);
  const result = action(directory);
  if (result instanceof Promise) return result.finally(remove) as T;
  remove();
  return result;
}
