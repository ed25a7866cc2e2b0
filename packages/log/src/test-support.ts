// What the tests share: temporary directories, the drivers that the face runs on, a clock that tests move, and a real
// disk that a test may hold up or let fail. No part of the package that people install.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type Clock, systemClock } from "./clock.js";
import { type ErrorCode, LogError } from "./errors.js";
import type { Log } from "./face/log.js";
import { type File, type FileSystem, nodeFileSystem } from "./fs/index.js";
import { type LogOptions, openLog } from "./open.js";

const cleanups = new WeakMap<TestContext, (() => Promise<void> | void)[]>();

/** Calls back after the test, the last registered first: a log is closed before its directory goes. */
export function cleanUp(t: TestContext, action: () => Promise<void> | void): void {
  let actions = cleanups.get(t);
  if (actions === undefined) {
    const stack: (() => Promise<void> | void)[] = [];
    actions = stack;
    cleanups.set(t, stack);
    t.after(async () => {
      for (let next = stack.pop(); next !== undefined; next = stack.pop()) await next();
    });
  }
  actions.push(action);
}

/** A directory of its own on the real disk, gone after the test. */
export function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "strandlog-test-"));
  cleanUp(t, () => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** The partitions that have files in a data directory. */
export function partitionDirectories(directory: string): string[] {
  const entries = readdirSync(`${directory}/topics`, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

/** The drivers that the public API is tested on. */
export const driverNames = ["file", "memory"] as const;

export type DriverName = (typeof driverNames)[number];

/** An open log, closed after the test. */
export async function openTestLog(t: TestContext, driver: DriverName, options?: LogOptions): Promise<Log> {
  const log = await openLog(driver === "file" ? temporaryDirectory(t) : "memory:", options);
  cleanUp(t, () => settlesSoon(log.close(), "close"));
  return log;
}

/** A log in a directory that the test knows, closed after the test. */
export async function openAt(t: TestContext, directory: string, options?: LogOptions): Promise<Log> {
  const log = await openLog(directory, options);
  cleanUp(t, () => settlesSoon(log.close(), "close"));
  return log;
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** The values as text, in order. */
export async function valuesOf(records: AsyncIterable<{ value: Buffer | null }>): Promise<string[]> {
  return (await collect(records)).map(({ value }) => value?.toString() ?? "null");
}

/** For assert.rejects and assert.throws. */
export function withCode(code: ErrorCode): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof LogError, `a LogError ${code} was expected, not ${String(error)}`);
    assert.equal(error.code, code, error.message);
    return true;
  };
}

/** So long nothing takes, on whatever machine, unless it never ends. */
const patienceMs = 60_000;

/** Settles with the promise, or fails when it takes so long that it never will. */
export async function settlesSoon<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new assert.AssertionError({ message: `${what} hangs` })), patienceMs);
  });
  try {
    return await Promise.race([promise, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}

/** Whether the promise is still pending once everything that is ready to run has run. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol("pending");
  const first = await Promise.race([
    promise.then(
      () => undefined,
      () => undefined,
    ),
    new Promise((resolve) => setImmediate(() => setImmediate(() => resolve(pending)))),
  ]);
  return first === pending;
}

/** Time stands still until the test moves it. Randomness is the system's. */
export class ManualClock implements Clock {
  #now: number;
  #elapsed = 0;
  #timers: { due: number; callback: () => void }[] = [];

  constructor(now = 1_700_000_000_000) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  elapsedMs(): number {
    return this.#elapsed;
  }

  startTimer(delayMs: number, callback: () => void): { cancel(): void } {
    const timer = { due: this.#elapsed + delayMs, callback };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  randomBytes(count: number): Buffer {
    return systemClock.randomBytes(count);
  }

  get timerCount(): number {
    return this.#timers.length;
  }

  /** Moves both clocks and calls back what is due. */
  advance(ms: number): void {
    this.#now += ms;
    this.#elapsed += ms;
    const due = this.#timers.filter((timer) => timer.due <= this.#elapsed);
    this.#timers = this.#timers.filter((timer) => timer.due > this.#elapsed);
    for (const { callback } of due.sort((left, right) => left.due - right.due)) callback();
  }
}

export type DiskOperation =
  | "open"
  | "read"
  | "write"
  | "writeSynced"
  | "sync"
  | "rename"
  | "remove"
  | "syncDirectory";

/** Called before each operation: may wait, or throw what the disk shall answer. */
export type DiskHook = (operation: DiskOperation, path: string) => Promise<void> | void;

/** The real disk, with a hook before what changes or reads it. */
export function hookedFileSystem(hook: DiskHook): FileSystem {
  const hookFile = (file: File, path: string): File => ({
    read: async (buffer, length, position) => {
      await hook("read", path);
      return file.read(buffer, length, position);
    },
    write: async (pieces, position) => {
      await hook("write", path);
      return file.write(pieces, position);
    },
    writeSynced: async (pieces, position) => {
      await hook("writeSynced", path);
      return file.writeSynced(pieces, position);
    },
    sync: async () => {
      await hook("sync", path);
      return file.sync();
    },
    truncate: (length) => file.truncate(length),
    size: () => file.size(),
    close: () => file.close(),
  });
  return {
    ...nodeFileSystem,
    open: async (path, mode) => {
      await hook("open", path);
      return hookFile(await nodeFileSystem.open(path, mode), path);
    },
    rename: async (from, to) => {
      await hook("rename", to);
      return nodeFileSystem.rename(from, to);
    },
    remove: async (path) => {
      await hook("remove", path);
      return nodeFileSystem.remove(path);
    },
    removeDirectory: async (path) => {
      await hook("remove", path);
      return nodeFileSystem.removeDirectory(path);
    },
    syncDirectory: async (path) => {
      await hook("syncDirectory", path);
      return nodeFileSystem.syncDirectory(path);
    },
  };
}

/** Holds up the first operation that matches, tells when it got there, and lets it go on when asked. */
export class Gate {
  readonly reached: Promise<void>;
  readonly hook: DiskHook;
  #isOpen = false;
  #arrive!: () => void;
  #letGo!: () => void;
  readonly #released: Promise<void>;

  constructor(matches: (operation: DiskOperation, path: string) => boolean) {
    this.reached = new Promise((resolve) => {
      this.#arrive = resolve;
    });
    this.#released = new Promise((resolve) => {
      this.#letGo = resolve;
    });
    this.hook = (operation, path) => {
      if (this.#isOpen || !matches(operation, path)) return undefined;
      this.#arrive();
      return this.#released;
    };
  }

  release(): void {
    this.#isOpen = true;
    this.#letGo();
  }
}
