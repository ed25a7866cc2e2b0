// Reading: a partition record by record or batch by batch, a whole topic, one offset.
import assert from "node:assert/strict";
import fc from "fast-check";
import type { ReadOptions } from "../face/reading.js";
import type { LogRecord } from "../record/index.js";
import { collect } from "../test-support.js";
import { offset, partitionNumber, position, topicName } from "./arbitraries.js";
import { assertSeen, type Command, partitionCommand, topicCommand } from "./command.js";
import type { ModelPartition, ModelPosition, ModelRecord } from "./model.js";
import { inReach, realPosition } from "./positions.js";

interface Range {
  readonly from?: ModelPosition;
  readonly until?: ModelPosition;
}

const range: fc.Arbitrary<Range> = fc.record({ from: position, until: position }, { requiredKeys: [] });

/** `partition.read`. It follows where the end is sure to come. */
export const readPartition: fc.Arbitrary<Command> = fc
  .record({ topic: topicName, partition: partitionNumber, range, follow: fc.boolean() })
  .map((input) =>
    partitionCommand("read", input, async (partition, real) => {
      const asked = rangeInReach(input.range, partition);
      const follow = input.follow && mayFollow(partition, asked);
      const skips: Skip[] = [];
      const onSkip = (skip: Skip): unknown => skips.push(skip);
      const found = await collect(real.read({ ...optionsOf(asked), follow, onSkip }));
      assertSeen(partition, found.map(plain), (first, last) => due(partition, asked, first, last));
      for (const skip of skips) assertSkipped(partition, skip);
    }),
  );

/** `partition.readBatches`: the first may begin before what was asked for, the last may end after it. */
export const readBatches: fc.Arbitrary<Command> = fc
  .record({ topic: topicName, partition: partitionNumber, range })
  .map((input) =>
    partitionCommand("readBatches", input, async (partition, real) => {
      const asked = rangeInReach(input.range, partition);
      const batches = await collect(real.readBatches(optionsOf(asked)));
      const found = batches.flatMap((batch) => [...batch.verify().records()].map(plain));
      assertSeen(partition, found, (first, last) => {
        const { start, end } = spanOf(partition, asked, first, last);
        return [
          ...found.filter((record) => record.offset < start),
          ...due(partition, asked, first, last),
          ...found.filter((record) => record.offset >= Math.max(start, end)),
        ];
      });
    }),
  );

/** `topic.read`: one partition after the other. */
export const readTopic: fc.Arbitrary<Command> = fc.record({ topic: topicName, range }).map((input) =>
  topicCommand("readTopic", input, async ({ name, topic, log }) => {
    const asked = rangeInReach(input.range, topic.partitions[0] as ModelPartition);
    const found = await collect(log.topic(name).read(optionsOf(asked)));
    const order = found.map(({ partition }) => partition);
    assert.deepEqual(
      order,
      order.toSorted((left, right) => left - right),
    );
    for (const [number, partition] of topic.partitions.entries()) {
      const own = found.filter((record) => record.partition === number).map(plain);
      assertSeen(partition, own, (first, last) => due(partition, asked, first, last));
    }
  }),
);

/** `partition.get`: the record, or where the next one is. */
export const get: fc.Arbitrary<Command> = fc
  .record({ topic: topicName, partition: partitionNumber, offset })
  .map((input) =>
    partitionCommand("get", input, async (partition, real) => {
      const wanted = inReach(input.offset, partition);
      const result = await real.get(wanted);
      const found = result.record === undefined ? result : { record: plain(result.record) };
      assertSeen<typeof found>(partition, found, (_, end) => {
        const record = partition.visible(end).find((other) => other.offset >= wanted);
        return record?.offset === wanted ? { record } : { next: record?.offset ?? end };
      });
    }),
  );

/** Where the end is known to come, or the reader would wait for ever. */
function mayFollow({ start, seen }: ModelPartition, { until }: Range): boolean {
  // TODO: a reader whose records were all deleted waits, though what it was to stop at has been passed.
  return typeof until === "number" && start < until && until <= seen;
}

/** Positions are resolved first, and what is seen may become more until the end is reached. */
function spanOf(
  partition: ModelPartition,
  { from = "earliest", until = "latest" }: Range,
  first: number,
  last: number,
): { start: number; end: number } {
  const start = Math.max(partition.start, partition.resolve(from, first));
  return { start, end: Math.min(last, partition.resolve(until, last)) };
}

function due(partition: ModelPartition, range: Range, first: number, last: number): ModelRecord[] {
  const { start, end } = spanOf(partition, range, first, last);
  return partition.records.filter((record) => start <= record.offset && record.offset < end);
}

interface Skip {
  readonly partition: number;
  readonly from: number;
  readonly next: number;
}

/** Nothing that exists is skipped. */
function assertSkipped({ records }: ModelPartition, { from, next }: Skip): void {
  assert.ok(from < next);
  assert.deepEqual(
    records.filter((record) => from <= record.offset && record.offset < next),
    [],
  );
}

function rangeInReach({ from, until }: Range, partition: ModelPartition): Range {
  return {
    ...(from === undefined ? {} : { from: inReach(from, partition) }),
    ...(until === undefined ? {} : { until: inReach(until, partition) }),
  };
}

function optionsOf({ from, until }: Range): ReadOptions {
  return {
    ...(from === undefined ? {} : { from: realPosition(from) }),
    ...(until === undefined ? {} : { until: realPosition(until) }),
  };
}

function plain(record: LogRecord): ModelRecord {
  const text = (bytes: Buffer | null): string | null => bytes?.toString("latin1") ?? null;
  return {
    offset: record.offset,
    timestamp: record.timestamp,
    key: text(record.key),
    value: text(record.value),
    headers: record.headers.map(([name, value]) => [Buffer.from(name).toString("latin1"), text(value)]),
  };
}
