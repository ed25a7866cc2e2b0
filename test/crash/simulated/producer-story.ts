// A producer of Kafka's that is interrupted at every step on its way to the disk: what it sends again is stored once, and
// its transaction ends everywhere or nowhere.
import { deepEqual, equal, ok } from "node:assert/strict";
import { type Log, openLog, type Topic } from "@strandlog/log";
import { BatchBuilder } from "@strandlog/log/storage";
import { Crashed, type CrashKind, quiet, Simulation, Violation } from "@strandlog/log/testing";
import { crc32c } from "../crc32c.js";

const kibibyte = 1024;
const batchCount = 3;

function open(machine: Simulation): Promise<Log> {
  const settings = { journalFileBytes: 64 * kibibyte, journalBytesMax: 128 * kibibyte, lanes: 1 };
  return openLog("/disk/log", { ...settings, ...machine.options() });
}

function produced(sequence: number): Buffer {
  const builder = new BatchBuilder(128);
  builder.append(null, `${sequence}`.padEnd(3000, "."), undefined, Date.UTC(2026, 0, 1));
  const batch = builder.seal({ baseOffset: 0, partitionLeaderEpoch: 0, compression: "none" });
  batch.writeInt16BE(0x10, 21);
  batch.writeBigInt64BE(7n, 43);
  batch.writeInt16BE(0, 51);
  batch.writeInt32BE(sequence, 53);
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
  return batch;
}

/** What the producer has heard of, outside the log. */
interface Heard {
  acknowledged: number;
  isEnded: boolean;
}

async function topicsOf(log: Log): Promise<Topic[]> {
  return [await log.topic("a"), await log.topic("b", { durability: "os" })];
}

/** Sends all that has not been acknowledged, to both topics, and ends the transaction. */
async function produce(log: Log, heard: Heard): Promise<void> {
  const topics = await topicsOf(log);
  for (; heard.acknowledged < batchCount; heard.acknowledged++) {
    for (const topic of topics)
      await topic.appendBatch(0, produced(heard.acknowledged), { idempotent: true, durability: "disk" });
    // What is deleted is still known.
    if (heard.acknowledged === 1) await topics[0]?.partition(0).deleteRecords(2);
  }
  if (heard.isEnded) return;
  const state = await log.storage.metadata.get("state");
  if (state === undefined) {
    await log.endTransaction({
      producerId: 7,
      producerEpoch: 0,
      isCommit: true,
      partitions: topics.map((topic) => ({ topic, partition: 0 })),
      progress: [topics[0]?.progress("billing", new Map([[0, { offset: 1 }]]))].filter(
        (each) => each !== undefined,
      ),
      metadata: [{ key: "state", value: "ended" }],
    });
  }
  heard.isEnded = true;
}

/** All of the end, or nothing of it. */
async function check(log: Log, heard: Heard): Promise<void> {
  const ends: boolean[] = [(await log.storage.metadata.get("state")) !== undefined];
  for (const topic of await topicsOf(log)) {
    const { highWatermark } = await topic.partition(0).describe();
    const stable = await topic.partition(0).endOffset("read_committed");
    ok(highWatermark >= heard.acknowledged, `${highWatermark} of ${heard.acknowledged}`);
    ends.push(highWatermark > batchCount);
    // Nothing of an open transaction is stable.
    if (highWatermark > 0) equal(stable, highWatermark > batchCount ? highWatermark : 0);
  }
  ends.push((await (await log.topic("a")).committed("billing")).size > 0);
  equal(new Set(ends).size, 1, `${ends}`);
  if (heard.isEnded) ok(ends[0]);
}

/** Interrupts its life at each step, with several lots. Answers how many steps it takes. */
export async function interruptProducer(kind: CrashKind, seeds: number): Promise<number> {
  for (let step = 0; ; step++) {
    let isOver = false;
    for (let seed = 1; seed <= seeds; seed++) {
      const machine = new Simulation(seed);
      const heard: Heard = { acknowledged: 0, isEnded: false };
      try {
        await machine.run(live(machine, heard, () => machine.crashAfter(step, kind)));
        isOver = true;
      } catch (error) {
        if (!(error instanceof Crashed)) throw error;
      }
      machine.disarm();
      machine.crash(kind);
      await machine.run(liveAgain(machine, heard)).catch((error: unknown) => {
        throw new Violation(`step ${step}, seed ${seed}: ${(error as Error).message}`, { cause: error });
      });
    }
    if (isOver) return step;
  }
}

async function live(machine: Simulation, heard: Heard, arm: () => void): Promise<void> {
  const log = await open(machine);
  await topicsOf(log);
  arm();
  await produce(log, heard);
  await log.close();
}

async function liveAgain(machine: Simulation, heard: Heard): Promise<void> {
  const log = await open(machine);
  await check(log, heard);
  await produce(log, heard);
  await check(log, heard);
  const ends = (await topicsOf(log)).map(async (topic) => (await topic.partition(0).describe()).logEndOffset);
  deepEqual(await Promise.all(ends), [batchCount + 1, batchCount + 1]);
  await log.close();
}

/** Nothing of a transaction is stable as long as its end is not on the disk. */
export async function lookWhileATransactionEnds(): Promise<void> {
  const machine = new Simulation(1);
  const log = await machine.run(open(machine));
  const [topic] = await machine.run(topicsOf(log));
  if (topic === undefined) throw new Error("there is a topic");
  await machine.run(Promise.resolve(topic.appendBatch(0, produced(0), { idempotent: true })));
  const partitions = [{ topic, partition: 0 }];
  const end = { producerId: 7, producerEpoch: 0, isCommit: true, partitions, progress: [], metadata: [] };
  let isEnded = false;
  const ended = log.endTransaction(end).then(() => {
    isEnded = true;
  });
  for (;;) {
    await quiet();
    const stable = await topic.partition(0).endOffset("read_committed");
    if (stable > 0 && (await topic.partition(0).describe()).highWatermark < 2)
      throw new Violation(`the stable offset is ${stable} before the end of the transaction can be seen`);
    if (isEnded) break;
    await machine.step();
  }
  await ended;
}
