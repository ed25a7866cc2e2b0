// One step of a run: what is done to the log, and how the model tells whether it answered well. A new kind of command
// is an arbitrary of these, listed in commands.ts.
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import type fc from "fast-check";
import { settlesSoon } from "../test-support.js";
import type { LogUnderTest } from "./log-under-test.js";
import type { Model, ModelPartition, ModelTopic } from "./model.js";

export type Command = fc.AsyncCommand<Model, LogUnderTest>;

interface CommandOptions {
  /** Whether it makes sense now; it is left out otherwise. */
  readonly check?: (model: Readonly<Model>) => boolean;
  readonly run: (model: Model, log: LogUnderTest) => Promise<void>;
}

export function command(name: string, input: unknown, { check, run }: CommandOptions): Command {
  const said = `${name}(${show(input)})`;
  return {
    check: (model) => check?.(model) ?? true,
    run: (model, log) => settlesSoon(run(model, log), said),
    toString: () => said,
  };
}

interface TopicStep {
  readonly name: string;
  readonly topic: ModelTopic;
  readonly log: LogUnderTest;
  readonly model: Model;
}

/** A command for a topic that exists. */
export function topicCommand<T extends { readonly topic: string }>(
  name: string,
  input: T,
  run: (step: TopicStep) => Promise<void>,
): Command {
  return command(name, input, {
    check: (model) => model.topics.has(input.topic),
    run: (model, log) =>
      run({ name: input.topic, topic: model.topics.get(input.topic) as ModelTopic, log, model }),
  });
}

/** A command for one of its partitions: `partition` is taken modulo how many there are. */
export function partitionCommand<T extends { readonly topic: string; readonly partition: number }>(
  name: string,
  input: T,
  run: (
    partition: ModelPartition,
    real: ReturnType<LogUnderTest["partition"]>,
    step: TopicStep,
  ) => Promise<void>,
): Command {
  return topicCommand(name, input, (step) => {
    const number = input.partition % step.topic.partitions.length;
    const partition = step.topic.partitions[number] as ModelPartition;
    return run(partition, step.log.partition(input.topic, number), step);
  });
}

/**
 * The answer must be the one that is due for some end that readers may see now; the partition's model then knows more.
 * Reading takes its position first, and sees no less afterwards.
 */
export function assertSeen<T>(
  partition: ModelPartition,
  actual: T,
  due: (endAtFirst: number, endAtLast: number) => T,
): void {
  const { ends, seen, end } = partition;
  const fits = (first: number, last: number): boolean =>
    first <= last && isDeepStrictEqual(actual, due(first, last));
  const promised = ends.filter((last) => last >= seen);
  if (!promised.some((last) => promised.some((first) => fits(first, last)))) {
    assert.deepEqual(actual, due(end, end));
    assert.fail("the comparison must have failed");
  }
  partition.observe(ends.find((first) => ends.some((last) => fits(first, last))) ?? seen);
}

function show(input: unknown): string {
  return JSON.stringify(input, (_, value: unknown) => {
    if (value instanceof Uint8Array) return `0x${Buffer.from(value).toString("hex")}`;
    const isLong = typeof value === "string" && value.length > 40;
    return isLong ? `${value.slice(0, 8)}… (${value.length})` : value;
  });
}
