// Memory that is used again: nobody's answer is written over while it is on its way.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openLog, type RawSlice } from "@strandlog/log";
import { apis } from "@strandlog/protocol";
import { fetchMemoryBytes, fetchMemoryKept } from "./limits.js";
import { ReadMemory } from "./read-memory.js";
import { accepted, Client, fetchFrom, serve } from "./test-support.js";

const nothing: RawSlice = {
  chunks: [],
  length: 0,
  startOffset: 0,
  next: 0,
  logStartOffset: 0,
  highWatermark: 0,
  lastStableOffset: 0,
  aborted: [],
};
const count = 16;
const value = (n: number): Buffer => Buffer.alloc(900_000, n + 1);

test("what a slow client has not taken is not written over by what others fetch", async (t) => {
  const directory = await inSegments();
  const { broker } = await serve(t, {}, {}, directory);
  t.after(() => rmSync(directory, { recursive: true }));
  const ends = accepted(t);
  const slow = await Client.connect(t, broker);
  const quick = await Client.connect(t, broker);
  const fetch = (offset: number) => fetchFrom("t", offset, { partitionMaxBytes: fetchMemoryBytes });

  slow.socket.pause();
  for (let n = 0; n < count; n++) slow.send(apis.fetch, 11, fetch(n));
  await quick.until(() => ends.length === 2);
  await quick.untilAtRest(ends[0] as Socket);
  for (let n = 0; n < 3 * count; n++)
    checkAnswer(await quick.request(apis.fetch, 11, fetch(n % count)), n % count);
  slow.socket.resume();
  for (let n = 0; n < count; n++) checkAnswer((await slow.receive(apis.fetch, 11)).body, n);
});

test("memory is used again when a loan has ended, and only if it was used", async (t) => {
  const directory = await inSegments();
  const log = await openLog(directory);
  t.after(async () => {
    await log.close();
    rmSync(directory, { recursive: true });
  });
  const partition = (await log.existingTopic("t")).partition(0);
  const memories: (Buffer | undefined)[] = [];
  const readMemory = new ReadMemory();
  const readFrom = (loan: ReturnType<ReadMemory["lend"]>, from: number) =>
    loan.read((memory) => {
      memories.push(memory);
      return partition.readRaw({ from, ...(memory && { memory }) });
    });

  const first = readMemory.lend();
  await readFrom(first, 0);
  await readFrom(first, count); // there is nothing
  await readFrom(first, 1);
  assert.equal(new Set(memories).size, 2);
  assert.equal(memories[1], memories[2]);
  first.end();
  first.end();
  const second = readMemory.lend();
  await readFrom(second, 2);
  await readFrom(second, 3);
  assert.equal(new Set(memories).size, 2);
  assert.notEqual(memories[3], memories[4]);
});

test("very many who look at once do not each take memory, and there is some again afterwards", async () => {
  const readMemory = new ReadMemory();
  let goOn: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const memories: (Buffer | undefined)[] = [];
  const looks = Array.from({ length: 1000 }, (_, n) =>
    readMemory.lend().read(async (memory) => {
      memories.push(memory);
      await held;
      if (n % 2 > 0) throw new Error("a read that fails");
      return nothing;
    }),
  );
  assert.equal(memories.filter((memory) => memory !== undefined).length, fetchMemoryKept);
  goOn();
  await Promise.allSettled(looks);
  await readMemory.lend().read(async (memory) => {
    assert.ok(memory !== undefined);
    assert.ok(memories.includes(memory));
    return nothing;
  });
});

/** A directory whose records are all in segment files. */
async function inSegments(): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), "strandlog-"));
  const log = await openLog(directory);
  const topic = await log.topic("t");
  for (let n = 0; n < count; n++) await topic.append({ value: value(n) });
  await log.close();
  return directory;
}

function checkAnswer({ responses }: (typeof apis.fetch)["response"]["decoded"], n: number): void {
  const [partition] = responses[0]?.partitions ?? [];
  assert.ok(partition?.records?.includes(value(n)), `the answer holds record ${n}`);
}
