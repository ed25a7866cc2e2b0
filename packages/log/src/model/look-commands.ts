// Where things are: offsets of positions, descriptions, figures.
import assert from "node:assert/strict";
import fc from "fast-check";
import type { TopicDescription } from "../face/topic.js";
import { partitionNumber, position, topicName } from "./arbitraries.js";
import { assertSeen, type Command, command, partitionCommand, topicCommand } from "./command.js";
import type { ModelTopic } from "./model.js";
import { inReach, realPosition } from "./positions.js";
import { differs } from "./topic-commands.js";

/** `partition.offsetOf`. */
export const offsetOf: fc.Arbitrary<Command> = fc
  .record({ topic: topicName, partition: partitionNumber, position })
  .map((input) =>
    partitionCommand("offsetOf", input, async (partition, real) => {
      const position = inReach(input.position, partition);
      const offset = await real.offsetOf(realPosition(position));
      assertSeen(partition, offset, (_, end) => partition.resolve(position, end));
    }),
  );

/** `topic.describe`. */
export const describeTopic: fc.Arbitrary<Command> = fc.record({ topic: topicName }).map((input) =>
  topicCommand("describe", input, async ({ name, topic, log }) => {
    assertDescribes(name, topic, await log.topic(name).describe());
  }),
);

/** `log.stats`: the descriptions of all topics. */
export const stats: fc.Arbitrary<Command> = fc.constant(
  command("stats", undefined, {
    run: async (model, log) => {
      const { topics, storage } = await log.log.stats();
      const names = [...model.topics.keys()].sort();
      assert.deepEqual(
        topics.map(({ name }) => name),
        names,
      );
      for (const description of topics)
        assertDescribes(description.name, model.topics.get(description.name) as ModelTopic, description);
      assert.equal(storage.trouble, undefined);
    },
  }),
);

function assertDescribes(name: string, topic: ModelTopic, found: TopicDescription): void {
  assert.deepEqual([found.name, found.topicId], [name, topic.topicId]);
  assert.ok(!differs(found.config, topic.config));
  assert.deepEqual(
    found.partitions.map(({ partition }) => partition),
    topic.partitions.map((_, number) => number),
  );
  for (const [number, partition] of topic.partitions.entries()) {
    const { logStartOffset, highWatermark, logEndOffset, tailRecords, segmentRecords } = found.partitions[
      number
    ] as TopicDescription["partitions"][number];
    assert.equal(logStartOffset, partition.start);
    assertSeen(partition, highWatermark, (_, end) => end);
    assert.ok(highWatermark <= logEndOffset && logEndOffset <= partition.end);
    assert.equal(tailRecords + segmentRecords, logEndOffset - logStartOffset, "gaps count");
  }
}
