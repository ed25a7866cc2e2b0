// What goes by itself: records beyond a topic's limits of age and size, and, where the topic is cleaned up as it is
// consumed, records that every named group has dealt with. It also watches for groups that hold everything up.
import { channel } from "node:diagnostics_channel";
import type { Clock, Timer } from "../clock.js";
import { LogError } from "../errors.js";
import type { TopicConfig } from "../options.js";
import type { LogStorage } from "../storage/contracts.js";
import { committedOffsets } from "./group.js";
import type { Committed } from "./metadata-values.js";
import type { GroupDescription } from "./topic-groups.js";

/** A topic, as far as retention is concerned. */
export interface RetainedTopic {
  readonly name: string;
  readonly topicId: string;
  readonly config: TopicConfig;
  groups(): Promise<GroupDescription[]>;
  partition(number: number): { deleteRecords(before: number): Promise<void> };
}

export interface RetentionResult {
  readonly partition: number;
  /** What is before this offset goes, or went. */
  readonly before: number;
  /** How many that are, by their offsets: gaps count. */
  readonly records: number;
  /** Why the rest is kept. */
  readonly kept: string;
  /** With `cleanup: "consumed"`: the group that is furthest behind. */
  readonly heldBy?: { readonly group: string; readonly committed: number };
}

/** A group that holds records back and has not committed for long. */
export interface StalledGroup {
  readonly topic: string;
  readonly group: string;
  readonly records: number;
  readonly bytes: number;
  /** Age of the oldest record that it holds back, in milliseconds. */
  readonly ms: number;
}

export interface RetentionSettings {
  readonly retentionCheckMs: number;
  readonly groupStallMs: number;
}

const stalledChannel = channel("strandlog:stalled");
// After a commit: soon, but not for each of many.
const soonMs = 1000;

/** `looked` is called whenever it has looked at all topics. */
export class Retention {
  readonly #storage: LogStorage;
  readonly #clock: Clock;
  readonly #settings: RetentionSettings;
  readonly #topics: () => Promise<readonly RetainedTopic[]>;
  readonly #looked: () => void;
  #timer: Timer | undefined;
  #soonTimer: Timer | undefined;
  readonly #soon = new Set<RetainedTopic>();
  #running: Promise<void> = Promise.resolve();
  #isStopped = false;
  #stalled: readonly StalledGroup[] = [];

  constructor(
    storage: LogStorage,
    clock: Clock,
    settings: RetentionSettings,
    topics: () => Promise<readonly RetainedTopic[]>,
    looked: () => void,
  ) {
    this.#storage = storage;
    this.#clock = clock;
    this.#settings = settings;
    this.#topics = topics;
    this.#looked = looked;
  }

  /** As of the last look. */
  get stalled(): readonly StalledGroup[] {
    return this.#stalled;
  }

