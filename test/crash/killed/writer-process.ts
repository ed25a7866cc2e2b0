// The parent's side of writer.ts: starts it ahead of time, gives it its orders, hears what it tells, kills it.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import type { Orders, Word } from "./workload.js";

const program: URL = new URL("writer.js", import.meta.url);
const hangMs = 60_000;

export class WriterProcess {
  readonly #child: ChildProcess;
  readonly #gone: Promise<unknown>;
  readonly #take: (word: Word, args: readonly string[]) => void;
  readonly #counts = new Map<Word, number>();
  #listeners: { word: Word; count: number; resolve: () => void }[] = [];
  /** Runs while somebody waits. */
  #patience: NodeJS.Timeout | undefined;
  #rest = "";
  #errors = "";
  isGone = false;

  constructor(take: (word: Word, args: readonly string[]) => void) {
    this.#take = take;
    this.#child = spawn(process.execPath, [program.pathname], { stdio: ["pipe", "ignore", "pipe", "pipe"] });
    (this.#child.stdio[3] as Readable).setEncoding("utf8").on("data", (text: string) => this.#hear(text));
    (this.#child.stderr as Readable).setEncoding("utf8").on("data", (text: string) => {
      this.#errors += text;
    });
    (this.#child.stdin as Writable).on("error", () => undefined); // It may be dead already.
    // "close" comes when all that it told has been heard.
    this.#gone = once(this.#child, "close").then(() => {
      this.isGone = true;
      for (const { resolve } of this.#listeners) resolve();
    });
  }

  order(orders: Orders): void {
    (this.#child.stdin as Writable).write(`${JSON.stringify(orders)}\n`);
  }

  askToClose(): void {
    (this.#child.stdin as Writable).write("close\n");
  }

  /** Settles when the word has been heard `count` times in all, or the process has ended. */
  async heard(word: Word, count = 1): Promise<void> {
    if (this.isGone || this.#heardOf(word) >= count) return;
    const wanted = new Promise<void>((resolve) => this.#listeners.push({ word, count, resolve }));
    await this.#orHang(wanted, word);
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#gone;
  }

  /** Until it has ended by itself. */
  async ended(): Promise<void> {
    await this.#orHang(this.#gone, "its end");
  }

  /** What it wrote to its standard error: nothing, unless it crashed. */
  get errors(): string {
    return this.#errors.trim();
  }

  /** A process that says nothing more hangs: it is killed, and that is an error. */
  async #orHang(wanted: Promise<unknown>, what: string): Promise<void> {
    this.#patience = setTimeout(() => {
      this.#take("fault", [`nothing for ${hangMs / 1000} s, while ${what} was awaited`]);
      this.#child.kill("SIGKILL");
    }, hangMs);
    await wanted;
    clearTimeout(this.#patience);
    this.#patience = undefined;
  }

  #hear(text: string): void {
    this.#patience?.refresh();
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      const [word, ...args] = line.split(" ") as [Word, ...string[]];
      this.#take(word, args);
      this.#counts.set(word, this.#heardOf(word) + 1);
    }
    this.#wake();
  }

  #heardOf(word: Word): number {
    return this.#counts.get(word) ?? 0;
  }

  #wake(): void {
    const isDue = ({ word, count }: { word: Word; count: number }): boolean => this.#heardOf(word) >= count;
    const due = this.#listeners.filter(isDue);
    this.#listeners = this.#listeners.filter((listener) => !isDue(listener));
    for (const { resolve } of due) resolve();
  }
}
