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
    const { logStartOffset, highWatermark } = await this.#storage.describe(this.#id);
    if (highWatermark <= this.#end) return this.#end;
    // What was deleted unseen may have ended a transaction: only the writer's snapshot tells.
    if (logStartOffset > this.#end || this.#ledger?.isDamaged === true) this.#ledger = undefined;
    const now = this.#clock.now();
    if (this.#ledger === undefined) this.#ledger = await ProducerLedger.load(this.#storage, this.#id, now);
    else await this.#ledger.replay(this.#storage, this.#id, now);
    this.#ledger?.producers.forgetBefore(logStartOffset);
    this.#end = highWatermark;
    return this.#end;
  }
}
