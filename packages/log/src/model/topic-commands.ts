// Topics made, opened, changed, deleted and made again.
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Topic } from "../face/topic.js";
import { topicConfig, topicName } from "./arbitraries.js";
import { type Command, command, topicCommand } from "./command.js";
import type { LogUnderTest } from "./log-under-test.js";
import { defaultConfig, type Model, type ModelConfig } from "./model.js";

/** `log.createTopic`: only if there is none of the name. */
export const createTopic: fc.Arbitrary<Command> = fc
  .record({ topic: topicName, config: topicConfig })
  .map((input) =>
    command("createTopic", input, {
      run: async (model, log) => {
        const made = log.log.createTopic(input.topic, input.config);
        if (model.topics.has(input.topic)) await assert.rejects(made, { code: "TOPIC_EXISTS" });
        else adopt(model, log, await made, input.config);
      },
    }),
  );

/** `log.topic`: makes it, or opens one that has the given settings. */
export const openTopic: fc.Arbitrary<Command> = fc
  .record({ topic: topicName, config: topicConfig })
  .map((input) =>
    command("topic", input, {
      run: async (model, log) => {
        const known = model.topics.get(input.topic);
        const opened = log.log.topic(input.topic, input.config);
        if (known === undefined) adopt(model, log, await opened, input.config);
        else if (differs(known.config, input.config)) await assert.rejects(opened, { code: "TOPIC_EXISTS" });
        else assert.equal(await opened, log.topic(input.topic));
      },
    }),
  );

/** `topic.alter`: everything may change, but partitions only grow. */
export const alterTopic: fc.Arbitrary<Command> = fc
  .record({ topic: topicName, config: topicConfig })
  .map((input) =>
    topicCommand("alter", input, async ({ name, topic, log, model }) => {
      const altered = log.topic(name).alter(input.config);
      const config = { ...topic.config, ...input.config };
      if (config.partitions < topic.config.partitions) {
        await assert.rejects(altered, { code: "INVALID_ARGUMENT" });
        return;
      }
      assert.ok(!differs(await altered, config));
      model.alter(topic, config);
      assert.equal(log.topic(name).partitionCount, config.partitions);
    }),
  );

/** `log.deleteTopic`: whoever holds on to the topic is told, and appends on their way may be refused. */
export const deleteTopic: fc.Arbitrary<Command> = fc.record({ topic: topicName }).map((input) =>
  command("deleteTopic", input, {
    run: async (model, log) => {
      const deleted = log.log.deleteTopic(input.topic);
      if (!model.topics.has(input.topic)) {
        await assert.rejects(deleted, { code: "TOPIC_NOT_FOUND" });
        return;
      }
      await deleted;
      const topic = log.topic(input.topic);
      await log.settle(topic);
      model.topics.delete(input.topic);
      log.forget(input.topic);
      const gone = { code: "TOPIC_NOT_FOUND" };
      await assert.rejects(topic.append({ value: "too late" }), gone);
      await assert.rejects(topic.partition(0).read().next(), gone);
      await assert.rejects(log.log.existingTopic(input.topic), gone);
    },
  }),
);

/** `log.topics`: their names, in order. */
export const listTopics: fc.Arbitrary<Command> = fc.constant(
  command("topics", undefined, {
    run: async (model, log) => {
      assert.deepEqual(await log.log.topics(), [...model.topics.keys()].sort());
    },
  }),
);

export function adopt(model: Model, log: LogUnderTest, topic: Topic, config: Partial<ModelConfig>): void {
  for (const { topicId } of model.topics.values()) assert.notEqual(topicId, topic.topicId);
  model.create(topic.name, topic.topicId, { ...defaultConfig, ...config });
  log.adopt(topic);
}

export function differs(config: ModelConfig, wanted: Partial<ModelConfig>): boolean {
  return (Object.keys(wanted) as (keyof ModelConfig)[]).some((key) => config[key] !== wanted[key]);
}
