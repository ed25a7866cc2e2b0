// The batches of one partition that have not been handed to the storage: the one that forms and those that are full.
import { BatchBuilder, type Bytes, type HeadersInput } from "../record/index.js";
import type { AppendGroup, BatchAppend, Durability } from "../storage/contracts.js";
import { Acknowledgement, acknowledgedReceipt, type Receipt } from "./receipt.js";

export interface RecordInput {
  /** Records of one key keep their order: they go to the same partition. */
  readonly key?: Bytes | null;
  readonly value: Bytes | null;
  readonly headers?: HeadersInput;
  /** Milliseconds since 1970; default: now. */
  readonly timestamp?: number;
  /** Default: by the key's hash, as Kafka's clients do it; without a key, batch by batch in turn. */
  readonly partition?: number;
}

/** What the topic decides for its partitions. */
export interface FormingConfig {
  durability: Durability;
  compression: Parameters<BatchBuilder["seal"]>[0]["compression"];
  /** A batch that would grow beyond this is followed by another. */
  batchBytesMax: number;
}

interface FormingBatch {
  readonly builder: BatchBuilder;
  readonly baseOffset: number;
  /** Those who wait for each level, if any. */
  os?: Acknowledgement;
  disk?: Acknowledgement;
}

export interface TakenBatch {
  readonly append: BatchAppend;
  /** What it took while it formed. */
  readonly formingBytes: number;
  readonly needs: AppendGroup["durability"];
  readonly os: Acknowledgement | undefined;
  readonly disk: Acknowledgement | undefined;
}

export class FormingPartition {
  readonly id: string;
  readonly partition: number;
  readonly config: FormingConfig;
  /** Whether it is on the appender's list of partitions that have something. */
  isListed = false;
  #nextOffset: number;
  #full: FormingBatch[] = [];
  #forming: FormingBatch | undefined;
  #sizeHint = 512;

  constructor(id: string, partition: number, nextOffset: number, config: FormingConfig) {
    this.id = id;
    this.partition = partition;
    this.config = config;
    this.#nextOffset = nextOffset;
  }

  get nextOffset(): number {
    return this.#nextOffset;
  }
  /** The oldest record that has not been handed over; `nextOffset` if there is none. */
  get firstOffset(): number {
    return (this.#full[0] ?? this.#forming)?.baseOffset ?? this.#nextOffset;
  }
  get isEmpty(): boolean {
    return this.#forming === undefined && this.#full.length === 0;
  }

  /** Copies the record; answers the bytes that this took. `sizeMax` is what the record may take at most. */
  add(record: RecordInput, timestamp: number, sizeMax: number): number {
    let forming = this.#forming;
    if (forming !== undefined && forming.builder.size + sizeMax > this.config.batchBytesMax) {
      this.#full.push(forming);
      forming = undefined;
    }
    if (forming === undefined) {
      const builder = new BatchBuilder(Math.min(this.#sizeHint, this.config.batchBytesMax));
      forming = { builder, baseOffset: this.#nextOffset };
      this.#forming = forming;
    }
    const before = forming.builder.recordCount === 0 ? 0 : forming.builder.size;
    forming.builder.append(record.key ?? null, record.value, record.headers, timestamp);
    this.#nextOffset++;
    return forming.builder.size - before;
  }

  /** A receipt for the record that was added last. */
  receipt(level: Durability): Receipt {
    const { partition } = this;
    const forming = this.#forming as FormingBatch;
    const offset = this.#nextOffset - 1;
    if (level === "memory") return acknowledgedReceipt({ partition, offset, durability: level });
    forming[level] ??= new Acknowledgement(partition, level);
    return forming[level].receipt(offset);
  }

  /** The oldest batch, sealed, if it fits into `bytesMax`. */
  take(bytesMax: number): TakenBatch | undefined {
    const batch = this.#full[0] ?? this.#forming;
    if (batch === undefined || batch.builder.size > bytesMax) return undefined;
    if (this.#full.shift() === undefined) this.#forming = undefined;
    const { builder, baseOffset, os, disk } = batch;
    const formingBytes = builder.size;
    this.#sizeHint = Math.ceil(formingBytes * 1.1);
    const { durability, compression } = this.config;
    const bytes = builder.seal({ baseOffset, partitionLeaderEpoch: 0, compression });
    return {
      os,
      disk,
      append: { partitionId: this.id, bytes, baseOffset, visibleAt: durability },
      formingBytes,
      needs: durability === "disk" || disk !== undefined ? "disk" : "os",
    };
  }
}
