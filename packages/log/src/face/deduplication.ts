// Remembers what each producer appended under which id, so that a retry writes nothing and answers the first offset.
// An id and its record are written as one, so what a crash keeps of the two is both or neither.
import type { Clock } from "../clock.js";
import type { LogStorage, MetadataEntry, MetadataPut } from "../storage/contracts.js";
import type { Appender } from "./appender.js";
import type { RecordInput } from "./forming.js";
import { type Place, readPlace } from "./metadata-values.js";
import { type AppendResult, acknowledgedReceipt, type Receipt, receiptOf } from "./receipt.js";
import { Transaction, type TransactionOptions, type TransactionTarget } from "./transaction.js";

/** How many ids of each producer are remembered: the newest. */
export const idsMax = 1000;

// What the value of an id takes, and what the journal adds to it, at most.
const placeBytes = 256;

export interface DedupeId {
  readonly producer: string;
  readonly id: string;
}

export function dedupePrefix(topicId: string): string {
  return `dedupe/${topicId}/`;
}

export class Deduplication {
  readonly #storage: LogStorage;
  readonly #appender: Appender;
  readonly #clock: Clock;
  readonly #prefix: string;
  /** By producer, then by key; the oldest first. */
  readonly #known = new Map<string, Map<string, Place>>();
  readonly #pending = new Map<string, Receipt>();
  #turn = 0;

  constructor(storage: LogStorage, appender: Appender, clock: Clock, topicId: string) {
    this.#storage = storage;
    this.#appender = appender;
    this.#clock = clock;
    this.#prefix = dedupePrefix(topicId);
  }

  /** Takes over what was remembered when the log was last open. */
  async load(): Promise<void> {
    const entries = await this.#storage.metadata.list(this.#prefix);
    const places = entries.map((entry: MetadataEntry) => ({
      key: entry.key,
      place: readPlace(entry.key, entry.value),
    }));
    places.sort((left, right) => left.place.turn - right.place.turn);
    for (const { key, place } of places) this.#ids(this.#producerOf(key)).set(key, place);
    this.#turn = (places.at(-1)?.place.turn ?? -1) + 1;
  }

  append(target: TransactionTarget, record: RecordInput, id: DedupeId, options: TransactionOptions): Receipt {
    const key = this.#key(id);
    const known = this.#ids(this.#producerOf(key)).get(key);
    if (known !== undefined) return acknowledgedReceipt(duplicate(known));
    const pending = this.#pending.get(key);
    if (pending !== undefined) {
      // Where the first was refused, perhaps because its caller gave up, this one takes its place.
      const result = pending.then(duplicate, () => this.append(target, record, id, options));
      return receiptOf(result, pending.partition, pending.offset);
    }
    const receipt = this.#appendNew(target, record, key, options);
    const settled = (): void => {
      this.#pending.delete(key);
    };
    this.#pending.set(key, receipt);
    receipt.then(settled, settled);
    return receipt;
  }

  /** The record and its id in one transaction. */
  #appendNew(
    target: TransactionTarget,
    record: RecordInput,
    key: string,
    options: TransactionOptions,
  ): Receipt {
    const transaction = new Transaction(this.#storage, this.#clock);
    transaction.append(target, record);
    const partition = transaction.partitions[0] ?? -1;
    let place: Place | undefined;
    let receipt: Receipt | undefined;
    const puts = ([offset = -1]: readonly number[]): readonly MetadataPut[] => {
      place = { partition, offset, turn: this.#turn++ };
      if (receipt !== undefined) void receiptOf(receipt, partition, offset);
      return [{ key, value: JSON.stringify(place) }, ...this.#forgetOldest(key)];
    };
    const result = transaction
      .finish(this.#appender, pick(options), { bytes: 2 * (3 * key.length + placeBytes), puts })
      .then(([outcome]) => {
        this.#ids(this.#producerOf(key)).set(key, place as Place);
        return outcome as AppendResult;
      });
    receipt = receiptOf(result, partition, place?.offset);
    return receipt;
  }

  #forgetOldest(key: string): MetadataPut[] {
    const ids = this.#ids(this.#producerOf(key));
    if (ids.size < idsMax) return [];
    const [oldest] = ids.keys();
    if (oldest === undefined) return [];
    ids.delete(oldest);
    return [{ key: oldest, value: undefined }];
  }

  #ids(producer: string): Map<string, Place> {
    const found = this.#known.get(producer);
    if (found !== undefined) return found;
    const ids = new Map<string, Place>();
    this.#known.set(producer, ids);
    return ids;
  }

  #key({ producer, id }: DedupeId): string {
    return `${this.#prefix}${encodeURIComponent(producer)}/${encodeURIComponent(id)}`;
  }

  /** Everything before the id. */
  #producerOf(key: string): string {
    return key.slice(0, key.lastIndexOf("/"));
  }
}

/** Without what only concerns deduplication. */
function pick({ durability, wait, signal }: TransactionOptions): TransactionOptions {
  return {
    ...(durability === undefined ? {} : { durability }),
    ...(wait === undefined ? {} : { wait }),
    ...(signal === undefined ? {} : { signal }),
  };
}

function duplicate({ partition, offset }: Pick<AppendResult, "partition" | "offset">): AppendResult {
  return { partition, offset, durability: "disk", bytes: 0, duplicate: true };
}
