// What compactions do to a partition's segments, as far as others must know of it: files that are being made, which
// nobody may clear away, and what is ready to take the place of segments as soon as the checkpoint file says so. Until
// then the old ones count, and since nobody knows which checkpoint file a crash would leave, both stay.
import type { CompactionState } from "../compaction/index.js";
import { type Segment, swapName } from "../segment/index.js";
import type { CompactionFigures, CompactionOutcome } from "../storage/contracts.js";

/** New segments, perhaps none, that hold what is left of old ones, which follow each other. */
export interface Replacement {
  readonly old: readonly Segment[];
  readonly by: readonly Segment[];
}

export interface Offer {
  readonly replacements: readonly Replacement[];
  readonly state: CompactionState;
}

export class Rewrites {
  state: CompactionState;
  /** Counts with the next checkpoint file. */
  offered: Offer | undefined;
  /** What has been taken out in this process, and when that was done last. */
  figures: Omit<CompactionFigures, "end"> = { records: 0, bytes: 0, at: -1 };
  #isUnderway = false;
  #writing: Promise<void> = Promise.resolve();

  constructor(state: CompactionState) {
    this.state = state;
  }

  get isUnderway(): boolean {
    return this.#isUnderway;
  }

  /** Settles when no file is being written. */
  get idle(): Promise<void> {
    return this.#writing;
  }

  /** Answers the number of the new compaction, which no file that may count has. */
  begin(): number {
    this.#isUnderway = true;
    const count = this.state.count + 1;
    this.state = { ...this.state, count };
    return count;
  }

  end(): void {
    this.#isUnderway = false;
  }

  get description(): { readonly compaction?: CompactionFigures } {
    return this.state.count === 0 ? {} : { compaction: { end: this.state.end, ...this.figures } };
  }

  did({ records, bytes }: CompactionOutcome, now: number): void {
    const { figures } = this;
    this.figures = { records: figures.records + records, bytes: figures.bytes + bytes, at: now };
  }

  /** Whoever removes the directory waits for `action`. */
  async write<T>(action: () => Promise<T>): Promise<T> {
    const written = action();
    this.#writing = written.then(
      () => undefined,
      () => undefined,
    );
    return written;
  }

  /** Whether a file is of the compaction under way. */
  isMaking(path: string): boolean {
    return this.#isUnderway && path.endsWith(swapName(this.state.count));
  }

  /** The segments as they are once the offer counts. */
  static applied({ replacements }: Offer, segments: readonly Segment[]): Segment[] {
    const replacementOf = new Map<Segment, Replacement>();
    for (const replacement of replacements)
      for (const segment of replacement.old) replacementOf.set(segment, replacement);
    const done = new Set<Replacement>();
    return segments.flatMap((segment) => {
      const replacement = replacementOf.get(segment);
      if (replacement === undefined) return [segment];
      // The first of them may have been deleted meanwhile.
      if (done.has(replacement)) return [];
      done.add(replacement);
      return replacement.by;
    });
  }
}
