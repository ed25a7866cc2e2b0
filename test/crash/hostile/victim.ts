// `strandlog serve`, to be attacked: one listener for everybody, one where clients have to say who they are. Tells how
// much memory it has taken at most.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { openLog } from "strandlog";
import { setUser } from "strandlog/broker";

const command: string = new URL("../../../../packages/strandlog/dist/cli/main.js", import.meta.url).pathname;
/** Of the heap: what clients send and read lies beside it. */
const heapMegabytesMax = 64;
/** As docs/guides/running.md says: what is free goes back to the system, instead of being kept for the next time. */
const littleMemory = { MALLOC_MMAP_THRESHOLD_: "131072", MALLOC_TRIM_THRESHOLD_: "131072" };
const errorsKept = 2000;
const places = "PLAINTEXT://127.0.0.1:0,SASL_PLAINTEXT://127.0.0.1:0";

export class Victim {
  readonly #child: ChildProcess;
  readonly port: number;
  /** Of the listener that asks its clients who they are. */
  readonly askingPort: number;
  #errors = "";

  constructor(child: ChildProcess, [port = 0, askingPort = 0]: readonly number[]) {
    this.#child = child;
    this.port = port;
    this.askingPort = askingPort;
    child.stderr?.on("data", (chunk) => {
      this.#errors = (this.#errors + chunk).slice(-errorsKept);
    });
  }

  static async start(directory: string): Promise<Victim> {
    const log = await openLog(directory);
    await setUser(log, "admin", "a long and random one");
    await log.close();
    const own = [`listeners=${places}`, "sasl.enabled.mechanisms=PLAIN"];
    const args = ["--data", directory, "--json", "serve", ...own.flatMap((each) => ["--override", each])];
    const execArgv = [`--max-old-space-size=${heapMegabytesMax}`, command];
    const env = { ...process.env, ...littleMemory };
    const child = spawn(process.execPath, [...execArgv, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
    const ports = await new Promise<number[]>((resolve, reject) => {
      child.once("exit", () => reject(new Error("the broker did not start")));
      createInterface({ input: child.stdout }).on("line", (line) => {
        const { event, listeners = [] } = JSON.parse(line) as { event: string; listeners?: string[] };
        if (event === "listening") resolve(listeners.map((place) => Number(place.split(":").at(-1))));
      });
    });
    return new Victim(child, ports);
  }

  /** Why it is not there any more, if so. */
  get death(): string | undefined {
    const { exitCode, signalCode } = this.#child;
    if (exitCode === null && signalCode === null) return undefined;
    return `the broker ended (${signalCode ?? exitCode}): ${this.#errors.trim().split("\n").slice(-3).join(" | ")}`;
  }

  /** The most that it has had in memory so far, in bytes; undefined where the system does not tell. */
  get peakBytes(): number | undefined {
    const path = `/proc/${this.#child.pid}/status`;
    if (!existsSync(path)) return undefined;
    const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(path, "utf8")) ?? [];
    return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
  }

  async end(): Promise<void> {
    if (this.death !== undefined) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
  }
}
