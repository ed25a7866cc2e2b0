// Short stories for the mutants that random histories cannot notice, each with one way to go wrong. They throw when it
// does; on the engine as it is they pass.
import type { LogRecord } from "@strandlog/log";
import { Simulation, Violation } from "@strandlog/log/testing";
import { interruptCompaction } from "../simulated/compaction-story.js";
import { interruptProducer, lookWhileATransactionEnds } from "../simulated/producer-story.js";
import {
  atEveryStep,
  closedLog,
  expectClean,
  expectSame,
  flip,
  journalChange,
  kibibyte,
  long,
  lots,
  mustFail,
  often,
  open,
  openedLog,
  pause,
  topicOf,
  unlessCrashed,
  values,
} from "./scenario-tools.js";

export type ScenarioName =
  | "damage in a segment is reported"
  | "a batch in the place of another is reported"
  | "a torn header is no block"
  | "damage of a synced block is reported"
  | "damage of the checkpoint file is reported"
  | "a log has one writer"
  | "a transaction is durable"
  | "a transaction is there as a whole or not at all"
  | "an append under an id is there once"
  | "a group's progress is durable"
  | "retention waits for every group"
  | "a clean close leaves everything in segments"
  | "what a failed checkpoint wrote is cut off"
  | "what an interrupted checkpoint left is cleared away"
  | "a wrong index is made anew"
  | "the making of a log may be interrupted twice"
  | "a deletion that is refused changes nothing"
  | "a deletion that may not have been synced can be interrupted"
  | "a topic may be made again though files of the old one are left"
  | "a compaction may be interrupted anywhere"
  | "a producer may be interrupted anywhere"
  | "a transaction is open until its end can be seen"
  | "what a reader has seen survives"
  | "a sync makes all durable";

const checkpointPath = "/disk/log/checkpoint";
const segmentPath = "/disk/log/topics/t-0/00000000000000000000.log";

