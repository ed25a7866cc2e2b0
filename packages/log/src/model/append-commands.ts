// Appends: several at once, so that they share batches, awaited or not; at an offset of the caller's choosing; and
// those that are refused.
import assert from "node:assert/strict";
import fc from "fast-check";
import type { AppendOptions } from "../face/append-options.js";
import type { AppendResult, Receipt } from "../face/receipt.js";
import type { Bytes } from "../record/index.js";
import type { Durability } from "../storage/contracts.js";
import {
  durability,
  largeValueBytes,
  partitionNumber,
  type RecordPlan,
  record,
  smallMessageBytes,
  topicName,
} from "./arbitraries.js";
import { type Command, partitionCommand, topicCommand } from "./command.js";
import type { LogUnderTest } from "./log-under-test.js";
import type { ModelPartition, ModelTopic } from "./model.js";

const levels: readonly Durability[] = ["memory", "os", "disk"];

/** `topic.append` of some records without a pause; `later` leaves them on their way. */
export const append: fc.Arbitrary<Command> = fc
  .record({
    topic: topicName,
    records: fc.array(record, { minLength: 1, maxLength: 10 }),
    level: fc.option(durability, { nil: undefined }),
    later: fc.boolean(),
    elapsedMs: fc.nat({ max: 20 }),
  })
  .map((input) =>
    topicCommand("append", input, async ({ name, topic, log }) => {
      log.timeMs += input.elapsedMs;
      const options = input.level === undefined ? {} : { durability: input.level };
      for (const plan of input.records) await appendOne(log, name, topic, plan, options);
      if (!input.later) await log.settle();
    }),
  );

/** At or beyond the end: beyond it, a gap is left. The last record again is no other; what comes before is refused. */
export const appendAt: fc.Arbitrary<Command> = fc
  .record({
    topic: topicName,
    partition: partitionNumber,
    record,
    distance: fc.integer({ min: -4, max: 6 }),
    later: fc.boolean(),
  })
  .map((input) =>
    partitionCommand("appendAt", input, async (partition, { number }, { name, topic, log }) => {
      const offset = partition.end + input.distance;
      if (offset < 0) return;
      const plan = { ...input.record, partition: number };
      if (input.distance < -1)
        await assert.rejects(log.topic(name).append(plan, { offset }), { code: "OFFSET_OUT_OF_RANGE" });
      else if (input.distance === -1) {
        const { duplicate, ...result } = await log.topic(name).append(plan, { offset });
        assert.deepEqual([duplicate, result.partition, result.offset], [true, number, offset]);
      } else {
        await appendOne(log, name, topic, plan, { offset });
        if (!input.later) await log.settle();
      }
    }),
  );

/** Larger than its topic allows. */
export const appendTooLarge: fc.Arbitrary<Command> = fc.record({ topic: topicName }).map((input) =>
  topicCommand("appendTooLarge", input, async ({ name, topic, log }) => {
    if (topic.config.maxMessageBytes > smallMessageBytes) return;
    const value = Buffer.alloc(largeValueBytes);
    await assert.rejects(log.topic(name).append({ value }), { code: "RECORD_TOO_LARGE" });
  }),
);

/** Hands the record over; the log and the model agree on its place at once. */
async function appendOne(
  log: LogUnderTest,
  name: string,
  topic: ModelTopic,
  plan: RecordPlan,
  options: AppendOptions,
): Promise<void> {
  const receipt = log.topic(name).append(plan, options);
  if (plan.partition !== undefined && plan.partition >= topic.partitions.length) {
    await assert.rejects(receipt, { code: "PARTITION_NOT_FOUND" });
    return;
  }
  const partition = partitionOf(topic, plan, receipt);
  const offset = options.offset ?? partition.end;
  assert.ok(receipt.offset === undefined || receipt.offset === offset, `${receipt.offset}, not ${offset}`);
  partition.append(offset, {
    timestamp: plan.timestamp ?? log.timeMs,
    key: textOf(plan.key ?? null),
    value: textOf(plan.value),
    headers: Object.entries(plan.headers ?? {}).map(([header, value]) => [
      textOf(header) ?? "",
      textOf(value),
    ]),
  });
  follow(log, name, topic, partition, receipt, offset, options.durability);
}

/** Kafka's rule, as far as it shows: the one asked for, the same for the same key, any for a record without. */
function partitionOf(topic: ModelTopic, { partition, key }: RecordPlan, receipt: Receipt): ModelPartition {
  const number = receipt.partition;
  const found = topic.partitions[number];
  assert.ok(found !== undefined, `there is no partition ${number}`);
  if (partition !== undefined) assert.equal(number, partition);
  else if (key !== undefined && key !== null) {
    const text = textOf(key) ?? "";
    assert.equal(number, topic.keys.get(text) ?? number, "a key keeps its partition");
    topic.keys.set(text, number);
  }
  return found;
}

/** What was acknowledged at its topic's level is seen, unless that level was changed meanwhile. */
function follow(
  log: LogUnderTest,
  name: string,
  topic: ModelTopic,
  partition: ModelPartition,
  receipt: Receipt,
  offset: number,
  asked: Durability | undefined,
): void {
  const { config } = topic;
  const level = asked ?? config.durability;
  const acknowledged = (result: AppendResult): void => {
    assert.equal(topic.partitions[result.partition], partition);
    assert.deepEqual([result.offset, result.durability, result.duplicate], [offset, level, undefined]);
    const isSeen = levels.indexOf(level) >= levels.indexOf(config.durability);
    if (isSeen && topic.config.durability === config.durability) partition.promise(offset + 1, level);
  };
  const outcome = Promise.allSettled([receipt]).then(([settled]) => settled);
  log.pend({ topic: log.topic(name), outcome, acknowledged });
}

function textOf(bytes: Bytes | null): string | null {
  return bytes === null ? null : Buffer.from(bytes as string).toString("latin1");
}
