// What is fuzzed: a reader of bytes that may come from anybody, or from a disk that changed them. The crash lab runs
// millions of cases (test/crash/fuzz), the unit test of this room a few hundred. Nothing of it is published.
import type fc from "fast-check";
import type { ErrorCode } from "../errors.js";

export interface FuzzTarget {
  readonly name: string;
  /** How many of a hundred cases it gets: the more, the cheaper it is and the more there is to find. */
  readonly share: number;
  /** The codes with which it may refuse an input. */
  readonly codes: readonly ErrorCode[];
  /** Of a target whose errors are not the log's: whether it has refused an input. */
  readonly isRefusal?: (error: unknown) => boolean;
  /** Inputs that are valid, or nearly: byte mutation starts from them. */
  readonly corpus: readonly Buffer[];
  /**
   * Reads the input as the engine would. Answers whether it was accepted. Throws a LogError for what it refuses, a
   * FuzzViolation where what was accepted does not hold together.
   */
  read(input: Buffer): boolean | Promise<boolean>;
  /** Lengths and checksums made right again, so that what lies behind them is reached. May work in place. */
  repair(input: Buffer): Buffer;
  /** Inputs whose lengths and checksums are right and whose fields are anything. */
  readonly fields: fc.Arbitrary<Buffer>;
  /** What is encoded is decoded as it was. */
  readonly identity?: fc.IRawProperty<unknown>;
}

/** Something was accepted or answered that must not be. */
export class FuzzViolation extends Error {
  override readonly name = "FuzzViolation";
}

export function expect(condition: boolean, message: string): asserts condition {
  if (!condition) throw new FuzzViolation(message);
}
