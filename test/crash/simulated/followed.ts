// Calls that were made and have not settled. Each is followed to its end, and what it is refused with must have a
// reason.
import { LogError } from "@strandlog/log";
import type { SimulatedDisk } from "@strandlog/log/testing";
import type { TopicModel } from "./models.js";
import type { Oracle } from "./oracle.js";

export interface Circumstances {
  /** The topics concerned: they may be deleted meanwhile. */
  readonly models?: readonly TopicModel[];
  /** What the call may be refused with whatever the disk does. */
  readonly refusals?: readonly string[];
  /** The disk's errors that must not show: what the call does not need from the disk. */
  readonly isJournalOnly?: boolean;
}

export class FollowedCalls {
  readonly #disk: SimulatedDisk;
  readonly #oracle: Oracle;
  readonly #underway = new Set<{ what: string }>();
  #waiters: (() => void)[] = [];
  /** The first refusal without a reason. */
  trouble: unknown;

  constructor(disk: SimulatedDisk, oracle: Oracle) {
    this.#disk = disk;
    this.#oracle = oracle;
  }

  /** A checkpoint may have failed since the log was opened: the disk was full, or failed, outside the journal. */
  get hasTrouble(): boolean {
    return this.#disk.hits.some(({ path }) => !path.includes("/journal/"));
  }

  get count(): number {
    return this.#underway.size;
  }

  /** The calls that have not settled, in words. */
  get waiting(): string {
    return [...this.#underway].map(({ what }) => what).join(", ");
  }

  /** Settles when all of them have; never if their process dies. */
  async settled(): Promise<void> {
    while (this.#underway.size > 0) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  /** They belong to a process that died. */
  forget(): void {
    this.#underway.clear();
  }

  follow(what: string, call: Promise<unknown>, circumstances: Circumstances = {}): void {
    const underway = { what };
    this.#underway.add(underway);
    call.then(
      () => this.#ended(underway),
      (error: unknown) => {
        this.#ended(underway);
        if (!this.#isFounded(error, circumstances)) this.trouble ??= error;
      },
    );
  }

  #ended(underway: { what: string }): void {
    this.#underway.delete(underway);
    for (const resolve of this.#waiters.splice(0)) resolve();
  }

  #isFounded(error: unknown, { models = [], refusals = [], isJournalOnly = false }: Circumstances): boolean {
    if (!(error instanceof LogError)) return false;
    const { code } = error;
    const { hits } = this.#disk;
    if (code === "JOURNAL_FAILED" && hits.some(({ path }) => path.includes("/journal/"))) {
      this.#oracle.isFailed = true;
      return true;
    }
    const wasDeleted = models.some(({ state }) => state === "deleting" || state === "gone");
    if ((code === "TOPIC_NOT_FOUND" || code === "PARTITION_NOT_FOUND") && wasDeleted) return true;
    return refusals.includes(code) || (hits.length > 0 && !isJournalOnly);
  }
}
