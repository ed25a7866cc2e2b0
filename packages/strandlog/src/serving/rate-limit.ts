// Of very many alike only some are told, and how many were not.

interface Window {
  readonly sinceMs: number;
  told: number;
  suppressed: number;
}

export class RateLimit {
  readonly #nowMs: () => number;
  readonly #countMax: number;
  readonly #windowMs: number;
  readonly #windows = new Map<string, Window>();

  /** One kind may be told so often within the time. */
  constructor(nowMs: () => number, countMax = 10, windowMs = 10_000) {
    this.#nowMs = nowMs;
    this.#countMax = countMax;
    this.#windowMs = windowMs;
  }

  /**
   * Whether to tell, and how many of this kind have not been told since the last that was.
   *
   * @param kind one of few: not what a client has chosen
   */
  admit(kind: string): { readonly suppressed: number } | undefined {
    const nowMs = this.#nowMs();
    let window = this.#windows.get(kind);
    const suppressed = window?.suppressed ?? 0;
    if (window === undefined || nowMs - window.sinceMs >= this.#windowMs) {
      window = { sinceMs: nowMs, told: 0, suppressed };
      this.#windows.set(kind, window);
    }
    if (window.told >= this.#countMax) {
      window.suppressed++;
      return undefined;
    }
    window.told++;
    window.suppressed = 0;
    return { suppressed };
  }
}
