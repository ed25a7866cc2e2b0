// The groups that have members in this broker. What groups have committed is the log's matter, not theirs.
import type { Clock } from "@strandlog/log";
import { groupsMax, memberBytesModest, membersBytesMax } from "../limits.js";
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

  /** Whether members may say, or be assigned, so much more. */
  hasRoom(bytes: number): boolean {
    if (bytes <= memberBytesModest) return true;
    let sum = bytes;
    for (const group of this.#groups.values()) for (const member of group.members) sum += member.bytes;
    return sum <= membersBytesMax;
  }

  /** The group, made if need be: it goes when its last member does. Undefined if there are too many. */
  open(id: string): ConsumerGroup | undefined {
    const known = this.#groups.get(id);
    if (known !== undefined) return known;
    if (this.#groups.size >= groupsMax && !this.#dropExpecting()) return undefined;
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

  /** Of the groups in which nobody is yet, the one that has been expecting somebody for longest makes way. */
  #dropExpecting(): boolean {
    for (const [id, group] of this.#groups) {
      if (group.members.length > 0) continue;
      group.close();
      this.#groups.delete(id);
      return true;
    }
    return false;
  }

  close(): void {
    this.#isClosed = true;
    for (const group of this.#groups.values()) group.close();
    this.#groups.clear();
  }
}
