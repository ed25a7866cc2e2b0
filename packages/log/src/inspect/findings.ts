// What a verification has found so far.
import { type ErrorCode, LogError, systemCode } from "../errors.js";
import { meaningOf } from "./meaning.js";

export type DamageCode = "CORRUPT_INDEX" | ErrorCode;

export interface Damage {
  readonly file: string;
  /** In bytes from the beginning of the file. */
  readonly position: number;
  readonly code: DamageCode;
  readonly what: string;
  /** The records that are affected, as far as that can be told: both ends included. */
  readonly offsets?: { readonly from: number; readonly to: number };
  /** What it means for whoever reads or opens the log. */
  readonly effect: string;
  /** What a repair would do about it. */
  readonly repair: string;
}

/** Worth knowing, and no damage: what a crash may leave and the next open clears away. */
export interface VerifyNote {
  readonly file: string;
  readonly what: string;
}

export interface VerifyProgress {
  readonly file: string;
  /** Of the whole run; the total is what segments hold, so more when the journal holds something too. */
  readonly bytes: number;
  readonly bytesTotal: number;
}

export interface VerifyReport {
  readonly damages: readonly Damage[];
  readonly notes: readonly VerifyNote[];
  readonly partitions: number;
  readonly segments: number;
  readonly batches: number;
  readonly records: number;
  readonly journalBlocks: number;
  readonly bytes: number;
}

export interface VerifyCounts {
  partitions: number;
  segments: number;
  batches: number;
  records: number;
  journalBlocks: number;
}

export const missingFile = "the file is missing";

export class Findings {
  damages: Damage[] = [];
  notes: VerifyNote[] = [];
  readonly counts: VerifyCounts = { partitions: 0, segments: 0, batches: 0, records: 0, journalBlocks: 0 };

  damage(
    file: string,
    position: number,
    code: DamageCode,
    what: string,
    offsets?: { from: number; to: number },
  ): void {
    const range = offsets === undefined || offsets.to < offsets.from ? undefined : offsets;
    const damage = { file, position, code, what, ...meaningOf(file, range) };
    this.damages.push(range === undefined ? damage : { ...damage, offsets: range });
  }

  /** Damage that no reader notices. */
  flaw(file: string, position: number, code: DamageCode, what: string): void {
    const repair = "puts back what was there";
    this.damages.push({ file, position, code, what, effect: "no record is affected", repair });
  }

  note(file: string, what: string): void {
    this.notes.push({ file, what });
  }

  /** Damage out of an error. A newer format is not damage: that ends the run. */
  error(file: string, code: DamageCode, error: unknown): void {
    if (!(error instanceof LogError) || error.code === "UNSUPPORTED_VERSION") throw error;
    const { path, position } = error.details;
    const where = typeof path === "string" ? path : file;
    const ownCode = error.code === "IO" || error.code.startsWith("CORRUPT") ? error.code : code;
    this.damage(where, typeof position === "number" ? position : 0, ownCode, error.message);
  }

  add(other: Findings): void {
    this.damages.push(...other.damages);
    this.notes.push(...other.notes);
    for (const name of Object.keys(this.counts) as (keyof VerifyCounts)[]) {
      this.counts[name] += other.counts[name];
    }
  }
}

export function isMissing(error: unknown): boolean {
  return systemCode(error) === "ENOENT";
}
