// A payload on its way through the journal, and the two promises that its submitter looks at.

export interface Commit {
  /** Settles when the payload has been handed to the operating system. */
  readonly written: Promise<void>;
  /** Settles when it is on the disk; only asked for with `sync`, otherwise together with `written`. */
  readonly durable: Promise<void>;
  /** The block that holds the payload; −1 until written. */
  readonly sequence: number;
}

/** Checksums of pieces that the submitter knows already: large ones are not looked at again for them. */
export type KnownChecksums = ReadonlyMap<Uint8Array, number>;

export class Submission implements Commit {
  readonly pieces: readonly Uint8Array[];
  readonly bytes: number;
  readonly known: KnownChecksums | undefined;
  readonly sync: boolean;
  /** Sync at once, whatever syncEveryMs says. */
  readonly force: boolean;
  readonly written: Promise<void>;
  readonly durable: Promise<void>;
  sequence = -1;
  resolveWritten!: () => void;
  resolveDurable!: () => void;
  rejectWritten!: (error: unknown) => void;
  rejectDurable!: (error: unknown) => void;

  constructor(
    pieces: readonly Uint8Array[],
    bytes: number,
    sync: boolean,
    force: boolean,
    known?: KnownChecksums,
  ) {
    this.pieces = pieces;
    this.bytes = bytes;
    this.known = known;
    this.sync = sync;
    this.force = force;
    this.written = new Promise((resolve, reject) => {
      this.resolveWritten = resolve;
      this.rejectWritten = reject;
    });
    this.durable = sync
      ? new Promise((resolve, reject) => {
          this.resolveDurable = resolve;
          this.rejectDurable = reject;
        })
      : this.written;
    // Whoever submitted looks at one of the two at least; the other must not count as unhandled.
    this.written.catch(() => undefined);
    this.durable.catch(() => undefined);
  }

  fail(error: unknown): void {
    this.rejectWritten(error);
    if (this.sync) this.rejectDurable(error);
  }
}
