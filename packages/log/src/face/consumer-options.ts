// What a consumer is told by its user, and what it is lent by its topic.
import { LogError } from "../errors.js";
import { refuseUnknown } from "../options.js";
import type { LogRecord } from "../record/index.js";
import type { Group } from "./group.js";
import type { Committed } from "./metadata-values.js";
import { type Isolation, type ReadSource, readsCommitted } from "./read-source.js";
import { checkPosition, type Position } from "./reading.js";

/** A record, or where one is. */
export type Place = Pick<LogRecord, "partition" | "offset">;

export interface ConsumerOptions {
  /** Where a group begins that is new to the topic. Default "earliest". */
  readonly from?: Position;
  /**
   * "auto" (default): a record counts as dealt with when the next one is asked for; commits go out every second, before
   * waiting, and at the end. "explicit": only {@link Consumer.commit} commits, and only
   * {@link Consumer.close} closes.
   */
  readonly commit?: "auto" | "explicit";
  /** Wait for what will be appended. Default true; otherwise the loop ends with what there is. */
  readonly follow?: boolean;
  /**
   * Default "read_uncommitted". "read_committed": of Kafka's transactions only what has been committed, up to the first
   * that is still open; see {@link ReadOptions.isolation}. What was aborted counts as dealt with.
   */
  readonly isolation?: Isolation;
  readonly signal?: AbortSignal;
}

const optionNames: ReadonlySet<string> = new Set([
  "from",
  "commit",
  "follow",
  "isolation",
  "signal",
] satisfies (keyof ConsumerOptions)[]);

/** A misspelt option must not commit what nobody has dealt with. @throws LogError INVALID_ARGUMENT */
export function checkConsumerOptions(options: ConsumerOptions): void {
  refuseUnknown("option", options, optionNames);
  const { from, commit = "auto", isolation } = options;
  readsCommitted(isolation);
  if (from !== undefined) checkPosition(from);
  if (commit !== "auto" && commit !== "explicit") {
    const message = `commit must be auto or explicit, not ${JSON.stringify(commit)}`;
    throw new LogError("INVALID_ARGUMENT", message, { details: { name: "commit" } });
  }
}

/** Of a partition that the consumer does not have, or no longer. */
export function notItsOwn(
  { group, partitions }: { readonly group: string; readonly partitions: readonly number[] },
  partition: number,
): LogError {
  const message = `the consumer of "${group}" does not have partition ${partition}, but ${partitions.join(", ") || "none"}`;
  return new LogError("PARTITION_NOT_FOUND", message, { details: { partition } });
}

/** What a topic lends to its consumers. */
export interface ConsumerHost {
  readonly topic: string;
  readonly group: Group;
  /** Settles after so many milliseconds, or when the signal says so. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  readonly sources: () => readonly ReadSource[];
  readonly nowMs: () => number;
  readonly elapsedMs: () => number;
  /** Settles when there are more partitions than that. */
  growth(known: number, signal: AbortSignal): Promise<void>;
  /** What the group has committed, if anything. */
  offsets(): Promise<ReadonlyMap<number, Committed> | undefined>;
  committed(): void;
  closed(): void;
}
