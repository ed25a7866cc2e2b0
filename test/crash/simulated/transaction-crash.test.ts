// A transaction that is killed at every step of its way to the disk leaves all of it or nothing.
import { deepEqual, ok } from "node:assert/strict";
import { test } from "node:test";
import type { Log } from "@strandlog/log";
import { openLog } from "@strandlog/log";
import type { CrashKind } from "@strandlog/log/testing";
import { Crashed, Simulation } from "@strandlog/log/testing";

const kibibyte = 1024;

function open(machine: Simulation): Promise<Log> {
  const settings = { journalFileBytes: 64 * kibibyte, journalBytesMax: 128 * kibibyte, lanes: 1 };
  return openLog("/disk/log", { ...settings, ...machine.options() });
}

/** A log with three topics and a record each, then a transaction over all of them and an append under an id. */
async function runTransaction(machine: Simulation, begun: () => void): Promise<void> {
  const log = await open(machine);
  const topics = [await log.topic("a"), await log.topic("b", { durability: "os" }), await log.topic("c")];
  for (const topic of topics) await topic.append({ value: "before" });
  begun();
  const transaction = log.transaction((tx) => {
    for (const topic of topics) tx.append(topic, { value: "x".repeat(3000) });
    for (const topic of topics) tx.append(topic, { value: "y" });
  });
  const once = topics[0]?.append({ value: "once" }, { dedupeId: "id" });
  await transaction;
  await once;
  await log.close();
}

async function counts(log: Log): Promise<number[]> {
  const found: number[] = [];
  for (const name of ["a", "b", "c"]) {
    let count = 0;
    for await (const record of (await log.topic(name)).read()) if (`${record.value}` !== "once") count++;
    found.push(count);
  }
  return found;
}

for (const kind of ["power", "process"] satisfies CrashKind[]) {
  test(`a ${kind} failure at any step of a transaction leaves all of it or nothing`, async () => {
    const outcomes = new Set<string>();
    let isOver = false;
    for (let step = 0; !isOver; step++) {
      for (let seed = 1; seed <= 8; seed++) {
        const machine = new Simulation(seed);
        const arm = (): void => machine.crashAfter(step, kind);
        isOver = await machine.run(runTransaction(machine, arm)).then(
          () => true,
          (error: unknown) => {
            if (!(error instanceof Crashed)) throw error;
            return false;
          },
        );
        machine.disarm();
        machine.crash(kind);
        const left = await machine.run(open(machine).then(counts));
        ok(new Set(left).size === 1, `step ${step}, seed ${seed} left ${left}`);
        outcomes.add(`${left}`);
        await machine.run(retryOnce(machine));
      }
    }
    deepEqual([...outcomes].sort(), ["1,1,1", "3,3,3"]);
  });
}

/** Whatever became of the first try, a retry leaves the record there once. */
async function retryOnce(machine: Simulation): Promise<void> {
  machine.crash("process");
  const topic = await (await open(machine)).topic("a");
  const { offset } = await topic.append({ value: "once" }, { dedupeId: "id" });
  const offsets: number[] = [];
  for await (const record of topic.read()) if (`${record.value}` === "once") offsets.push(record.offset);
  deepEqual(offsets, [offset]);
}
