// What must be true, kept outside the engine: what was submitted, what was acknowledged at which level, what was
// deleted; and the comparison with what a reopened log shows. Each complaint names the promise that does not hold
// (DESIGN, section 3).
import type { AppendResult, Durability, Log, LogRecord, Receipt, Topic, TopicConfig } from "@strandlog/log";
import type { CrashKind } from "@strandlog/log/testing";
import { Violation } from "@strandlog/log/testing";

export interface Entry {
  readonly key: string;
  readonly value: Buffer | null;
  readonly level: Durability;
  /** Undefined once the record was found after a recovery: it is there to stay. */
  readonly receipt: Receipt | undefined;
  acknowledged: boolean;
  rejected: boolean;
}

interface PartitionModel {
  /** What the last recovery showed, by offset. */
  records: Entry[];
  /** Deletions that were acknowledged, and asked for. */
  start: number;
  startMax: number;
  /** What readers have been shown in this life. */
  visibleEnd: number;
  /** Up to here log.sync() has promised durability. */
  syncedEnd: number;
}

export interface TopicModel {
  readonly name: string;
  readonly config: Pick<TopicConfig, "partitions" | "durability" | "compression" | "segmentBytes">;
  topic: Topic | undefined;
  state: "creating" | "alive" | "deleting" | "gone";
  readonly partitions: PartitionModel[];
  /** Submitted since the last recovery, in order. */
  entries: Entry[];
}

const levels: Readonly<Record<Durability, number>> = { memory: 0, os: 1, disk: 2 };

/** How the last life ended: what it must have left behind. */
export type Ending = CrashKind | "closed";

export class Oracle {
  topics: TopicModel[] = [];
  recordsChecked = 0;
  /** The journal was seen to have failed. */
  isFailed = false;

  topic(name: string, config: TopicModel["config"]): TopicModel {
    const partitions = Array.from({ length: config.partitions }, () => ({
      records: [],
      start: 0,
      startMax: 0,
      visibleEnd: 0,
      syncedEnd: 0,
    }));
    const model: TopicModel = { name, config, topic: undefined, state: "creating", partitions, entries: [] };
    this.topics.push(model);
    return model;
  }

  submitted(model: TopicModel, entry: Entry): void {
    model.entries.push(entry);
  }

  acknowledged(model: TopicModel, entry: Entry, result: AppendResult): void {
    const { receipt, level } = entry;
    if (this.isFailed && level !== "memory")
      fail("I5", model, result.partition, result.offset, "acknowledged after the journal had failed");
    if (result.offset !== receipt?.offset || result.partition !== receipt.partition)
      fail("I1", model, result.partition, result.offset, `acknowledged elsewhere than at ${receipt?.offset}`);
    if (levels[result.durability] < levels[level])
      fail(
        "I1",
        model,
        result.partition,
        result.offset,
        `acknowledged at ${result.durability}, not ${level}`,
      );
    entry.acknowledged = true;
  }

  /** Everything placed so far, by offset: what recovery found, then what was submitted since. */
  placed(model: TopicModel, partition: number): (Entry | undefined)[] {
    const all: (Entry | undefined)[] = [...modelOf(model, partition).records];
    for (const entry of model.entries) {
      const { receipt } = entry;
      if (receipt?.partition !== partition || receipt.offset === undefined) continue;
      if (all[receipt.offset] !== undefined) fail("I9", model, partition, receipt.offset, "given twice");
      all[receipt.offset] = entry;
    }
    for (let offset = 0; offset < all.length; offset++)
      if (all[offset] === undefined) fail("I2", model, partition, offset, "left out");
    return all;
  }

  /** The end of what must be there when only what reached `level` is. */
  acknowledgedEnd(model: TopicModel, partition: number, level: Durability): number {
    const { records, syncedEnd, visibleEnd, start } = modelOf(model, partition);
    let end = Math.max(records.length, syncedEnd, start);
    if (levels[model.config.durability] >= levels[level]) end = Math.max(end, visibleEnd);
    for (const { receipt, acknowledged, level: reached } of model.entries) {
      if (!acknowledged || levels[reached] < levels[level] || receipt?.partition !== partition) continue;
      end = Math.max(end, (receipt.offset as number) + 1);
    }
    return end;
  }

  /** Notes what log.sync() promises when it is called; the answer is called when it has settled. */
  syncing(): () => void {
    const placed = this.topics.flatMap((model) =>
      model.partitions.map((partition, number) => ({ partition, entries: this.placed(model, number) })),
    );
    return () => {
      for (const { partition, entries } of placed) {
        // Refused meanwhile, since its topic is being deleted: then nothing is promised from there on.
        const refused = entries.findIndex((entry) => entry?.rejected);
        partition.syncedEnd = Math.max(partition.syncedEnd, refused < 0 ? entries.length : refused);
      }
    };
  }

