// The groups that have members in this broker. What groups have committed is the log's matter, not theirs.
import type { Clock } from "@strandlog/log";
import { ConsumerGroup } from "./consumer-group.js";

export class GroupCoordinator {
  readonly #clock: Clock;
  readonly #groups = new Map<string, ConsumerGroup>();
  #isClosed = false;
  /** Told of each group that has nobody any more. */
  onEmpty: (id: string) => void = () => undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The broker stops: nobody may join any more, since nobody would let them go. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  get all(): readonly ConsumerGroup[] {
    return [...this.#groups.values()];
  }

  /** Undefined if nobody is in it. */
  find(id: string): ConsumerGroup | undefined {
    return this.#groups.get(id);
  }

  /** The group, made if need be: it goes when its last member does. */
  open(id: string): ConsumerGroup {
    const known = this.#groups.get(id);
    if (known !== undefined) return known;
    const group = new ConsumerGroup(id, this.#clock, () => {
      this.#groups.delete(id);
      this.onEmpty(id);
    });
    this.#groups.set(id, group);
    return group;
  }

  /** Forgets a group that nobody has got into. */
  dropIdle(group: ConsumerGroup): void {
    if (group.isIdle) this.#groups.delete(group.id);
  }

  close(): void {
    this.#isClosed = true;
    for (const group of this.#groups.values()) group.close();
    this.#groups.clear();
  }
}
