// Records on their way: appended in portions, acknowledged in order, never more of them outstanding than fit the memory
// that is set aside. A receipt a record is all that it costs.
import type { AppendOptions, AppendResult, Durability, Receipt, RecordInput, Topic } from "@strandlog/log";
import { Output } from "./output.js";

export interface AppendingOptions {
  readonly keySeparator?: string;
  readonly partition?: number;
  readonly durability?: Durability;
  readonly printOffsets?: boolean;
  readonly json?: boolean;
}

export interface Appended {
  readonly records: number;
  readonly bytes: number;
  readonly durability: Durability;
}

/** A last line without a newline gets this header, so that reading can leave the newline out. */
export const unterminatedHeader = "strandlog.unterminated";

// Enough for the log to write one group while the next one forms; less than what it makes appends wait for.
const outstandingBytesMax = 16 * 1024 * 1024;
const portionRecordsMax = 8192;
// What a record takes in memory besides its bytes until it is acknowledged.
const recordOverheadBytes = 128;
// More than a record and its batch add to key and value, header of the last line included.
const frameBytes = 160;

export class Appending {
  readonly lineBytesMax: number;
  readonly #topic: Topic;
  readonly #separator: Buffer | undefined;
  readonly #partition: number | undefined;
  readonly #options: AppendOptions;
  readonly #durability: Durability;
  readonly #output: Output | undefined;
  readonly #json: boolean;
  #portion: Receipt[] = [];
  #portionBytes = 0;
  #outstanding = 0;
  #records = 0;
  #bytes = 0;
  /** Settles when all portions sent so far have been acknowledged and told. */
  #acknowledged: Promise<void> = Promise.resolve();
  #failure: { readonly error: unknown } | undefined;
  #wake: () => void = () => undefined;

  constructor(topic: Topic, options: AppendingOptions) {
    this.#topic = topic;
    this.lineBytesMax = topic.batchBytesMax - frameBytes;
    this.#separator = options.keySeparator === undefined ? undefined : Buffer.from(options.keySeparator);
    this.#partition = options.partition;
    this.#options = options.durability === undefined ? {} : { durability: options.durability };
    this.#durability = options.durability ?? topic.config.durability;
    this.#output = options.printOffsets ? new Output() : undefined;
    this.#json = options.json ?? false;
  }

  /** What has been acknowledged. */
  get appended(): Appended {
    return { records: this.#records, bytes: this.#bytes, durability: this.#durability };
  }

  get isPortionFull(): boolean {
    return this.#portion.length >= portionRecordsMax;
  }

  /** The line's memory must stay as it is until it is acknowledged. */
  add(line: Buffer): void {
    this.#portion.push(this.#topic.append(this.#recordOf(line), this.#options));
    this.#portionBytes += line.length + 1;
  }

  addUnterminated(line: Buffer): void {
    const record = { ...this.#recordOf(line), headers: { [unterminatedHeader]: null } };
    this.#portion.push(this.#topic.append(record, this.#options));
    this.#portionBytes += line.length;
  }

  /** Ends a portion, then waits until there is room for another one. */
  async send(): Promise<void> {
    const receipts = this.#portion;
    const bytes = this.#portionBytes;
    if (receipts.length > 0) {
      this.#portion = [];
      this.#portionBytes = 0;
      const size = bytes + receipts.length * recordOverheadBytes;
      this.#outstanding += size;
      // Attached at once: a receipt that fails must not go unnoticed meanwhile.
      const outcome = Promise.all(receipts);
      outcome.catch(() => undefined);
      this.#acknowledged = this.#acknowledged.then(() => this.#settlePortion(receipts, outcome, bytes, size));
    }
    while (this.#outstanding > outstandingBytesMax && this.#failure === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Waits for every acknowledgement. Throws what the first append that failed says. */
  async settle(): Promise<void> {
    await this.#acknowledged;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #recordOf(line: Buffer): RecordInput {
    const partition = this.#partition;
    const at = this.#separator === undefined ? -1 : line.indexOf(this.#separator);
    if (this.#separator === undefined || at < 0)
      return partition === undefined ? { value: line } : { value: line, partition };
    const record = { key: line.subarray(0, at), value: line.subarray(at + this.#separator.length) };
    return partition === undefined ? record : { ...record, partition };
  }

  async #settlePortion(
    receipts: readonly Receipt[],
    outcome: Promise<AppendResult[]>,
    bytes: number,
    size: number,
  ): Promise<void> {
    try {
      const results = await outcome;
      this.#records += results.length;
      this.#bytes += bytes;
      if (this.#failure === undefined) await this.#tell(results);
    } catch (error) {
      this.#failure ??= { error };
      // Those of the portion that were acknowledged all the same.
      const settled = await Promise.allSettled(receipts);
      const results = settled.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
      if (results.length < receipts.length) {
        this.#records += results.length;
        await this.#tell(results).catch(() => undefined);
      }
    }
    this.#outstanding -= size;
    this.#wake();
  }

  async #tell(results: readonly AppendResult[]): Promise<void> {
    if (this.#output === undefined) return;
    let text = "";
    for (const { partition, offset } of results) {
      text += this.#json ? `{"partition":${partition},"offset":${offset}}\n` : `${partition} ${offset}\n`;
    }
    this.#output.text(text);
    await this.#output.flush();
  }
}
