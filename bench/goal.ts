// What a goal is, and the arithmetic that goals share.

export type Figure = (workload: string, subject?: string) => number | undefined;

export interface Goal {
  readonly goal: string;
  readonly wanted: string;
  /** What is compared with `bound`; undefined when it was not measured. */
  readonly seen: (value: Figure, ratio: Figure) => number | undefined;
  readonly bound: number;
  readonly better: "more" | "less";
  readonly show: (seen: number) => string;
}

export const times = (seen: number): string => `${seen.toFixed(2)} ×`;
export const percent = (seen: number): string => `${Math.round(seen * 100)} %`;
export function divided(dividend: number | undefined, divisor: number | undefined): number | undefined {
  return dividend === undefined || divisor === undefined ? undefined : dividend / divisor;
}

export function inverse(ratio: number | undefined): number | undefined {
  return divided(1, ratio);
}

export function most(values: readonly (number | undefined)[]): number | undefined {
  const there = values.filter((value) => value !== undefined);
  return there.length === 0 ? undefined : Math.max(...there);
}
