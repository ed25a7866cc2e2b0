// What must be true, kept outside the engine: what was submitted, what was acknowledged at which level, what was
// deleted, what groups have committed. recovered.ts compares it with what a log shows that was opened again. Each
// complaint names the promise that does not hold (DESIGN, section 3).
import type { AppendResult, Durability } from "@strandlog/log";
import type { CrashKind } from "@strandlog/log/testing";
import { type Compacted, checkCompacted } from "./compacted.js";
import {
  type Config,
  checkAcknowledged,
  type Entry,
  expectedIn,
  fail,
  levels,
  modelOf,
  newPartition,
  type ProducerModel,
  placeOf,
  startMaxOf,
  type TopicModel,
} from "./models.js";

import { knownOutcome, type Outcome } from "./producers.js";
import type { Item } from "./raw-look.js";

/** How the last life ended: what it must have left behind. */
export type Ending = CrashKind | "closed";

/** Of several endings without a recovery between them the worst counts. */
export function worseEnding(left: Ending, right: Ending): Ending {
  const order: readonly Ending[] = ["closed", "process", "power"];
  return order.indexOf(left) > order.indexOf(right) ? left : right;
}

/** What a look at a partition's records has shown: which record is at which offset. */
export type Found = Map<number, Entry>;

export class Oracle {
  topics: TopicModel[] = [];
  readonly producers: ProducerModel[] = [];
  recordsChecked = 0;
  /** The journal was seen to have failed. */
  isFailed = false;

  topic(name: string, config: Config): TopicModel {
    const model: TopicModel = {
      name,
      config,
      configsAsked: [],
      configsBefore: [],
      topic: undefined,
      state: "creating",
      partitions: Array.from({ length: config.partitions }, newPartition),
      entries: [],
      groups: new Map(),
      ids: new Map(),
      hasProducers: false,
    };
    this.topics.push(model);
    return model;
  }

  acknowledged(model: TopicModel, entry: Entry, result: AppendResult): void {
    const place = { partition: result.partition, offset: result.offset };
    if (this.isFailed && entry.level !== "memory" && result.duplicate !== true)
      fail("I5", model, place, "acknowledged after the journal had failed");
    const { dedupeId } = entry;
    const known = dedupeId === undefined ? undefined : model.ids.get(dedupeId);
    if (result.duplicate === true) {
      const isKnown = known?.offset === place.offset && known.partition === place.partition;
      if (dedupeId !== undefined && !isKnown)
        fail("I2", model, place, `said to be there already, yet "${dedupeId}" is at ${known?.offset}`);
      entry.isOut = true;
      return;
    }
    if (known !== undefined)
      fail("I2", model, place, `there twice: "${dedupeId}" is at ${known.offset}, too`);
    checkAcknowledged(model, entry, result);
    if (dedupeId !== undefined) model.ids.set(dedupeId, place);
    entry.place = place;
    entry.acknowledged = true;
    // It may have been sent again meanwhile, for less.
    if (levels[result.durability] > levels[entry.level]) entry.level = result.durability;
  }

  /** The end of what must be there when only what reached `level` is. */
  acknowledgedEnd(model: TopicModel, partition: number, level: Durability): number {
    const { records, syncedEnd, visibleEnd, start } = modelOf(model, partition);
    let end = Math.max(records.length, syncedEnd, start);
    if (levels[model.config.durability] >= levels[level]) end = Math.max(end, visibleEnd);
    for (const entry of model.entries) {
      if (!entry.acknowledged || levels[entry.level] < levels[level]) continue;
      const place = placeOf(entry);
      if (place?.partition === partition) end = Math.max(end, place.offset + 1);
    }
    return end;
  }

  /** Notes what log.sync() promises when it is called; the answer is called when it has settled. */
  syncing(): () => void {
    const placed = this.topics.flatMap((model) =>
      model.partitions.map((partition, number) => ({
        model,
        partition,
        end: expectedIn(model, number).records.length,
      })),
    );
    return () => {
      // Where the topic is being deleted nothing is promised.
      for (const { model, partition, end } of placed)
        if (model.state === "alive") partition.syncedEnd = Math.max(partition.syncedEnd, end);
    };
  }

