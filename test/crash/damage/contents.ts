// All that a log holds, as its users see it: what is compared before and after damage.
import type { Log, LogRecord } from "@strandlog/log";

export interface PartitionContents {
  readonly start: number;
  readonly end: number;
  /** By offset: all of a record in one text. */
  readonly records: ReadonlyMap<number, string>;
  readonly timestamps: ReadonlyMap<number, number>;
}

export interface Contents {
  /** By name: id and settings. */
  readonly topics: ReadonlyMap<string, string>;
  /** By "topic-partition". */
  readonly partitions: ReadonlyMap<string, PartitionContents>;
  /** By "topic group partition": what is committed. */
  readonly committed: ReadonlyMap<string, number>;
}

/** Reads all of it, from the beginning to the end. */
export async function contentsOf(log: Log): Promise<Contents> {
  const topics = new Map<string, string>();
  const partitions = new Map<string, PartitionContents>();
  const committed = new Map<string, number>();
  for (const name of await log.topics()) {
    const topic = await log.existingTopic(name);
    topics.set(name, `${topic.topicId} ${JSON.stringify(topic.config)}`);
    for (let number = 0; number < topic.partitionCount; number++) {
      const partition = topic.partition(number);
      const { logStartOffset, highWatermark } = await partition.describe();
      const records = new Map<number, string>();
      const timestamps = new Map<number, number>();
      for await (const record of partition.read()) {
        records.set(record.offset, textOf(record));
        timestamps.set(record.offset, record.timestamp);
      }
      partitions.set(`${name}-${number}`, { start: logStartOffset, end: highWatermark, records, timestamps });
    }
    for (const { group, partitions: lags } of await topic.groups())
      for (const lag of lags) committed.set(`${name} ${group} ${lag.partition}`, lag.committed);
  }
  return { topics, partitions, committed };
}

export function textOf({ timestamp, key, value, headers }: LogRecord): string {
  const named = headers.map(([name, content]) => `${name}=${content?.toString("latin1")}`).join();
  return `${timestamp} ${key?.toString("latin1")} ${named} ${value?.toString("latin1")}`;
}

/** The first record of a partition that is not older. */
export function firstSince(
  { records, timestamps }: PartitionContents,
  timestamp: number,
): number | undefined {
  for (const offset of records.keys()) if ((timestamps.get(offset) as number) >= timestamp) return offset;
  return undefined;
}
