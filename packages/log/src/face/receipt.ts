import type { Durability } from "../storage/contracts.js";

/** Where a record is and what it survives. */
export interface AppendResult {
  readonly partition: number;
  readonly offset: number;
  /** The level that was reached when the append was acknowledged. */
  readonly durability: Durability;
}

/**
 * A promise of the acknowledgement that already knows where the record goes. `offset` is undefined only while the
 * append waits for room (see {@link AppendOptions.wait}).
 */
export interface Receipt extends Promise<AppendResult> {
  readonly partition: number;
  readonly offset: number | undefined;
}

interface Pending extends Promise<AppendResult> {
  partition: number;
  offset: number | undefined;
}

/** The promise and its resolve function; a rejection is a resolve with a rejected promise. */
export interface ReceiptHandle {
  readonly receipt: Receipt;
  readonly resolve: Resolve;
  place(partition: number, offset: number): void;
}

export type Resolve = (result: AppendResult | Promise<never>) => void;

let captured: Resolve;
const capture = (resolve: Resolve): void => {
  captured = resolve;
};

/** A plain promise with two properties: cheaper to make and to await than a class of its own (docs/adr/0006). */
export function makeReceipt(partition: number, offset: number | undefined, resolvers: Resolve[]): Receipt {
  const receipt = new Promise<AppendResult>(capture) as Pending;
  receipt.partition = partition;
  receipt.offset = offset;
  resolvers.push(captured);
  return receipt;
}

/** A receipt for a record that has no place yet. */
export function makeWaitingReceipt(partition: number): ReceiptHandle {
  const receipt = new Promise<AppendResult>(capture) as Pending;
  const resolve = captured;
  receipt.partition = partition;
  receipt.offset = undefined;
  return {
    receipt,
    resolve,
    place(placedPartition, offset) {
      receipt.partition = placedPartition;
      receipt.offset = offset;
    },
  };
}

export function refusedReceipt(partition: number, error: unknown): Receipt {
  const receipt = Promise.reject(error) as Pending;
  receipt.partition = partition;
  receipt.offset = undefined;
  return receipt;
}

export function acknowledgedReceipt(result: AppendResult): Receipt {
  const receipt = Promise.resolve(result) as Pending;
  receipt.partition = result.partition;
  receipt.offset = result.offset;
  return receipt;
}
