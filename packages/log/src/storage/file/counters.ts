// Figures of the hot path: counts in typed arrays, one increment each.

/** Counts values by the power of two below which they fall: bucket n holds values under 2^n. */
export class Histogram {
  readonly #counts: Float64Array = new Float64Array(32);

  add(value: number): void {
    const bucket = value < 1 ? 0 : Math.min(31, 32 - Math.clz32(value));
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
  }

  get counts(): number[] {
    const last = this.#counts.findLastIndex((count) => count > 0);
    return [...this.#counts.subarray(0, last + 1)];
  }
}
