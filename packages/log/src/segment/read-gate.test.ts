import assert from "node:assert/strict";
import { test } from "node:test";
import { isPending, ManualClock } from "../test-support.js";
import { ReadGate } from "./read-gate.js";

const mebibyte = 1024 * 1024;

/** Moves the clock until `reads` have ended; answers how long that took. */
async function elapsed(clock: ManualClock, reads: Promise<unknown>): Promise<number> {
  const startMs = clock.elapsedMs();
  while (await isPending(reads)) clock.advance(1);
  return clock.elapsedMs() - startMs;
}

function readMany(gate: ReadGate, count: number, bytes: number): Promise<unknown> {
  return Promise.all(Array.from({ length: count }, () => gate.run(bytes, () => Promise.resolve())));
}

test("two read at a time, the others in the order in which they came", async () => {
  const gate = new ReadGate(new ManualClock());
  const begun: number[] = [];
  const release: (() => void)[] = [];
  const reads = [0, 1, 2, 3].map((n) =>
    gate.run(1, () => {
      begun.push(n);
      return new Promise<void>((resolve) => release.push(resolve));
    }),
  );
  await new Promise(setImmediate);
  assert.deepEqual(begun, [0, 1]);
  for (let n = 0; n < 4; n++) {
    release[n]?.();
    await reads[n];
    await new Promise(setImmediate);
  }
  assert.deepEqual(begun, [0, 1, 2, 3]);
});

test("nothing is held back without a writer, or while it has nothing to do", async () => {
  const clock = new ManualClock();
  const gate = new ReadGate(clock);
  assert.equal(await elapsed(clock, readMany(gate, 100, mebibyte)), 0);
  gate.writer = { isBusy: false, bytesWritten: 0 };
  assert.equal(await elapsed(clock, readMany(gate, 100, mebibyte)), 0);
});

test("beside a busy writer all readers together get 256 KiB a millisecond", async () => {
  const clock = new ManualClock();
  const gate = new ReadGate(clock);
  gate.writer = { isBusy: true, bytesWritten: 0 };
  const ms = await elapsed(clock, readMany(gate, 100, mebibyte));
  assert.ok(ms > 380 && ms <= 410, `${ms} ms`);
});

test("readers that are behind catch up with a writer, however fast it writes", async () => {
  const clock = new ManualClock();
  const gate = new ReadGate(clock);
  // Half a gigabyte a second: it takes 600 ms to write what is read here.
  const writer = {
    isBusy: true,
    get bytesWritten(): number {
      return (clock.elapsedMs() * mebibyte) / 2;
    },
  };
  gate.writer = writer;
  const ms = await elapsed(clock, readMany(gate, 300, mebibyte));
  assert.ok(ms < 400, `${ms} ms`);
});

test("a read that fails gives its place to the next", async () => {
  const gate = new ReadGate(new ManualClock());
  for (let n = 0; n < 5; n++)
    await assert.rejects(
      gate.run(1, () => Promise.reject(new Error("no"))),
      /no/,
    );
  await readMany(gate, 5, 1);
});
