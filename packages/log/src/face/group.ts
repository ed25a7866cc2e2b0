// A named group of one topic: what it has committed, kept in the metadata store, and which of its consumers in this
// process reads which partition. A partition changes hands only when its owner lets go of it, so no two consumers of
// a group have the same record in hand.
import type { Clock } from "../clock.js";
import type { LogStorage, MetadataPut } from "../storage/contracts.js";
import { Watchers } from "../watchers.js";
import { type Committed, committedText, readCommitted } from "./metadata-values.js";

export function groupPrefix(topicId: string): string {
  return `group/${topicId}/`;
}

/** What all groups of a topic have committed: by group, then by partition. */
export async function committedOffsets(
  storage: LogStorage,
  topicId: string,
): Promise<Map<string, Map<number, Committed>>> {
  const prefix = groupPrefix(topicId);
  const groups = new Map<string, Map<number, Committed>>();
  for (const { key, value } of await storage.metadata.list(prefix)) {
    const { group, partition, committed } = readCommitted(prefix, key, value);
    const offsets = groups.get(group) ?? new Map<number, Committed>();
    offsets.set(partition, committed);
    groups.set(group, offsets);
  }
  return groups;
}

/** What writes down that a group goes on there; undefined forgets the partition. */
export function committedPut(
  topicId: string,
  group: string,
  partition: number,
  committed: Committed | undefined,
): MetadataPut {
  const key = `${groupPrefix(topicId)}${encodeURIComponent(group)}/${partition}`;
  return { key, value: committed === undefined ? undefined : committedText(committed) };
}

/** Someone who reads partitions of the group. */
export type Member = object;

export class Group {
  readonly name: string;
  readonly storage: LogStorage;
  readonly #clock: Clock;
  readonly #topicId: string;
  /** Throws if the topic was deleted. */
  readonly #check: () => void;
  readonly #members: Member[] = [];
  readonly #owners = new Map<number, Member>();
  readonly #changes = new Watchers<void>();
  #partitionCount = 0;
  #generation = 0;
  #loading: Promise<void> | undefined;
  #committed = new Map<number, Committed>();

  constructor(storage: LogStorage, clock: Clock, topicId: string, name: string, check: () => void) {
    this.#check = check;
    this.storage = storage;
    this.#clock = clock;
    this.#topicId = topicId;
    this.name = name;
  }

  /** Sees to it that the group is known by its offsets: `start` tells where it begins in a partition that is new to it. */
  async know(partitionCount: number, start: (partition: number) => Promise<number>): Promise<void> {
    this.#loading ??= committedOffsets(this.storage, this.#topicId).then((groups) => {
      this.#committed = groups.get(this.name) ?? new Map();
    });
    await this.#loading;
    const offsets = new Map<number, number>();
    for (let partition = 0; partition < partitionCount; partition++) {
      if (!this.#committed.has(partition)) offsets.set(partition, await start(partition));
    }
    await this.commit(offsets);
    if (partitionCount > this.#partitionCount) this.#partitionCount = partitionCount;
    this.#changed();
  }

  /** Another number whenever members or partitions have changed. */
  get generation(): number {
    return this.#generation;
  }

  committed(partition: number): number {
    return this.#committed.get(partition)?.offset ?? 0;
  }

  /** Settles when the offsets are on the disk. */
  async commit(offsets: ReadonlyMap<number, number>): Promise<void> {
    if (offsets.size === 0) return;
    this.#check();
    const puts = this.puts(offsets);
    await this.storage.append({ batches: [], metadata: puts, durability: "disk", force: true }).durable;
    this.adopt(offsets);
  }

  puts(offsets: ReadonlyMap<number, number>): MetadataPut[] {
    return [...offsets].map(([partition, offset]) =>
      committedPut(this.#topicId, this.name, partition, { offset, at: this.#clock.now() }),
    );
  }

  /** The offsets have been written. */
  adopt(offsets: ReadonlyMap<number, number>): void {
    for (const [partition, offset] of offsets)
      this.#committed.set(partition, { offset, at: this.#clock.now() });
  }

  /** How many partitions it knows. */
  get partitionCount(): number {
    return this.#partitionCount;
  }

  get hasMembers(): boolean {
    return this.#members.length > 0;
  }

  owns(member: Member, partition: number): boolean {
    return this.#owners.get(partition) === member;
  }

  join(member: Member): void {
    this.#members.push(member);
    this.#changed();
  }

  leave(member: Member): void {
    const index = this.#members.indexOf(member);
    if (index >= 0) this.#members.splice(index, 1);
    for (const [partition, owner] of this.#owners) if (owner === member) this.#owners.delete(partition);
    this.#changed();
  }

  /** The partitions that the member has but another one should. */
  surplus(member: Member): number[] {
    return [...this.#owners]
      .filter(([partition, owner]) => owner === member && this.#target(partition) !== member)
      .map(([partition]) => partition);
  }

  release(partition: number): void {
    this.#owners.delete(partition);
    this.#changed();
  }

  /** Gives the member what is meant for it and free; answers all that it has. */
  take(member: Member): number[] {
    for (let partition = 0; partition < this.#partitionCount; partition++) {
      if (this.#target(partition) === member && !this.#owners.has(partition))
        this.#owners.set(partition, member);
    }
    return [...this.#owners].filter(([, owner]) => owner === member).map(([partition]) => partition);
  }

  /** Settles when members or partitions have changed, at once if they have since that generation. */
  async change(since: number, signal: AbortSignal): Promise<void> {
    if (since === this.#generation) await this.#changes.wait(undefined, signal);
  }

  #changed(): void {
    this.#generation++;
    this.#changes.notify(() => true);
  }

  /** In ranges, in the order in which the members came. */
  #target(partition: number): Member | undefined {
    return this.#members[Math.floor((partition * this.#members.length) / this.#partitionCount)];
  }
}
