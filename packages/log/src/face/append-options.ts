// How a record shall be appended.
import type { Durability } from "../storage/contracts.js";

export interface AppendOptions {
  /** What the append shall survive before it is acknowledged; default: the topic's durability. */
  readonly durability?: Durability;
  /** When the memory budget is used up: wait (default), or fail at once with BACKPRESSURE. */
  readonly wait?: boolean;
  /** Gives up waiting for room. A record that has an offset can no longer be withdrawn. */
  readonly signal?: AbortSignal;
  /**
   * The offset that the record shall have, in a topic of one partition or with `partition`. Beyond the end it leaves a
   * gap; that of the last record again writes nothing and is acknowledged as a duplicate; an earlier one is refused
   * with OFFSET_OUT_OF_RANGE.
   */
  readonly offset?: number;
  /**
   * Names the record among those of its producer: a retry under the same id writes nothing and is acknowledged with
   * the first one's partition and offset. The newest 1,000 ids of each producer are remembered, across restarts too.
   */
  readonly dedupeId?: string;
  /** Whose ids these are. Default "". */
  readonly producer?: string;
}

export interface AppendBatchOptions extends Pick<AppendOptions, "durability" | "wait" | "signal"> {
  /**
   * Look at the batch's producer, epoch and sequence, as Kafka does: a batch that is there already is not stored again,
   * one that leaves out another is refused, and a transaction is open until it is ended. Default false, which suits
   * copies. Producers are known across restarts; the first batch of one that is not is taken whatever its sequence.
   */
  readonly idempotent?: boolean;
}

export interface AppenderSettings {
  readonly formingBytesMax: number;
  readonly waitingBytesMax: number;
  readonly lingerMs: number;
  readonly syncEveryMs: number;
}
