import type { Durability } from "../storage/contracts.js";

/** Where a record is and what it survives. */
export interface AppendResult {
  readonly partition: number;
  readonly offset: number;
  /** The level that was reached when the append was acknowledged. */
  readonly durability: Durability;
  /** What the record takes in its batch, before compression; 0 for a duplicate. */
  readonly bytes: number;
  /** The record was there already and nothing was written: see {@link AppendOptions.offset} and `dedupeId`. */
  readonly duplicate?: true;
}

/**
 * A promise of the acknowledgement that already knows where the record goes. `offset` is undefined only while the
 * append waits for room (see {@link AppendOptions.wait}).
 */
export interface Receipt extends Promise<AppendResult> {
  readonly partition: number;
  readonly offset: number | undefined;
}

/** A plain promise with two properties: cheaper to make and to await than a class of its own (docs/adr/0006). */
function asReceipt(promise: Promise<AppendResult>, partition: number, offset: number | undefined): Receipt {
  const receipt = promise as Promise<AppendResult> & { partition: number; offset: number | undefined };
  receipt.partition = partition;
  receipt.offset = offset;
  return receipt;
}

/** The receipts of one batch that wait for the same level. Most of very many small batches have only one. */
export class Acknowledgement {
  readonly #partition: number;
  readonly #durability: Durability;
  #offset = -1;
  #bytes = 0;
  #resolveFirst!: (result: AppendResult) => void;
  #rejectFirst!: (error: unknown) => void;
  #others: OtherReceipts | undefined;

  constructor(partition: number, durability: Durability) {
    this.#partition = partition;
    this.#durability = durability;
  }

  receipt(offset: number, bytes: number): Receipt {
    if (this.#offset >= 0) {
      this.#others ??= new OtherReceipts(this.#partition, this.#durability);
      return this.#others.receipt(offset, bytes);
    }
    this.#offset = offset;
    this.#bytes = bytes;
    const promise = new Promise<AppendResult>((resolve, reject) => {
      this.#resolveFirst = resolve;
      this.#rejectFirst = reject;
    });
    return asReceipt(promise, this.#partition, offset);
  }

  resolve(): void {
    const partition = this.#partition;
    this.#resolveFirst({ partition, offset: this.#offset, durability: this.#durability, bytes: this.#bytes });
    this.#others?.resolve();
  }

  reject(error: unknown): void {
    this.#rejectFirst(error);
    this.#others?.reject(error);
  }
}

/**
 * All but the first: they have one promise in common, from which each receipt follows. Reactions run in the order in
 * which they were added, so a counter tells whose turn it is.
 */
class OtherReceipts {
  readonly #partition: number;
  /** Offset and bytes of each record in turn. */
  readonly #records: number[] = [];
  readonly #promise: Promise<void>;
  readonly #result: () => AppendResult;
  #settled = 0;
  resolve!: () => void;
  reject!: (error: unknown) => void;

  constructor(partition: number, durability: Durability) {
    this.#partition = partition;
    this.#promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.#result = () => ({
      partition,
      offset: this.#records[this.#settled++] as number,
      durability,
      bytes: this.#records[this.#settled++] as number,
    });
  }

  receipt(offset: number, bytes: number): Receipt {
    this.#records.push(offset, bytes);
    return asReceipt(this.#promise.then(this.#result), this.#partition, offset);
  }
}

/** A receipt for a record that has no place yet. */
export class WaitingReceipt {
  readonly receipt: Receipt;
  #resolve!: (outcome: Promise<AppendResult>) => void;

  constructor(partition: number) {
    const promise = new Promise<AppendResult>((resolve) => {
      this.#resolve = resolve;
    });
    this.receipt = asReceipt(promise, partition, undefined);
  }

  /** The record has its place: `actual` is its receipt. */
  follow(actual: Receipt): void {
    void asReceipt(this.receipt, actual.partition, actual.offset);
    this.#resolve(actual);
  }

  refuse(error: unknown): void {
    this.#resolve(Promise.reject(error));
  }
}

export function refusedReceipt(partition: number, error: unknown): Receipt {
  return asReceipt(Promise.reject(error), partition, undefined);
}

/** Makes a promise a receipt, or tells one its offset. */
export function receiptOf(
  result: Promise<AppendResult>,
  partition: number,
  offset: number | undefined,
): Receipt {
  return asReceipt(result, partition, offset);
}

export function acknowledgedReceipt(result: AppendResult): Receipt {
  return asReceipt(Promise.resolve(result), result.partition, result.offset);
}
