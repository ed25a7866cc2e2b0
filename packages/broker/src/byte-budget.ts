// What all connections together hold in memory: requests that arrive or have been begun, answers that wait. Each has a
// small share of its own, so that what is small always goes on; beyond that, nothing more is read while the budget is
// used up. Then one at a time, in order, is favoured: it may receive the rest of the request that it is in the middle
// of, and is so until that is answered. So there is always one that goes on, and no more than one.

/** Whose bytes they are. */
export interface Holder {
  /** Called when more may be taken in, after it was told that it may not. */
  goOn(): void;
}

export class ByteBudget {
  readonly #bytesMax: number;
  readonly #shareBytes: number;
  readonly #held = new Map<Holder, number>();
  /** Whether each is in the middle of a request; in the order in which they have been told to wait. */
  readonly #waiting = new Map<Holder, boolean>();
  #bytes = 0;
  #favoured: Holder | undefined;
  /** The favoured one has all of its request. */
  #isReceived = false;

  constructor(bytesMax: number, shareBytes: number) {
    this.#bytesMax = bytesMax;
    this.#shareBytes = shareBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get left(): number {
    return Math.max(0, this.#bytesMax - this.#bytes);
  }

  /** Somebody has to wait for what others hold. */
  get isShort(): boolean {
    return this.#waiting.size > 0;
  }

  /** So much it holds from now on, in all. */
  hold(holder: Holder, bytes: number): void {
    const before = this.#heldBy(holder);
    if (bytes === 0) this.#held.delete(holder);
    else this.#held.set(holder, bytes);
    this.#bytes += bytes - before;
    const isUsual = this.#favoured === undefined && this.#waiting.size === 0;
    if (bytes < before && !isUsual) this.#wake(holder);
  }

  /** It is gone. */
  drop(holder: Holder): void {
    this.#waiting.delete(holder);
    if (this.#favoured === holder) this.#favourNext();
    this.hold(holder, 0);
  }

  /** It has received all of a request. */
  received(holder: Holder): void {
    if (this.#favoured === holder) this.#isReceived = true;
  }

  /** Whether it may take in more now. If not, it is told when it may. */
  mayGoOn(holder: Holder, isInRequest: boolean): boolean {
    if (this.#favoured === holder) return !this.#isReceived;
    if (this.#heldBy(holder) < this.#shareBytes || this.left > 0) return true;
    this.#waiting.set(holder, isInRequest);
    if (this.#favoured === undefined) this.#favourNext();
    return this.#favoured === holder;
  }

  #heldBy(holder: Holder): number {
    return this.#held.get(holder) ?? 0;
  }

  /** `holder` holds less than before. */
  #wake(holder: Holder): void {
    const isSmall = this.#heldBy(holder) < this.#shareBytes;
    if (this.left > 0) {
      const all = new Set(this.#waiting.keys());
      if (this.#favoured !== undefined) all.add(this.#favoured);
      this.#favoured = undefined;
      this.#waiting.clear();
      for (const each of all) each.goOn();
    } else if (isSmall && this.#favoured === holder) {
      this.#favourNext();
      holder.goOn();
    } else if (isSmall && this.#waiting.delete(holder)) {
      holder.goOn();
    }
  }

  #favourNext(): void {
    this.#favoured = undefined;
    for (const [next, isInRequest] of this.#waiting) {
      if (!isInRequest) continue;
      this.#waiting.delete(next);
      this.#favoured = next;
      this.#isReceived = false;
      next.goOn();
      return;
    }
  }
}
