// What every kind of crash run takes and answers.

export interface Totals {
  readonly kills: number;
  readonly acknowledged: number;
  readonly seconds: number;
  /** One sentence for each promise that was broken. */
  readonly problems: readonly string[];
}

export interface CrashRun {
  readonly directory: string;
  readonly kills: number;
  readonly seed: number;
  /** One line per phase. */
  readonly say: (line: string) => void;
}
