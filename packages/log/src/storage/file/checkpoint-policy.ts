// When a checkpoint is due: as late as the budgets allow, when the journal shall rotate, and when nothing has been
// appended for long.
import type { Checkpointer } from "../../checkpoint/index.js";
import type { Clock, Timer } from "../../clock.js";
import type { Journal } from "../../journal/index.js";
import type { LogSettings } from "../../options.js";
import type { FileState } from "./file-state.js";

export class CheckpointPolicy {
  readonly #clock: Clock;
  readonly #settings: LogSettings;
  readonly #state: FileState;
  readonly #journal: Journal;
  readonly #checkpointer: Checkpointer;
  readonly #tailBytesMax: number;
  readonly #failed: (error: unknown) => void;
  #rotateTimer: Timer | undefined;
  #idleTimer: Timer | undefined;
  #lastAppendMs = 0;

  /** `failed`: journal space could not be given back. */
  constructor(
    clock: Clock,
    settings: LogSettings,
    state: FileState,
    journal: Journal,
    checkpointer: Checkpointer,
    tailBytesMax: number,
    failed: (error: unknown) => void,
  ) {
    this.#clock = clock;
    this.#settings = settings;
    this.#state = state;
    this.#journal = journal;
    this.#checkpointer = checkpointer;
    this.#tailBytesMax = tailBytesMax;
    this.#failed = failed;
    if (settings.journalRotateMs > 0) this.#startRotation();
    this.#watchIdleness();
    this.look();
  }

  /** Something was appended. */
  appended(): void {
    this.#lastAppendMs = this.#clock.elapsedMs();
  }

  /** Asks for a checkpoint when half of the tail's or of the journal's budget is used: the rest is for meanwhile. */
  look(): void {
    if (!this.#checkpointer.isRunning && this.isTight(0)) this.#checkpointer.request("room");
  }

  /** Whether that is so even when `freed` bytes of the journal are free again. */
  isTight(freed: number): boolean {
    const { liveBytes, bytesMax } = this.#journal.ring;
    return this.#state.tailBytes * 2 > this.#tailBytesMax || (liveBytes - freed) * 2 > bytesMax;
  }

  stop(): void {
    this.#rotateTimer?.cancel();
    this.#idleTimer?.cancel();
  }

  /** Records that are in the journal only, or journal files that nobody needs since their records were deleted. */
  get #hasSomething(): boolean {
    return this.#state.dirty.size > 0 || this.#journal.ring.liveCount > 1;
  }

  #startRotation(): void {
    this.#rotateTimer = this.#clock.startTimer(this.#settings.journalRotateMs, () => {
      // A file is not begun before the last one has been dealt with: rotation must not use up the journal.
      if (!this.#checkpointer.isRunning && this.#hasSomething) {
        this.#journal.ring.rotate();
        this.#checkpointer.request();
      }
      this.#startRotation();
    });
  }

  /** After a long time without appends: everything to segments, journal space back to the file system. */
  #watchIdleness(): void {
    const { idleMs } = this.#settings;
    this.#idleTimer = this.#clock.startTimer(idleMs, () => {
      if (this.#clock.elapsedMs() - this.#lastAppendMs >= idleMs && this.#journal.failure === undefined) {
        if (this.#hasSomething) this.#checkpointer.request();
        this.#journal.ring.shrink().catch(this.#failed);
      }
      this.#watchIdleness();
    });
  }
}
