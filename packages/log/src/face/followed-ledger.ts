// What a reader beside the writer knows of a partition's producers: the writer's last snapshot, and whatever is visible
// after it, read again. Nothing tells it what happens, so it looks each time somebody wants to know.
import type { Clock } from "../clock.js";
import type { LogStorage } from "../storage/contracts.js";
import { ProducerLedger } from "./producer-snapshot.js";

export class FollowedLedger {
  readonly #storage: LogStorage;
  readonly #clock: Clock;
  readonly #id: string;
  #ledger: ProducerLedger | undefined;
  /** All before it has been taken into account. */
  #end = 0;
  /** Whether it has. What went unseen may have ended a transaction: then only the writer's snapshot tells. */
  #isSound = false;
  /** Up to where the partition was compacted then. */
  #compactedTo = 0;
  #catchingUp: Promise<number> | undefined;

  /** `id`: the partition's. */
  constructor(storage: LogStorage, clock: Clock, id: string) {
    this.#storage = storage;
    this.#clock = clock;
    this.#id = id;
  }

  get ledger(): ProducerLedger | undefined {
    return this.#ledger;
  }

  /** Takes into account what is visible now. Answers up to where everything has been. */
  catchUp(): Promise<number> {
    this.#catchingUp ??= this.#catchUp().finally(() => {
      this.#catchingUp = undefined;
    });
    return this.#catchingUp;
  }

  async #catchUp(): Promise<number> {
    for (;;) {
      const { logStartOffset, highWatermark, compactedTo } = await this.#look();
      if (this.#isSound && highWatermark <= this.#end) return this.#end;
      const isGone = compactedTo > this.#compactedTo || logStartOffset > this.#end;
      const known = this.#isSound && !isGone ? this.#ledger : undefined;
      this.#isSound = false;
      const now = this.#clock.now();
      // Whoever reads meanwhile goes by what was known.
      if (known === undefined || known.isDamaged)
        this.#ledger = await ProducerLedger.load(this.#storage, this.#id, now);
      else await known.replay(this.#storage, this.#id, now);
      this.#ledger?.producers.forgetBefore(logStartOffset);
      const after = await this.#look();
      if (after.logStartOffset > logStartOffset || after.compactedTo > compactedTo) continue;
      this.#isSound = true;
      this.#compactedTo = compactedTo;
      this.#end = highWatermark;
      return this.#end;
    }
  }

  async #look(): Promise<{ logStartOffset: number; highWatermark: number; compactedTo: number }> {
    const { compaction, ...description } = await this.#storage.describe(this.#id);
    return { ...description, compactedTo: compaction?.end ?? 0 };
  }
}