  /**
   * Compares records read from one partition, from `start` on, with what was submitted. Up to `deletedMax` records may
   * be missing.
   */
  compare(
    model: TopicModel,
    partition: number,
    start: number,
    deletedMax: number,
    items: readonly Item[],
    compacted: Compacted,
    outcome: Outcome,
  ): { next: number; found: Found } {
    const expected = expectedIn(model, partition);
    const known = modelOf(model, partition).records.length;
    // A transaction that had its offsets when one of its topics was deleted leaves a gap in the others.
    const hasRefused = expected.unplaced.some(({ rejected }) => rejected);
    const found: Found = new Map();
    const taken = new Set<Entry>();
    let next = start;
    for (const record of items) {
      const place = { partition, offset: record.offset };
      if (record.offset < start) fail("I9", model, place, "read although deleted");
      if (record.offset < next) fail("I2", model, place, "read twice or out of order");
      const entry = expected.records[record.offset] ?? matching(expected.unplaced, taken, record);
      if (entry === undefined) fail("I2", model, place, `read, but never submitted: ${keyOf(record)}`);
      if (keyOf(record) !== entry.key || !sameBytes(record.value, entry.value))
        fail("I1", model, place, `holds another record, ${keyOf(record)}, not ${entry.key}`);
      // Something without a known place may have been there, and been compacted.
      const isCompacted = next < compacted.after && expected.unplaced.length > 0;
      const isGap = entry.isJump === true || hasRefused || isCompacted;
      // What it left a gap before may be gone, too.
      const isHole = (offset: number): boolean =>
        expected.records[offset] === undefined &&
        expected.records.slice(offset, record.offset).find((each) => each !== undefined)?.isJump !== true;
      if (!isGap && between(Math.max(next, deletedMax, known), record.offset).some(isHole))
        fail("I2", model, place, "a hole before it");
      taken.add(entry);
      found.set(record.offset, entry);
      next = record.offset + 1;
    }
    checkCompacted(model, partition, expected, found, {
      from: Math.max(start, deletedMax),
      next,
      compacted,
      outcome,
    });
    this.recordsChecked += items.length;
    return { next, found };
  }

  /** A reader of the running log: all that is acknowledged is there, and nothing else. */
  read(
    model: TopicModel,
    partition: number,
    { start, must, startNow, compacted }: Look,
    items: readonly Item[],
  ): void {
    const known = modelOf(model, partition);
    const deletedMax = Math.max(startMaxOf(model, partition, startNow), startNow);
    const { next, found } = this.compare(model, partition, start, deletedMax, items, compacted, knownOutcome);
    if (next < must && deletedMax < must && !this.isFailed)
      fail("I1", model, { partition, offset: next }, `readable up to here, acknowledged up to ${must}`);
    known.visibleEnd = Math.max(known.visibleEnd, next);
    for (const [offset, entry] of found)
      if (entry.marker !== undefined) entry.place ??= { partition, offset };
  }
}

/** A look at a partition of the running log: where it started before, what had to be there, where it starts now. */
interface Look {
  readonly start: number;
  readonly must: number;
  readonly startNow: number;
  readonly compacted: Compacted;
}

/** A record whose place was not known is known by what it holds. */
function matching(unplaced: readonly Entry[], taken: ReadonlySet<Entry>, item: Item): Entry | undefined {
  const key = keyOf(item);
  const same = unplaced.filter(
    (entry) => entry.key === key && !taken.has(entry) && sameBytes(item.value, entry.value),
  );
  // What was refused is hardly ever there, and then nothing came after it.
  return same.find(({ rejected }) => !rejected) ?? same[0];
}

function between(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, index) => from + index);
}

function keyOf({ key }: Item): string | undefined {
  return key === null ? undefined : Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString();
}

function sameBytes(left: Uint8Array | null, right: Buffer | null): boolean {
  return left === null || right === null ? left === right : right.equals(left);
}
