// What a row of the scorecard is. lab.ts runs rows one after the other; a row may use several processes (jobs.ts).

export interface RowContext {
  /** quick: all rows together within five minutes, for CI. full: the goals of the scorecard. */
  readonly mode: "quick" | "full";
  /** Decides whatever the row draws by lot. */
  readonly seed: number;
  /** How many processes may work at once. */
  readonly workers: number;
  /** How many points to try, where the row can choose, instead of what the mode wants. */
  readonly points: number | undefined;
  /** One case to run again instead of the whole row, as a violation of that row has printed it. */
  readonly replay: string | undefined;
  /** Shows how far the row is: a short line that replaces the one before. */
  progress(text: string): void;
}

export interface RowResult {
  /** How many cases were tried. */
  readonly points: number;
  /** One line for each promise that was broken, with what is needed to see it again. */
  readonly violations: readonly string[];
  /** Why some of the cases, or all of them, could not be tried on this machine. */
  readonly skipped?: string;
  /** What else is worth knowing, in a few words: "12 crashes of each kind". */
  readonly remark?: string;
}

export interface Row {
  /** As in `npm run crash -- NAME`. */
  readonly name: string;
  /** What one point is, in the plural: "crash points", "kills". */
  readonly points: string;
  /** How many points the full run tries at least; undefined where "all of them" is the goal. */
  readonly goal?: number;
  /** One sentence for --help. */
  readonly about: string;
  run(context: RowContext): Promise<RowResult>;
}
