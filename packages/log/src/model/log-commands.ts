// The log as a whole: records deleted, everything made durable, closed and opened.
import assert from "node:assert/strict";
import fc from "fast-check";
import { LogError } from "../errors.js";
import { logOptions, partitionNumber, topicName } from "./arbitraries.js";
import { type Command, command, partitionCommand } from "./command.js";

/** `partition.deleteRecords`: up to an offset around what there is, or all of it. */
export const deleteRecords: fc.Arbitrary<Command> = fc
  .record({
    topic: topicName,
    partition: partitionNumber,
    before: fc.oneof(fc.constant("latest" as const), fc.integer({ min: -6, max: 3 })),
  })
  .map((input) =>
    partitionCommand("deleteRecords", input, async (partition, real) => {
      if (input.before === "latest") {
        await real.deleteRecords("latest");
        const { logStartOffset } = await real.describe();
        assert.ok(partition.seen <= logStartOffset && logStartOffset <= partition.end);
        partition.deleteBefore(logStartOffset);
        return;
      }
      const before = Math.max(0, partition.end + input.before);
      const isRefused = await real.deleteRecords(before).then(() => false, isOutOfRange);
      if (isRefused) assert.ok(before > partition.seen);
      else {
        assert.ok(before <= partition.end);
        partition.deleteBefore(before);
      }
    }),
  );

/** Awaits all appends that are on their way. */
export const awaitAppends: fc.Arbitrary<Command> = fc.constant(
  command("awaitAppends", undefined, { run: (_, log) => log.settle() }),
);

/** `log.sync`: all is durable, whatever its level, and so all is seen. */
export const sync: fc.Arbitrary<Command> = fc.constant(
  command("sync", undefined, {
    run: async (model, log) => {
      await log.log.sync();
      model.settle();
    },
  }),
);

/** Closes the log and opens it again with other options; nothing is lost, appends on their way included. */
export const reopen: fc.Arbitrary<Command> = logOptions.map((options) =>
  command("reopen", options, {
    run: async (model, log) => {
      if (!log.isPersistent) return;
      await log.reopen(options);
      model.settle();
      for (const [name, { topicId }] of model.topics) assert.equal(log.topic(name).topicId, topicId);
    },
  }),
);

function isOutOfRange(error: unknown): boolean {
  if (error instanceof LogError && error.code === "OFFSET_OUT_OF_RANGE") return true;
  throw error;
}
