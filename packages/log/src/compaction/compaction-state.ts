// How far a partition is compacted, and since when: what has to be remembered from one compaction to the next.

/** As the checkpoint file keeps it. */
export interface CompactionState {
  /** The number of the last compaction. None is given twice where files that carry it may count. */
  readonly count: number;
  /** Before this offset there is one record of each key, the latest of those before it. */
  readonly end: number;
  /** Offsets and since when, in milliseconds since 1970, that was so of all before them; in order. */
  readonly marks: readonly (readonly [end: number, at: number])[];
}

export const neverCompacted: CompactionState = { count: 0, end: 0, marks: [] };

// A record without a value stays longer by at most this share of the time that it has to.
const markShare = 1 / 8;
const marksMax = 32;

/** Records without a value go before this offset: what they say has been so for long enough. */
export function tombstoneEnd({ marks }: CompactionState, now: number, deleteRetentionMs: number): number {
  let end = 0;
  for (const [offset, at] of marks) if (at + deleteRetentionMs <= now) end = Math.max(end, offset);
  return end;
}

/** The state after a compaction that began at `now` and came as far as `end`. */
export function compactedTo(
  { count, marks }: CompactionState,
  end: number,
  now: number,
  deleteRetentionMs: number,
): CompactionState {
  // Of what had been so for long enough nothing is left to remember.
  const left = marks.filter(([, at]) => at + deleteRetentionMs > now);
  const [lastEnd = 0, lastAt = Number.NEGATIVE_INFINITY] = left.at(-1) ?? [];
  // One that is left out only means that its records go with the next one's.
  const isDue = end > lastEnd && now - lastAt >= deleteRetentionMs * markShare && left.length < marksMax;
  return { count, end, marks: isDue ? [...left, [end, now]] : left };
}
