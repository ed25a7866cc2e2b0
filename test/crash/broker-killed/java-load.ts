// Kafka's Java producer as load, where there are java and mvn: IdempotentLoad.java beside this file.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { classpathOf, isInstalled } from "../../interop/maven.js";
import { type Account, filler } from "./account.js";

const clientVersion = "3.9.1";
const producer = "java";
const source = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

export class JavaLoad {
  readonly #account: Account;
  readonly #child: ChildProcess;
  readonly #gone: Promise<unknown>;
  #sent: number | undefined;

  constructor(classpath: string, bootstrap: string, topic: string, partitions: number, account: Account) {
    this.#account = account;
    account.sent(producer, Number.POSITIVE_INFINITY);
    const program = source("crash/broker-killed/IdempotentLoad.java");
    const args = ["-cp", classpath, program, bootstrap, topic, `${partitions}`];
    this.#child = spawn("java", args, { stdio: ["pipe", "pipe", "pipe"] });
    (this.#child.stdin as Writable).on("error", () => undefined).write(`${filler}\n`);
    createInterface({ input: this.#child.stdout as Readable }).on("line", (line) => this.#take(line));
    (this.#child.stderr as Readable).resume(); // It warns of each connection that breaks.
    this.#gone = once(this.#child, "close");
  }

  /** The jars, or why there are none. */
  static async find(): Promise<{ readonly classpath?: string; readonly skipped?: string }> {
    const missing = ["java", "mvn"].filter((name) => !isInstalled(name));
    if (missing.length > 0) return { skipped: `${missing.join(" and ")} not installed` };
    const pom = source("interop/clients/java/pom.xml");
    const classpath = await classpathOf(pom, { "kafka.version": clientVersion });
    return classpath === undefined ? { skipped: "Maven could not resolve Kafka's client" } : { classpath };
  }

  /** Settles when everything that was sent has been acknowledged. */
  async stop(): Promise<void> {
    (this.#child.stdin as Writable).end();
    await this.#gone;
    if (this.#sent === undefined) this.#account.fault("the Java producer ended before its time");
    else this.#account.sent(producer, this.#sent);
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  #take(line: string): void {
    const [word, ...args] = line.split(" ");
    const [first = 0, second = 0, third = 0] = args.map(Number);
    if (word === "ack") this.#account.acknowledged(first, second, { producer, n: third });
    else if (word === "sent") this.#sent = first;
    else this.#account.fault(`the Java producer: ${line}`);
  }
}
