import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "@strandlog/log";
import { closedOrStuck } from "./closing.js";

/** Its timers fire when the test says so. */
function manualClock(): Clock & { fire(): void; readonly isWaiting: boolean } {
  let callback: (() => void) | undefined;
  return {
    now: () => 0,
    elapsedMs: () => 0,
    randomBytes: (count) => Buffer.alloc(count),
    startTimer(_, called) {
      callback = called;
      return { cancel: () => (callback = undefined) };
    },
    fire() {
      callback?.();
    },
    get isWaiting() {
      return callback !== undefined;
    },
  };
}

test("a log that closes is waited for, also while the disk is full for a moment", async () => {
  const clock = manualClock();
  const { promise, resolve } = withResolvers();
  let trouble: string | undefined = "full";
  const closed = closedOrStuck(promise, () => trouble, clock);
  for (let n = 0; n < 9; n++) clock.fire();
  trouble = undefined;
  clock.fire();
  trouble = "full";
  for (let n = 0; n < 9; n++) clock.fire();
  resolve();
  assert.equal(await closed, undefined);
  assert.equal(clock.isWaiting, false);
});

test("a log that a full disk keeps from closing is left after ten seconds, with the reason", async () => {
  const clock = manualClock();
  const closed = closedOrStuck(new Promise(() => undefined), () => "full", clock);
  for (let n = 0; n < 10; n++) clock.fire();
  assert.equal(await closed, "full");
});

test("what goes wrong in closing is told", async () => {
  await assert.rejects(
    closedOrStuck(Promise.reject(new Error("oh")), () => undefined, manualClock()),
    /oh/,
  );
});

function withResolvers(): { readonly promise: Promise<void>; resolve(): void } {
  let resolve!: () => void;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
