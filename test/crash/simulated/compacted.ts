// What a compaction may take out, what it must, and what it must not: up to where it has come there is of each key the
// latest record, and no other, unless that one has no value and has said so for long enough.
import type { Clock } from "@strandlog/log";
import { configsOf, type Entry, type Expected, fail, modelOf, type TopicModel } from "./models.js";
import type { Outcome } from "./producers.js";

/** How far a partition was compacted around the time that it was read. */
export interface Compacted {
  readonly before: number;
  readonly after: number;
  readonly clock: Clock;
}

/** Of the records from an offset to before another, which are there, and which may or must be gone. */
export function checkCompacted(
  model: TopicModel,
  partition: number,
  { records }: Expected,
  found: ReadonlyMap<number, Entry>,
  { from, next, compacted, outcome }: { from: number; next: number; compacted: Compacted; outcome: Outcome },
): void {
  const at = (offset: number): Entry | undefined => found.get(offset) ?? records[offset];
  const latestBefore = (end: number): Map<string, number> => {
    const latest = new Map<string, number>();
    for (let offset = 0; offset < end; offset++) {
      const entry = at(offset);
      if (entry !== undefined && entry.marker === undefined && !isAborted(entry, outcome))
        latest.set(entry.key, offset);
    }
    return latest;
  };
  const { before, after } = compacted;
  const mayHide = latestBefore(after);
  const mustHide = before === after ? mayHide : latestBefore(before);
  const retentionMs = Math.min(...configsOf(model).map(({ deleteRetentionMs }) => deleteRetentionMs));
  for (let offset = from; offset < next; offset++) {
    const entry = at(offset);
    if (entry === undefined) continue;
    const place = { partition, offset };
    const isHidden = (latest: ReadonlyMap<string, number>): boolean =>
      entry.marker === undefined && (isAborted(entry, outcome) || (latest.get(entry.key) ?? -1) > offset);
    if (found.has(offset)) {
      if (offset < before && isHidden(mustHide))
        fail("I9", model, place, `there, compacted up to ${before}, though it was aborted or is obsolete`);
      continue;
    }
    const isOld = entry.value === null && compacted.clock.now() - entry.at >= retentionMs;
    // Markers go like records without a value.
    const mayGo = isHidden(mayHide) || isOld;
    if (!mayGo || offset >= after)
      fail("I2", model, place, `missing: "${entry.key}", compacted up to ${after}`);
  }
}

function isAborted({ batch }: Entry, outcome: Outcome): boolean {
  return batch?.transaction !== undefined && outcome(batch.transaction) === "aborted";
}

/** What a log that was opened again says of it. */
export function checkCompactedEnd(
  model: TopicModel,
  partition: number,
  end: number,
  { served, logEndOffset, mayBe }: { served: number; logEndOffset: number; mayBe: boolean },
): void {
  const place = { partition, offset: end };
  const { compactedBefore } = modelOf(model, partition);
  const least = Math.max(compactedBefore, served);
  if (end < least) fail("I3", model, place, `compacted up to here only, not up to ${least}`);
  if (end > logEndOffset) fail("I2", model, place, `compacted up to here, it ends at ${logEndOffset}`);
  if (end > compactedBefore && !mayBe) fail("I2", model, place, "compacted, though nobody asked for it");
}