  /** Begins to look at all topics now and then. */
  start(): void {
    this.#timer = this.#clock.startTimer(this.#settings.retentionCheckMs, () => {
      void this.#enqueue(async () => {
        const topics = await this.#topics();
        for (const topic of topics) await this.#retainIfAny(topic);
        await this.#lookForStalled(topics);
      }).then(() => {
        if (this.#isStopped) return;
        this.#looked();
        this.start();
      });
    });
  }

  /** A group of the topic has made progress. */
  committed(topic: RetainedTopic): void {
    if (topic.config.cleanup !== "consumed" || this.#isStopped) return;
    this.#soon.add(topic);
    this.#soonTimer ??= this.#clock.startTimer(Math.min(soonMs, this.#settings.retentionCheckMs), () => {
      this.#soonTimer = undefined;
      const topics = [...this.#soon];
      this.#soon.clear();
      void this.#enqueue(async () => {
        for (const due of topics) await this.#retainIfAny(due);
      });
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#soonTimer?.cancel();
    await this.#running;
  }

  /** Looks at one topic now. */
  async retain(topic: RetainedTopic, dryRun: boolean): Promise<RetentionResult[]> {
    const { config, topicId } = topic;
    const groups = config.cleanup === "consumed" ? await committedOffsets(this.#storage, topicId) : undefined;
    const results: RetentionResult[] = [];
    for (let partition = 0; partition < config.partitions; partition++) {
      const id = `${topicId}/${partition}`;
      const result = await this.#plan(id, partition, config, groups);
      if (!dryRun && result.records > 0) await topic.partition(partition).deleteRecords(result.before);
      results.push(result);
    }
    return results;
  }

  async #plan(
    id: string,
    partition: number,
    config: TopicConfig,
    groups: ReadonlyMap<string, ReadonlyMap<number, Committed>> | undefined,
  ): Promise<RetentionResult> {
    const { logStartOffset, highWatermark } = await this.#storage.describe(id);
    const limit = await this.#storage.retainableFrom(id, this.#limits(config));
    const last = groups === undefined ? undefined : furthestBehind(groups, partition);
    const consumed = Math.min(last?.committed ?? logStartOffset, highWatermark);
    const before = Math.max(logStartOffset, limit, consumed);
    const result = { partition, before, records: before - logStartOffset };
    if (before === highWatermark) return { ...result, kept: "nothing is left" };
    if (groups === undefined) return { ...result, kept: withinLimits(config) };
    if (last === undefined) return { ...result, kept: "no group has consumed anything yet" };
    const kept = `the group "${last.group}" wants the records from ${last.committed} on`;
    return { ...result, kept, heldBy: last };
  }

  #limits(config: TopicConfig): { timestampMin?: number; bytesMax?: number } {
    if (!hasLimits(config)) return {};
    const { retentionMs, retentionBytes } = config;
    return {
      ...(retentionMs < 0 ? {} : { timestampMin: this.#clock.now() - retentionMs }),
      ...(retentionBytes < 0 ? {} : { bytesMax: retentionBytes }),
    };
  }

  async #retainIfAny(topic: RetainedTopic): Promise<void> {
    if (this.#isStopped || (!hasLimits(topic.config) && topic.config.cleanup !== "consumed")) return;
    try {
      await this.retain(topic, false);
    } catch (error) {
      // Deleted meanwhile.
      if (!(error instanceof LogError) || error.code !== "PARTITION_NOT_FOUND") throw error;
    }
  }

  async #lookForStalled(topics: readonly RetainedTopic[]): Promise<void> {
    const { groupStallMs } = this.#settings;
    const stalled: StalledGroup[] = [];
    for (const topic of topics.filter(({ config }) => config.cleanup === "consumed")) {
      for (const { group, committedAt, records, bytes, ms } of await topic.groups()) {
        if (records === 0 || Math.min(ms, this.#clock.now() - committedAt) < groupStallMs) continue;
        stalled.push({ topic: topic.name, group, records, bytes, ms });
      }
    }
    const known = this.#stalled;
    this.#stalled = stalled;
    const isKnown = (one: StalledGroup): boolean =>
      known.some(({ topic, group }) => topic === one.topic && group === one.group);
    for (const one of stalled) if (!isKnown(one)) stalledChannel.publish(one);
  }

  /** One pass at a time. One that fails is made again at the next turn; the storage's figures tell what is wrong. */
  #enqueue(pass: () => Promise<void>): Promise<void> {
    this.#running = this.#running.then(() => (this.#isStopped ? undefined : pass())).catch(() => undefined);
    return this.#running;
  }
}

/** @throws LogError READ_ONLY */
export function refuseReadOnly({ manifest }: LogStorage): void {
  if (manifest.readOnly)
    throw new LogError(
      "READ_ONLY",
      "the log was opened read-only: open it without readOnly to change topics",
    );
}

function furthestBehind(
  groups: ReadonlyMap<string, ReadonlyMap<number, Committed>>,
  partition: number,
): { group: string; committed: number } | undefined {
  let last: { group: string; committed: number } | undefined;
  for (const [group, offsets] of groups) {
    const committed = offsets.get(partition)?.offset ?? 0;
    if (last === undefined || committed < last.committed) last = { group, committed };
  }
  return last;
}

/** Whether records go by age or by size: of a topic that is compacted, only if it is to do both. */
function hasLimits({ retentionMs, retentionBytes, cleanup }: TopicConfig): boolean {
  return cleanup !== "compact" && (retentionMs >= 0 || retentionBytes >= 0);
}

function withinLimits(config: TopicConfig): string {
  if (config.cleanup === "compact") return "the topic is compacted: it keeps the latest record of each key";
  if (!hasLimits(config)) return "the topic keeps everything";
  return "it is within retentionMs and retentionBytes, or in a segment that others are in";
}
