// The named groups of one topic and their consumers in this process.
import type { Clock } from "../clock.js";
import { LogError } from "../errors.js";
import { checkInteger } from "../options.js";
import type { LogStorage, MetadataPut } from "../storage/contracts.js";
import { partitionError } from "./append-checks.js";
import { Consumer } from "./consumer.js";
import { type ConsumerOptions, checkConsumerOptions } from "./consumer-options.js";
import { committedOffsets, committedPut, Group, groupPrefix } from "./group.js";
import { type GroupLag, lagOf } from "./lag.js";
import { type Committed, readCommitted } from "./metadata-values.js";
import type { ReadSource } from "./read-source.js";
import type { Progress } from "./transaction.js";

export interface GroupDescription extends GroupLag {
  readonly group: string;
  /** When it last committed, in milliseconds since 1970. */
  readonly committedAt: number;
}

/** Where a group goes on in a partition, and what Kafka's clients note beside it. */
export type CommitPlace = Omit<Committed, "at">;

/** What a topic and its log lend to its groups. */
export interface GroupsHost {
  readonly storage: LogStorage;
  readonly clock: Clock;
  readonly topic: string;
  readonly topicId: string;
  readonly sources: readonly ReadSource[];
  /** Consumers that are open, over all topics: the log closes them. */
  readonly consumers: Set<Consumer>;
  /** Settles when there are more partitions than that. */
  growth(known: number, signal: AbortSignal): Promise<void>;
  /** Throws if the topic was deleted. */
  check(): void;
  /** A group has made progress. */
  committed(): void;
}

const nameMax = 249;

export class TopicGroups {
  readonly #host: GroupsHost;
  readonly #groups = new Map<string, Group>();

  constructor(host: GroupsHost) {
    this.#host = host;
  }

  consumer(name: string, options: ConsumerOptions): Consumer {
    checkName(name);
    checkConsumerOptions(options);
    const { storage, clock, topic, topicId, sources, consumers, growth, check, committed } = this.#host;
    const group = this.#groups.get(name) ?? new Group(storage, clock, topicId, name, check);
    this.#groups.set(name, group);
    const consumer: Consumer = new Consumer(
      {
        topic,
        group,
        sources: () => sources,
        nowMs: () => clock.now(),
        elapsedMs: () => clock.elapsedMs(),
        sleep: (ms, signal) => sleep(clock, ms, signal),
        growth,
        committed,
        offsets: async () => (await committedOffsets(storage, topicId)).get(name),
        closed: () => consumers.delete(consumer),
      },
      options,
    );
    consumers.add(consumer);
    return consumer;
  }

  /** What each group has committed, by name and partition. */
  offsets(): Promise<Map<string, Map<number, Committed>>> {
    return committedOffsets(this.#host.storage, this.#host.topicId);
  }

  /** What one group has committed, by partition. */
  async committed(name: string): Promise<Map<number, Committed>> {
    checkName(name);
    const { storage, topicId } = this.#host;
    const prefix = groupPrefix(topicId);
    const entries = await storage.metadata.list(`${prefix}${encodeURIComponent(name)}/`);
    return new Map(
      entries.map(({ key, value }) => {
        const { partition, committed } = readCommitted(prefix, key, value);
        return [partition, committed];
      }),
    );
  }

  async commit(name: string, places: ReadonlyMap<number, CommitPlace | undefined>): Promise<void> {
    const { storage, puts, committed } = this.progress(name, places);
    if (puts.length === 0) return;
    await storage.append({ batches: [], metadata: puts, durability: "disk", force: true }).durable;
    committed();
  }

  /** What a commit puts, and what is to be done once that counts. */
  progress(name: string, places: ReadonlyMap<number, CommitPlace | undefined>): Progress {
    checkName(name);
    const { storage, topicId, sources, clock, topic } = this.#host;
    const at = clock.now();
    const puts: MetadataPut[] = [];
    const offsets = new Map<number, number>();
    for (const [partition, place] of places) {
      if (sources[partition] === undefined) throw partitionError(topic, partition, sources.length);
      if (place !== undefined) offsets.set(partition, checkInteger("offset", place.offset, 0));
      puts.push(committedPut(topicId, name, partition, place && { ...place, at }));
    }
    const committed = (): void => {
      this.#groups.get(name)?.adopt(offsets);
      this.#host.committed();
    };
    return { storage, puts, committed };
  }

  /**
   * Forgets what groups without consumers in this process have committed, partition by partition, where `isOver` says so.
   * VERSION_CONFLICT if one commits meanwhile: its commit counts, and what was to go is there until the next time.
   */
  async expire(isOver: (group: string, committed: Committed) => boolean): Promise<void> {
    const { storage, topicId } = this.#host;
    const prefix = groupPrefix(topicId);
    const puts: MetadataPut[] = [];
    for (const { key, value, version } of await storage.metadata.list(prefix)) {
      const { group, committed } = readCommitted(prefix, key, value);
      if (this.#groups.get(group)?.hasMembers === true || !isOver(group, committed)) continue;
      puts.push({ key, value: undefined, version });
    }
    if (puts.length === 0) return;
    await storage.append({ batches: [], metadata: puts, durability: "disk", force: true }).durable;
  }

  async describe(): Promise<GroupDescription[]> {
    const { sources, clock } = this.#host;
    const groups = await this.offsets();
    return Promise.all(
      [...groups].map(async ([group, committed]) => ({
        group,
        committedAt: Math.max(...[...committed.values()].map(({ at }) => at)),
        ...(await lagOf(sources, (partition) => committed.get(partition)?.offset ?? 0, clock.now())),
      })),
    );
  }

  /** Forgets what a group has committed: it no longer holds anything, and begins anew if it comes back. */
  async delete(name: string): Promise<void> {
    checkName(name);
    const { storage, topicId } = this.#host;
    if (this.#groups.get(name)?.hasMembers === true) {
      const message = `the group "${name}" has consumers in this process: close them first`;
      throw new LogError("INVALID_ARGUMENT", message, { details: { group: name } });
    }
    this.#groups.delete(name);
    const entries = await storage.metadata.list(`${groupPrefix(topicId)}${encodeURIComponent(name)}/`);
    const puts = entries.map(({ key }) => ({ key, value: undefined }));
    if (puts.length > 0) {
      await storage.append({ batches: [], metadata: puts, durability: "disk", force: true }).durable;
    }
  }
}

function checkName(name: unknown): void {
  if (typeof name === "string" && name !== "" && name.length <= nameMax) return;
  throw new LogError("INVALID_ARGUMENT", `a group's name is a string of 1 to ${nameMax} characters`);
}

/** Ends early when the signal says so. */
async function sleep(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      timer.cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = clock.startTimer(ms, done, true);
    signal.addEventListener("abort", done, { once: true });
  });
}
