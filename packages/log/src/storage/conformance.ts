// The contract of contracts.ts as tests, for whoever writes a driver: run it with your test runner against a fresh
// storage. The manifest's capabilities decide which tests there are; what it leaves open, they do not look at.
import assert from "node:assert/strict";
import { testAppends } from "./conformance-append.js";
import { testCompaction } from "./conformance-compaction.js";
import { testDeletion } from "./conformance-deletion.js";
import { testMetadata } from "./conformance-metadata.js";
import { testPersistence } from "./conformance-persistence.js";
import { testReads } from "./conformance-read.js";
import {
  type ConformanceOptions,
  type OpenedStorage,
  type Register,
  withPartition,
} from "./conformance-tools.js";

export type { ConformanceOptions, OpenedStorage };

/** Registers the whole suite. */
export function storageConformance(options: ConformanceOptions): void {
  const register: Register = (name, action) => {
    options.test(`${options.name}: ${name}`, async () => {
      await within(options.timeoutMs ?? 10_000, name, async () => {
        const opened = await options.open();
        try {
          await action(opened);
        } finally {
          await opened.storage.close();
        }
      });
    });
  };
  register("the manifest says what the suite was told", async ({ storage }) => {
    const { atomicGroups, singleWriter, persistent, readOnly, name, groupBytesMax } = storage.manifest;
    assert.deepEqual({ atomicGroups, singleWriter, persistent, readOnly }, options.manifest);
    assert.ok(name.length > 0);
    assert.ok(groupBytesMax > 0);
  });
  testAppends(register, options.manifest);
  testReads(register);
  testDeletion(register);
  testCompaction(register);
  testMetadata(register, options.manifest);
  if (options.manifest.persistent) testPersistence(register);
  testClosing(register);
}

/** A driver that waits for ever fails its test, and cannot end the process by having nothing left to do. */
async function within(limitMs: number, name: string, action: () => Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${name}: not after ${limitMs} ms`)), limitMs);
  });
  try {
    await Promise.race([action(), tooLate]);
  } finally {
    clearTimeout(timer);
  }
}

function testClosing(test: Register): void {
  test("closing twice is closing once", async ({ storage }) => {
    await withPartition(storage);
    await Promise.all([storage.close(), storage.close()]);
    await storage.close();
  });

  test("closing wakes who watches a partition", async ({ storage }) => {
    const id = await withPartition(storage);
    const watched = storage.watch(id, 0);
    await storage.close();
    await Promise.allSettled([watched]);
  });
}
