// Topics over their life, through the public API: made, found, changed, emptied, deleted, made again.
import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { type TestContext, test } from "node:test";
import type { TopicConfig } from "../options.js";
import {
  collect,
  driverNames,
  openAt,
  openTestLog,
  partitionDirectories,
  temporaryDirectory,
  valuesOf,
  withCode,
} from "../test-support.js";
import type { Topic } from "./topic.js";

/** One batch for each value: the next is appended when the last is acknowledged. */
async function appendEach(topic: Topic, values: readonly string[]): Promise<void> {
  for (const value of values) await topic.append({ value });
}

/** What a process that is killed now would leave behind. */
function crashImage(t: TestContext, directory: string): string {
  const image = temporaryDirectory(t);
  cpSync(directory, image, { recursive: true, filter: (path) => !path.includes("/lock-") });
  return image;
}

for (const driver of driverNames) {
  test(`${driver}: a topic is found under its name once it is made`, async (t) => {
    const log = await openTestLog(t, driver);
    await assert.rejects(log.existingTopic("a"), withCode("TOPIC_NOT_FOUND"));
    const made = await log.createTopic("a", { partitions: 3 });
    assert.equal(await log.topic("a"), made);
    assert.equal(await log.existingTopic("a"), made);
    assert.equal(made.partitionCount, 3);
    await assert.rejects(log.createTopic("a"), withCode("TOPIC_EXISTS"));
  });

  test(`${driver}: those who ask for a new topic at once get the same one`, async (t) => {
    const log = await openTestLog(t, driver);
    const topics = await Promise.all(Array.from({ length: 10 }, () => log.topic("a")));
    assert.equal(new Set(topics).size, 1);
  });

  test(`${driver}: of those who create the same topic at once, one succeeds`, async (t) => {
    const log = await openTestLog(t, driver);
    const results = await Promise.allSettled(Array.from({ length: 5 }, () => log.createTopic("a")));
    assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
  });

  test(`${driver}: a topic that has other settings than those asked for is refused`, async (t) => {
    const log = await openTestLog(t, driver);
    await log.topic("a", { partitions: 2, retentionMs: 1000 });
    await assert.rejects(log.topic("a", { partitions: 3 }), withCode("TOPIC_EXISTS"));
    await assert.rejects(log.topic("a", { compression: "gzip" }), withCode("TOPIC_EXISTS"));
    assert.equal((await log.topic("a", { partitions: 2, retentionMs: 1000 })).partitionCount, 2);
  });

  test(`${driver}: topics are listed by name`, async (t) => {
    const log = await openTestLog(t, driver);
    for (const name of ["b", "a-1", "C", "a"]) await log.topic(name);
    assert.deepEqual(await log.topics(), ["C", "a", "a-1", "b"]);
  });

  test(`${driver}: names that Kafka would refuse are refused, and so are reserved ones`, async (t) => {
    const log = await openTestLog(t, driver);
    for (const name of ["", ".", "..", "a b", "a/b", "größe", "x".repeat(250), "__mine", "a\n"]) {
      await assert.rejects(log.topic(name), withCode("INVALID_TOPIC"), name);
    }
    await assert.rejects(log.topic(5 as unknown as string), withCode("INVALID_TOPIC"));
    assert.deepEqual(await log.topics(), []);
    for (const name of ["...", "_a", "x".repeat(249), "A.b_c-9"]) await log.topic(name);
  });

  const badConfigs: object[] = [
    { partition: 3 },
    { partitions: 0 },
    { partitions: 1.5 },
    { durability: "tape" },
    { compression: "brotli" },
    { retentionMs: -2 },
    { segmentBytes: 1 },
  ];
  for (const config of badConfigs) {
    test(`${driver}: a topic with ${JSON.stringify(config)} is refused and not made`, async (t) => {
      const log = await openTestLog(t, driver);
      await assert.rejects(log.topic("a", config), withCode("INVALID_ARGUMENT"));
      await assert.rejects((await log.topic("b")).alter(config), withCode("INVALID_ARGUMENT"));
      assert.deepEqual(await log.topics(), ["b"]);
    });
  }

  test(`${driver}: what is altered counts from then on, what is not stays`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a", { retentionBytes: 5 });
    await topic.alter({ durability: "os", maxMessageBytes: 300 });
    assert.deepEqual(
      [topic.config.durability, topic.config.maxMessageBytes, topic.config.retentionBytes],
      ["os", 300, 5],
    );
    assert.equal((await topic.append({ value: "x" })).durability, "os");
    await assert.rejects(topic.append({ value: "x".repeat(300) }), withCode("RECORD_TOO_LARGE"));
  });

  test(`${driver}: partitions can be added, and not taken away`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    assert.throws(() => topic.partition(1), withCode("PARTITION_NOT_FOUND"));
    await topic.append({ value: "old" });
    await topic.alter({ partitions: 3 });
    await topic.append({ value: "new", partition: 2 });
    assert.deepEqual(await valuesOf(topic.partition(0).read()), ["old"]);
    assert.deepEqual(await valuesOf(topic.partition(2).read()), ["new"]);
    await assert.rejects(topic.alter({ partitions: 2 }), withCode("INVALID_ARGUMENT"));
    assert.equal((await topic.describe()).partitions.length, 3);
  });

  test(`${driver}: a description tells the settings and the bounds of each partition`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a", { partitions: 2 });
    await Promise.all(Array.from({ length: 5 }, () => topic.append({ value: "x", partition: 1 })));
    await topic.partition(1).deleteRecords(2);
    const { name, topicId, config, partitions } = await topic.describe();
    assert.deepEqual([name, config.partitions], ["a", 2]);
    assert.match(topicId, /^[\w-]{22}$/);
    assert.deepEqual(
      partitions.map((found) => [
        found.partition,
        found.logStartOffset,
        found.highWatermark,
        found.logEndOffset,
      ]),
      [
        [0, 0, 0, 0],
        [1, 2, 5, 5],
      ],
    );
    assert.ok((partitions[1]?.tailBytes ?? 0) > 0);
  });

  test(`${driver}: a deleted topic is gone, for those who hold it too`, async (t) => {
    const log = await openTestLog(t, driver);
    const topic = await log.topic("a");
    await topic.append({ value: "x" });
    await log.deleteTopic("a");
    assert.deepEqual(await log.topics(), []);
    await assert.rejects(log.existingTopic("a"), withCode("TOPIC_NOT_FOUND"));
    await assert.rejects(log.deleteTopic("a"), withCode("TOPIC_NOT_FOUND"));
    await assert.rejects(topic.append({ value: "y" }), withCode("TOPIC_NOT_FOUND"));
    await assert.rejects(collect(topic.read()), withCode("TOPIC_NOT_FOUND"));
    await assert.rejects(topic.describe(), withCode("TOPIC_NOT_FOUND"));
    await assert.rejects(topic.alter({ retentionMs: 1 }), withCode("TOPIC_NOT_FOUND"));
  });

  test(`${driver}: a topic that is made again begins at 0, and an old handle cannot touch it`, async (t) => {
    const log = await openTestLog(t, driver);
    const old = await log.topic("a");
    await appendEach(old, ["1", "2"]);
    await log.deleteTopic("a");
    const fresh = await log.topic("a");
    assert.notEqual(fresh.topicId, old.topicId);
    assert.deepEqual(await valuesOf(fresh.read()), []);
    await assert.rejects(old.alter({ retentionMs: 1 }), withCode("TOPIC_NOT_FOUND"));
    assert.equal(fresh.config.retentionMs, -1);
    assert.equal((await fresh.append({ value: "3" })).offset, 0);
    assert.deepEqual(await valuesOf(fresh.read()), ["3"]);
  });

  test(`${driver}: records are deleted up to an offset, which never goes back`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    await Promise.all(Array.from({ length: 10 }, (_, n) => topic.append({ value: `${n}` })));
    const partition = topic.partition(0);
    await partition.deleteRecords(4);
    await partition.deleteRecords(2);
    assert.deepEqual(await valuesOf(partition.read()), ["4", "5", "6", "7", "8", "9"]);
    await assert.rejects(partition.deleteRecords(11), withCode("OFFSET_OUT_OF_RANGE"));
    for (const before of [-1, 0.5]) {
      await assert.rejects(partition.deleteRecords(before), withCode("INVALID_ARGUMENT"));
    }
    await partition.deleteRecords("latest");
    assert.deepEqual(await valuesOf(partition.read()), []);
    assert.equal((await topic.append({ value: "10" })).offset, 10);
  });
}

