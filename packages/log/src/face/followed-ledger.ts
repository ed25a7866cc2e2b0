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
    const { logStartOffset, highWatermark, compaction } = await this.#storage.describe(this.#id);
    if (highWatermark <= this.#end) return this.#end;
    const compactedTo = compaction?.end ?? 0;
    // What went unseen may have ended a transaction: only the writer's snapshot tells.
    const isGone = compactedTo > this.#compactedTo || logStartOffset > this.#end;
    if (isGone || this.#ledger?.isDamaged === true) this.#ledger = undefined;
    this.#compactedTo = compactedTo;
    const now = this.#clock.now();
    if (this.#ledger === undefined) this.#ledger = await ProducerLedger.load(this.#storage, this.#id, now);
    else await this.#ledger.replay(this.#storage, this.#id, now);
    this.#ledger?.producers.forgetBefore(logStartOffset);
    this.#end = highWatermark;
    return this.#end;
  }
}