export const scenarios: Readonly<Record<ScenarioName, () => Promise<void>>> = {
  "damage in a segment is reported": async () => {
    const machine = await closedLog(["first", "second", "third"]);
    flip(machine, segmentPath, (content) => content.indexOf("second"));
    await mustFail(machine, "CORRUPT_SEGMENT", async () => values(await topicOf(machine)));
  },
  "a batch in the place of another is reported": async () => {
    const machine = await closedLog(["first", "other", "third"]);
    const file = machine.disk.file(segmentPath);
    const content = file?.content ?? Buffer.alloc(0);
    const each = content.length / 3;
    file?.damage(each, content.subarray(2 * each));
    await mustFail(machine, "CORRUPT_SEGMENT", async () => values(await topicOf(machine)));
  },
  "a torn header is no block": async () => {
    const machine = await openedLog();
    const topic = await machine.run(topicOf(machine));
    await machine.run(topic.append({ value: "kept" }));
    const [path, position] = await journalChange(
      machine,
      topic.append({ value: "torn" }, { durability: "os" }),
    );
    // What it says of the blocks before it.
    flip(machine, path, () => position + 30);
    machine.crash("process");
    expectSame(await machine.run(topicOf(machine).then(values)), ["kept"]);
  },
  "damage of a synced block is reported": async () => {
    const machine = await openedLog();
    const topic = await machine.run(topicOf(machine));
    const [path, position] = await journalChange(machine, topic.append({ value: "damaged" }));
    for (const value of ["later", "the one that vouches for it"]) await machine.run(topic.append({ value }));
    flip(machine, path, () => position + 100);
    machine.crash("process");
    await mustFail(machine, "CORRUPT_JOURNAL", () => open(machine));
  },
  "damage of the checkpoint file is reported": async () => {
    const machine = await closedLog(["kept"]);
    flip(machine, checkpointPath, (content) => content.indexOf('"topic":"t"') + 9);
    await mustFail(machine, "CORRUPT_CHECKPOINT", () => open(machine));
  },
  "a log has one writer": async () => {
    const machine = await openedLog();
    await machine.run(open(machine));
    await mustFail(machine, "LOCKED", () => open(machine));
  },
  "a transaction is durable": () =>
    often(async (machine) => {
      const log = await machine.run(open(machine));
      const topic = await machine.run(log.topic("t"));
      await machine.run(topic.append({ value: "zero" }, { durability: "os" }));
      await machine.run(
        log.transaction((tx) => {
          tx.append(topic, { value: "one" });
          tx.append(topic, { value: "two" });
        }),
      );
      machine.crash("power");
      expectSame(await machine.run(topicOf(machine).then(values)), ["zero", "one", "two"]);
    }),
  "a transaction is there as a whole or not at all": () =>
    atEveryStep(
      async (machine, begun) => {
        const log = await open(machine);
        const topics = [await log.topic("t"), await log.topic("u")];
        begun();
        await log.transaction((tx) => {
          for (const topic of topics) tx.append(topic, { value: "x".repeat(3 * kibibyte) });
        });
      },
      async (machine) => {
        const log = await open(machine);
        const counts = [];
        for (const name of ["t", "u"]) counts.push((await values(await log.topic(name))).length);
        if (counts[0] !== counts[1]) throw new Violation(`a transaction over two topics left ${counts}`);
      },
    ),
  "an append under an id is there once": () =>
    atEveryStep(
      async (machine, begun) => {
        const topic = await topicOf(machine);
        begun();
        await topic.append({ value: "once" }, { dedupeId: "id" });
      },
      async (machine) => {
        const topic = await topicOf(machine);
        await topic.append({ value: "once" }, { dedupeId: "id" });
        expectSame(await values(topic), ["once"]);
      },
    ),
  "a group's progress is durable": () =>
    often(async (machine) => {
      const log = await machine.run(open(machine));
      const topic = await machine.run(log.topic("t"));
      const other = await machine.run(log.topic("other", { durability: "os" }));
      for (const value of ["dealt with", "next"]) await machine.run(topic.append({ value }));
      const consumer = topic.consumer("group", { commit: "explicit", follow: false });
      await machine.run(consumer.next());
      // What is written but not synced keeps the commit from being both in one call.
      await machine.run(other.append({ value: "x" }));
      await machine.run(consumer.commit());
      machine.crash("power");
      const again = (await machine.run(topicOf(machine))).consumer("group", { follow: false });
      const { value } = (await machine.run(again.next())) as { value: LogRecord };
      expectSame([`${value.value}`], ["next"]);
    }),
  "retention waits for every group": async () => {
    const machine = new Simulation(1);
    const topic = await machine.run(open(machine).then((log) => log.topic("t", { cleanup: "consumed" })));
    for (const value of ["one", "two"]) await machine.run(topic.append({ value }));
    const slow = topic.consumer("slow", { commit: "explicit", follow: false });
    await machine.run(slow.next());
    await machine.run(slow.commit());
    const quick = topic.consumer("quick", { commit: "explicit", follow: false });
    for (let count = 0; count < 2; count++) await machine.run(quick.next());
    await machine.run(quick.commit());
    await machine.run(topic.retain());
    expectSame(await machine.run(values(topic)), ["two"]);
  },
  "a clean close leaves everything in segments": async () => {
    const machine = await closedLog(["one", "two"]);
    const { records, journalBlocks } = await expectClean(machine);
    expectSame([`${records} records`, `${journalBlocks} blocks`], ["2 records", "0 blocks"]);
  },
  "what a failed checkpoint wrote is cut off": async () => {
    const machine = await closedLog([long("one")]);
    const log = await machine.run(open(machine, { idleMs: 20 }));
    const topic = await machine.run(log.topic("t"));
    machine.disk.faults = [{ code: "EIO", verbs: ["sync"], path: /\.log$/, skip: 0, times: 1 }];
    await machine.run(topic.append({ value: long("two") }));
    while (machine.disk.hits.length === 0) await machine.run(pause(machine, 10));
    await machine.run(topic.alter({ segmentBytes: kibibyte }));
    await machine.run(log.close());
    await expectClean(machine);
  },
  "what an interrupted checkpoint left is cleared away": async () => {
    const machine = await openedLog();
    const log = await machine.run(open(machine));
    const topic = await machine.run(log.topic("t"));
    for (const value of ["one", "two"]) await machine.run(topic.append({ value: long(value) }));
    machine.crashBefore((verb, path) => verb === "write" && path.endsWith("checkpoint.tmp"), "process");
    await machine.run(log.close()).catch(unlessCrashed);
    const again = await machine.run(open(machine));
    await machine.run(again.topic("t").then((same) => same.alter({ segmentBytes: kibibyte })));
    await machine.run(again.close());
    await expectClean(machine);
  },
  "a wrong index is made anew": async () => {
    const records = ["a", "b", "c", "d", "e"].map((value) => value.padEnd(3 * kibibyte, "."));
    const machine = await closedLog(records);
    // The position of its first entry: in the middle of a batch.
    flip(machine, segmentPath.replace(".log", ".index"), () => 7);
    const topic = await machine.run(topicOf(machine));
    // One that the index leads to, and no reading before it.
    const { record } = (await machine.run(topic.partition(0).get(3))) as { record: LogRecord };
    expectSame([`${record.value}`], records.slice(3, 4));
  },
  "the making of a log may be interrupted twice": async () => {
    for (let first = 0; first < 16; first++) {
      for (let second = 0; second < 16; second++) {
        const machine = new Simulation(1 + first * 16 + second);
        machine.crashAfter(first, "process");
        await machine.run(open(machine)).catch(unlessCrashed);
        machine.crash("process");
        machine.crashAfter(second, "power");
        await machine.run(open(machine)).catch(unlessCrashed);
        machine.crash("power");
        await machine.run(open(machine));
      }
    }
  },
  "a deletion that is refused changes nothing": async () => {
    const all = ["zero", "one", "two", "three"].map(long);
    const machine = await closedLog(all, { segmentBytes: kibibyte });
    const partition = (await machine.run(topicOf(machine))).partition(0);
    const deletions = [partition.deleteRecords(1)];
    machine.disk.onOperation = (verb, path) => {
      // Files of the first one are being removed, and then the journal fails.
      if (verb !== "remove" || !path.endsWith(".timeindex") || deletions.length > 1) return;
      machine.disk.faults = [{ code: "EIO", verbs: ["write"], path: /\/journal\//, skip: 0, times: 1 }];
      deletions.push(partition.deleteRecords(2).catch(() => undefined));
    };
    await machine.run(Promise.all(deletions));
    await machine.run(Promise.all(deletions));
    machine.disk.onOperation = undefined;
    machine.crash("process");
    expectSame(await machine.run(topicOf(machine).then(values)), all.slice(1));
  },
  "a deletion that may not have been synced can be interrupted": async () => {
    const all = ["zero", "one", "two"].map(long);
    for (let seed = 1; seed <= 5 * lots; seed++) {
      const machine = await closedLog(all, { segmentBytes: kibibyte }, seed);
      const partition = (await machine.run(topicOf(machine))).partition(0);
      machine.crashBefore((verb, path) => verb === "sync" && path.includes("/journal/"), "process");
      await machine.run(partition.deleteRecords(1)).catch(unlessCrashed);
      machine.crashAfter(seed % lots, "power");
      await machine.run(open(machine)).catch(unlessCrashed);
      machine.crash("power");
      const left = await machine.run(topicOf(machine).then(values));
      expectSame(left, all.slice(-Math.max(left.length, 2)));
    }
  },
  "a topic may be made again though files of the old one are left": async () => {
    const machine = await closedLog(["old"]);
    const log = await machine.run(open(machine));
    machine.disk.faults = [{ code: "EIO", verbs: ["remove"], path: /\/t-0/, skip: 0, times: 1 }];
    await machine.run(log.deleteTopic("t")).catch(() => undefined);
    const topic = await machine.run(log.topic("t"));
    await machine.run(topic.append({ value: "new" }));
    await machine.run(log.close());
    expectSame(await machine.run(topicOf(machine).then(values)), ["new"]);
  },
  "a compaction may be interrupted anywhere": async () => {
    for (const besides of ["deletion", "another", "failure"] as const)
      await interruptCompaction("power", besides, 1);
  },
  "a producer may be interrupted anywhere": async () => {
    await interruptProducer("power", 2);
  },
  "a transaction is open until its end can be seen": () => lookWhileATransactionEnds(),
  "what a reader has seen survives": () =>
    often(async (machine) => {
      const log = await machine.run(open(machine, { syncEveryMs: 60_000 }));
      const topic = await machine.run(log.topic("t"));
      for (const value of ["one", "two"]) await machine.run(topic.append({ value }, { durability: "os" }));
      const seen = await machine.run(values(topic));
      machine.crash("power");
      const left = await machine.run(topicOf(machine).then(values));
      expectSame(left.slice(0, seen.length), seen);
    }),
  "a sync makes all durable": () =>
    often(async (machine) => {
      const log = await machine.run(open(machine));
      const other = await machine.run(log.topic("other", { durability: "os" }));
      await machine.run(other.append({ value: "one" }));
      await machine.run(log.sync());
      machine.crash("power");
      const again = await machine.run(open(machine));
      expectSame(await machine.run(again.topic("other", { durability: "os" }).then(values)), ["one"]);
    }),
};