const stored: TopicConfig = {
  partitions: 2,
  durability: "os",
  compression: "gzip",
  cleanup: "consumed",
  timestampType: "append",
  deleteRetentionMs: 1000,
  retentionMs: 7_000_000,
  retentionBytes: 5_000_000,
  segmentBytes: 2048,
  segmentMs: 9000,
  maxMessageBytes: 500,
};
for (const ending of ["close", "crash"] as const) {
  test(`settings, new partitions and deletions are there after a ${ending}`, async (t) => {
    const directory = temporaryDirectory(t);
    const log = await openAt(t, directory);
    await (await log.topic("made", stored)).append({ value: "x" });
    await (await log.topic("altered")).alter(stored);
    await log.topic("deleted");
    await log.deleteTopic("deleted");
    if (ending === "close") await log.close();
    const again = await openAt(t, ending === "close" ? directory : crashImage(t, directory));
    assert.deepEqual(await again.topics(), ["altered", "made"]);
    assert.deepEqual((await again.topic("made")).config, stored);
    assert.deepEqual((await again.topic("altered")).config, stored);
    assert.equal((await again.topic("altered")).partitionCount, 2);
  });

  test(`records of a topic that was made again stay away after a ${ending}`, async (t) => {
    const directory = temporaryDirectory(t);
    let log = await openAt(t, directory);
    await appendEach(await log.topic("a", { segmentBytes: 1024 }), ["in a segment", "by then"]);
    await log.close();
    log = await openAt(t, directory);
    await appendEach(await log.topic("a"), ["in the journal"]);
    await log.deleteTopic("a");
    await appendEach(await log.topic("a"), ["fresh"]);
    if (ending === "close") await log.close();
    const again = await openAt(t, ending === "close" ? directory : crashImage(t, directory));
    assert.deepEqual(await valuesOf((await again.topic("a")).read()), ["fresh"]);
    assert.equal((await again.topic("a")).append({ value: "next" }).offset, 1);
  });

  test(`records deleted in the middle of a batch stay away after a ${ending}`, async (t) => {
    const directory = temporaryDirectory(t);
    const log = await openAt(t, directory);
    const topic = await log.topic("a", { partitions: 2 });
    await Promise.all(Array.from({ length: 10 }, (_, n) => topic.append({ value: `${n}`, partition: 0 })));
    await topic.append({ value: "x", partition: 1 });
    await topic.partition(0).deleteRecords(4);
    await topic.partition(1).deleteRecords("latest");
    if (ending === "close") await log.close();
    const again = await openAt(t, ending === "close" ? directory : crashImage(t, directory));
    const found = await again.topic("a");
    assert.deepEqual(await valuesOf(found.partition(0).read()), ["4", "5", "6", "7", "8", "9"]);
    assert.deepEqual(await valuesOf(found.partition(1).read()), []);
    assert.equal(found.append({ value: "y", partition: 1 }).offset, 1);
  });
}

test("a deleted topic's files are gone when the deletion is", async (t) => {
  const directory = temporaryDirectory(t);
  const first = await openAt(t, directory);
  await appendEach(await first.topic("a", { partitions: 2 }), ["x", "y"]);
  await first.close();
  const log = await openAt(t, directory);
  assert.ok(partitionDirectories(directory).includes("a-0"));
  await log.deleteTopic("a");
  assert.deepEqual(partitionDirectories(directory), []);
});
