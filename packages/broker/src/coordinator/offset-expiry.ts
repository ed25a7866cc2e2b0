// Committed offsets that nobody needs any more go, as with Kafka: so long after their group has lost its last member, or
// after the commit if no member was ever there. When a group was last seen in use is noted beside its offsets, so that a
// restart does not forget it. Topics that are cleaned up as they are consumed are let be: there an offset holds records,
// and who forgets a group gives up what that group has not seen.
import { type Clock, type Log, LogError, type Timer } from "@strandlog/log";
import type { TopicDirectory } from "../topic-directory.js";
import type { GroupCoordinator } from "./group-coordinator.js";

const checkMsMax = 600_000;
/** Of a group that has members it is noted so often. */
const noteMs = 3_600_000;
/** So many groups that have lost their members are remembered until the next check; beyond that none goes then. */
const leftMax = 10_000;
const keyPrefix = "broker/group-used/";

export class OffsetExpiry {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #topics: TopicDirectory;
  readonly #groups: GroupCoordinator;
  readonly #retentionMs: number;
  /** Groups that have lost their last member since the last check, and when. */
  readonly #left = new Map<string, number>();
  #isUnsure = false;
  #timer: Timer | undefined;
  #checking: Promise<void> = Promise.resolve();
  #isClosed = false;

  /** `retentionMs`: -1 keeps all. */
  constructor(log: Log, topics: TopicDirectory, groups: GroupCoordinator, retentionMs: number) {
    this.#log = log;
    this.#clock = log.clock;
    this.#topics = topics;
    this.#groups = groups;
    this.#retentionMs = retentionMs;
  }

  /** Begins to look now and then. */
  start(): void {
    if (this.#retentionMs < 0 || this.#log.storage.manifest.readOnly) return;
    this.#groups.onEmpty = (group) => this.#empty(group);
    this.#checkLater();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#checking;
  }

  #empty(group: string): void {
    if (this.#left.size < leftMax) this.#left.set(group, this.#clock.now());
    else this.#isUnsure = true;
  }

  #checkLater(): void {
    const everyMs = Math.min(checkMsMax, Math.max(1, this.#retentionMs));
    this.#timer = this.#clock.startTimer(everyMs, () => {
      this.#checking = this.#check()
        .catch(unlessLogs)
        .then(() => {
          if (!this.#isClosed) this.#checkLater();
        });
    });
  }

  async #check(): Promise<void> {
    const isUnsure = this.#isUnsure;
    this.#isUnsure = false;
    const usedAt = await this.#note();
    if (isUnsure) return;
    const isOver = (group: string, { at }: { readonly at: number }): boolean => {
      const isInUse = this.#groups.find(group) !== undefined || this.#left.has(group) || this.#isUnsure;
      return !isInUse && Math.max(at, usedAt.get(group) ?? at) + this.#retentionMs <= this.#clock.now();
    };
    for (const topic of usedAt.size === 0 ? [] : await this.#topics.all()) {
      if (!this.#isClosed && topic.config.cleanup !== "consumed")
        await topic.expire(isOver).catch(unlessLogs);
    }
  }

  /** Writes down which groups have been in use; answers when each that has committed was, if that is known. */
  async #note(): Promise<Map<string, number | undefined>> {
    const { storage } = this.#log;
    const entries = await storage.metadata.list(keyPrefix);
    const known = new Map(entries.map(({ key, value }) => [groupOf(key), Number(value)]));
    const groups = await this.#log.groups();
    const usedAt = new Map(groups.map((group) => [group, known.get(group)]));
    const left = [...this.#left];
    const now = this.#clock.now();
    const used = [...left, ...this.#groups.all.map(({ id }) => [id, now] as const)].filter(
      ([group, at], n) => usedAt.has(group) && (n < left.length || at >= (usedAt.get(group) ?? 0) + noteMs),
    );
    const puts = used.map(([group, at]) => ({ key: keyOf(group), value: String(at) }));
    const gone = entries.filter(({ key }) => !usedAt.has(groupOf(key)));
    const metadata = [...puts, ...gone.map(({ key }) => ({ key, value: undefined }))];
    if (metadata.length > 0) {
      await storage.append({ batches: [], metadata, durability: "disk", force: true }).durable;
    }
    for (const [group, at] of used) usedAt.set(group, at);
    for (const [group, at] of left) if (this.#left.get(group) === at) this.#left.delete(group);
    return usedAt;
  }
}

function keyOf(group: string): string {
  return keyPrefix + encodeURIComponent(group);
}

function groupOf(key: string): string {
  return decodeURIComponent(key.slice(keyPrefix.length));
}

/** What has failed is tried again at the next turn; the log's own figures tell what is wrong with it. */
function unlessLogs(error: unknown): void {
  if (!(error instanceof LogError)) throw error;
}