  /** Compares records read from one partition, from its start on, with what was submitted. */
  compare(model: TopicModel, partition: number, startMin: number, records: readonly LogRecord[]): number {
    const expected = this.placed(model, partition);
    const { startMax } = modelOf(model, partition);
    let next = startMin;
    for (const record of records) {
      const { offset } = record;
      if (offset < startMin) fail("I9", model, partition, offset, "read although deleted");
      if (offset < next) fail("I2", model, partition, offset, "read twice or out of order");
      if (offset > next && offset > startMax)
        fail("I2", model, partition, next, `missing: ${offset} came instead`);
      const entry = expected[offset];
      if (entry === undefined) fail("I2", model, partition, offset, "read, but never submitted");
      if (record.key?.toString() !== entry.key || !sameBytes(record.value, entry.value))
        fail(
          "I1",
          model,
          partition,
          offset,
          `holds another record, ${record.key?.toString()}, not ${entry.key}`,
        );
      next = offset + 1;
    }
    this.recordsChecked += records.length;
    return next;
  }

  /** A log was opened again: what it shows must fit, and becomes what must be there from now on. */
  async reopened(log: Log, ending: Ending): Promise<void> {
    const names = new Set(await log.topics());
    for (const model of this.topics) {
      const isThere = names.delete(model.name);
      if (model.state === "alive" && !isThere) fail("I1", model, -1, -1, "the topic is gone");
      if (model.state === "gone" && isThere) fail("I9", model, -1, -1, "the deleted topic came back");
      model.state = isThere ? "alive" : "gone";
      model.topic = undefined;
      if (!isThere) continue;
      model.topic = await log.existingTopic(model.name);
      for (const [option, wanted] of Object.entries(model.config)) {
        const found = model.topic.config[option as keyof TopicConfig];
        if (found !== wanted) fail("I1", model, -1, -1, `the topic has ${option} ${found}, not ${wanted}`);
      }
      for (let number = 0; number < model.partitions.length; number++)
        await this.#partitionReopened(model, model.topic, number, ending);
      model.entries = [];
    }
    for (const name of names) throw new Violation(`I2: there is a topic "${name}" that nobody made`);
    this.topics = this.topics.filter(({ state }) => state === "alive");
    this.isFailed = false;
  }

  async #partitionReopened(model: TopicModel, topic: Topic, number: number, ending: Ending): Promise<void> {
    const partition = modelOf(model, number);
    const expected = this.placed(model, number);
    const must =
      ending === "closed" && !this.isFailed
        ? expected.length
        : this.acknowledgedEnd(model, number, ending === "power" ? "disk" : "os");
    const { logStartOffset, highWatermark, logEndOffset } = await topic.partition(number).describe();
    if (highWatermark !== logEndOffset)
      fail("I3", model, number, highWatermark, `recovered, but visible only up to here, not ${logEndOffset}`);
    if (logEndOffset < must)
      fail("I1", model, number, logEndOffset, `lost: acknowledged up to ${must} (${ending})`);
    if (logEndOffset > expected.length)
      fail("I2", model, number, expected.length, `invented: it ends at ${logEndOffset}`);
    if (logStartOffset < partition.start)
      fail("I9", model, number, logStartOffset, `back although deleted up to ${partition.start}`);
    if (logStartOffset > partition.startMax)
      fail(
        "I1",
        model,
        number,
        logStartOffset,
        `its start, yet deletion was asked for up to ${partition.startMax}`,
      );
    const records: LogRecord[] = [];
    for await (const record of topic.partition(number).read()) records.push(record);
    partition.startMax = Math.max(logStartOffset, partition.start);
    const end = this.compare(model, number, logStartOffset, records);
    if (end !== Math.max(logEndOffset, logStartOffset))
      fail("I2", model, number, end, `reading ends here, the partition at ${logEndOffset}`);
    partition.records = (expected.slice(0, logEndOffset) as Entry[]).map((entry) => ({
      ...entry,
      receipt: undefined,
    }));
    partition.start = partition.startMax = logStartOffset;
    partition.visibleEnd = partition.syncedEnd = 0;
  }
}

export function modelOf(model: TopicModel, partition: number): PartitionModel {
  return model.partitions[partition] as PartitionModel;
}

function sameBytes(left: Buffer | null, right: Buffer | null): boolean {
  return left === null || right === null ? left === right : left.equals(right);
}

function fail(promise: string, model: TopicModel, partition: number, offset: number, what: string): never {
  const where = partition < 0 ? model.name : `${model.name}/${partition} offset ${offset}`;
  throw new Violation(`${promise}: ${where}: ${what} (durability ${model.config.durability})`);
}
