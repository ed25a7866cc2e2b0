// Transactions over topics and partitions, and groups that consume and commit.
import assert from "node:assert/strict";
import fc from "fast-check";
import { partitionNumber, record, topicName } from "./arbitraries.js";
import { type Command, command, topicCommand } from "./command.js";
import type { ModelPartition, ModelTopic } from "./model.js";

const textOf = (bytes: Uint8Array | string | null | undefined): string | null =>
  bytes === null || bytes === undefined ? null : Buffer.from(bytes as string).toString("latin1");

/** `log.transaction`: all of it in turn at the ends of its partitions, or nothing where its callback fails. */
export const transact: fc.Arbitrary<Command> = fc
  .record({
    appends: fc.array(fc.record({ topic: topicName, partition: partitionNumber, record }), {
      minLength: 1,
      maxLength: 8,
    }),
    fails: fc.boolean(),
  })
  .map((input) =>
    command("transact", input, {
      run: async (model, log) => {
        const appends = input.appends.filter(({ topic }) => model.topics.has(topic));
        const places = appends.map(({ topic, partition: wanted }) => {
          const { partitions } = model.topics.get(topic) as ModelTopic;
          const number = wanted % partitions.length;
          return { number, partition: partitions[number] as ModelPartition };
        });
        const transaction = log.log.transaction((tx) => {
          for (const [index, append] of appends.entries())
            tx.append(log.topic(append.topic), { ...append.record, partition: places[index]?.number ?? 0 });
          if (input.fails) throw new Error("changed my mind");
        });
        if (input.fails) return assert.rejects(transaction, /changed my mind/);
        const results = await transaction;
        assert.equal(results.length, appends.length);
        for (const [index, { record: plan }] of appends.entries()) {
          const { number, partition } = places[index] as (typeof places)[number];
          assert.deepEqual([results[index]?.partition, results[index]?.offset], [number, partition.end]);
          partition.append(partition.end, {
            timestamp: plan.timestamp ?? log.timeMs,
            key: textOf(plan.key),
            value: textOf(plan.value),
            headers: Object.entries(plan.headers ?? {}).map(([name, value]) => [
              textOf(name) ?? "",
              textOf(value),
            ]),
          });
        }
      },
    }),
  );

/** A consumer of a named group takes some records, commits them and goes: the next one goes on from there. */
export const consume: fc.Arbitrary<Command> = fc
  .record({ topic: topicName, group: fc.constantFrom("g", "h/1"), count: fc.nat({ max: 30 }) })
  .map((input) =>
    topicCommand("consume", input, async ({ name, topic, log, model }) => {
      await log.log.sync();
      model.settle();
      const consumer = log.topic(name).consumer(input.group, { commit: "explicit", follow: false });
      try {
        const given = topic.partitions.map((): number[] => []);
        let left = input.count;
        for (; left > 0; left--) {
          const { value } = await consumer.next();
          if (value === undefined) break;
          given[value.partition]?.push(value.offset);
        }
        for (const [partition, { records }] of topic.partitions.entries()) {
          const key = `${topic.topicId} ${input.group} ${partition}`;
          const offsets = given[partition] ?? [];
          const due = records
            .map(({ offset }) => offset)
            .filter((offset) => offset >= (model.groups.get(key) ?? 0));
          assert.deepEqual(offsets, left > 0 ? due : due.slice(0, offsets.length));
          const last = offsets.at(-1);
          if (last === undefined) continue;
          await consumer.commit({ partition, offset: last });
          model.groups.set(key, last + 1);
        }
      } finally {
        await consumer.close();
      }
    }),
  );
