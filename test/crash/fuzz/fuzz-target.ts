// What is fuzzed, as far as the lab knows it: packages/log/src/fuzz/target.ts says more.
import type fc from "fast-check";

export interface FuzzTarget {
  readonly name: string;
  /** How many of a hundred cases it gets. */
  readonly share: number;
  /** Not all have one. */
  readonly identity?: unknown;
}

/** One that is at home here. */
export interface MadeTarget extends FuzzTarget {
  readonly codes: readonly string[];
  readonly isRefusal: (error: unknown) => boolean;
  readonly corpus: readonly Buffer[];
  read(input: Buffer): boolean;
  repair(input: Buffer): Buffer;
  readonly fields: fc.Arbitrary<Buffer>;
}
