// Back-pressure: an append is let in when the tail's budget and the journal have room for it, in the order in which
// appends came. Whoever waits is the reason for a checkpoint.
import type { Journal } from "../../journal/index.js";
import type { FileState } from "./file-state.js";

export class Admission {
  readonly #state: FileState;
  readonly #journal: Journal;
  readonly #tailBytesMax: number;
  readonly #requestCheckpoint: () => void;
  /** Set while an append waits for room: those after it queue up behind it. */
  #last: Promise<void> | undefined;
  #waiters: (() => void)[] = [];
  /** Settles when a checkpoint has failed to make room; another promise once one has made some. */
  stuck!: Promise<void>;
  #isStuck = true;
  /** No checkpoint makes room at present. */
  stick!: () => void;

  constructor(state: FileState, journal: Journal, tailBytesMax: number, requestCheckpoint: () => void) {
    this.#state = state;
    this.#journal = journal;
    this.#tailBytesMax = tailBytesMax;
    this.#requestCheckpoint = requestCheckpoint;
    this.unstick();
  }

  /** A checkpoint made room. */
  unstick(): void {
    if (!this.#isStuck) return;
    this.#isStuck = false;
    this.stuck = new Promise((resolve) => {
      this.stick = () => {
        this.#isStuck = true;
        resolve();
      };
    });
  }

  /** Undefined: `bytes` of records may be appended now, as what holds none always may. Otherwise when they may; rejects when the journal has failed. */
  enter(bytes: number): Promise<void> | undefined {
    if (bytes === 0 || (this.#last === undefined && this.#hasRoom(bytes))) return undefined;
    const turn = (this.#last ?? Promise.resolve()).then(() => this.#whenRoom(bytes));
    const settled = turn
      .catch(() => undefined)
      .then(() => {
        if (this.#last === settled) this.#last = undefined;
      });
    this.#last = settled;
    return turn;
  }

  /** The tail has become smaller, or nothing will ever make it so: whoever waits looks again. */
  lookAgain(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resolve of waiters) resolve();
  }

  #hasRoom(bytes: number): boolean {
    return this.#fitsTail(bytes) && this.#journal.ring.hasRoom(bytes);
  }

  #fitsTail(bytes: number): boolean {
    const { tailBytes } = this.#state;
    return tailBytes === 0 || tailBytes + bytes <= this.#tailBytesMax;
  }

  async #whenRoom(bytes: number): Promise<void> {
    while (!this.#hasRoom(bytes)) {
      if (this.#journal.failure !== undefined) throw this.#journal.failure;
      if (!this.#journal.ring.canGrow || !this.#fitsTail(bytes)) this.#requestCheckpoint();
      const released = new Promise<void>((resolve) => this.#waiters.push(resolve));
      await Promise.race([this.#journal.ring.roomChange(), released]);
    }
  }
}
