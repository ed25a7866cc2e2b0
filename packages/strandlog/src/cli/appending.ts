// Records on their way: appended in portions, acknowledged in order, never more of them outstanding than fit the memory
// that is set aside. Millions of lines go through here, so that nothing is kept or awaited for each of them: a record's
// offset is known when it is appended, and within a partition records are acknowledged in order, so that the last
// receipt of a portion speaks for those before it.
import type { AppendOptions, Durability, Receipt, RecordInput, Topic } from "@strandlog/log";
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
const portionBytesMax = 1024 * 1024;
// What a record takes in memory besides its bytes until it is acknowledged.
const recordOverheadBytes = 512;
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
  #portion: Portion;
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
    this.#portion = new Portion(this.#output !== undefined);
    this.#json = options.json ?? false;
  }

  /** What has been acknowledged. */
  get appended(): Appended {
    return { records: this.#records, bytes: this.#bytes, durability: this.#durability };
  }

  get isPortionFull(): boolean {
    return this.#portion.records >= portionRecordsMax || this.#portion.bytes >= portionBytesMax;
  }

  /** The line's memory must stay as it is until it is acknowledged. */
  add(line: Buffer): void {
    this.#portion.add(this.#topic.append(this.#recordOf(line), this.#options), line.length + 1);
  }

  addUnterminated(line: Buffer): void {
    const record = { ...this.#recordOf(line), headers: { [unterminatedHeader]: null } };
    this.#portion.add(this.#topic.append(record, this.#options), line.length);
  }

  /** Ends a portion, then waits until there is room for another one. */
  async send(): Promise<void> {
    const portion = this.#portion;
    if (portion.records > 0) {
      this.#portion = new Portion(this.#output !== undefined);
      const size = portion.bytes + portion.records * recordOverheadBytes;
      this.#outstanding += size;
      this.#acknowledged = this.#acknowledged.then(() => this.#settlePortion(portion, size));
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

  async #settlePortion(portion: Portion, size: number): Promise<void> {
    try {
      await portion.settle();
      this.#records += portion.records;
      this.#bytes += portion.bytes;
      if (this.#output !== undefined && this.#failure === undefined) {
        this.#output.text(portion.offsetLines(this.#json));
        await this.#output.flush();
      }
    } catch (error) {
      this.#failure ??= { error };
    }
    this.#outstanding -= size;
    this.#wake();
  }
}

/** Some records appended one after the other. */
class Portion {
  records = 0;
  bytes = 0;
  readonly #keepsPlaces: boolean;
  /** The newest receipt of each partition, by the partition's number. */
  readonly #last: Receipt[] = [];
  /** Receipts that had no offset yet when they were given: the append waits for room, or was refused. */
  readonly #placeless: Receipt[] = [];
  /** Partition and offset of each record, or the receipt that will know them. */
  readonly #places: (number | Receipt)[] = [];

  constructor(keepsPlaces: boolean) {
    this.#keepsPlaces = keepsPlaces;
  }

  add(receipt: Receipt, bytes: number): void {
    const { partition, offset } = receipt;
    if (offset === undefined) {
      receipt.catch(() => undefined); // It is awaited when it is this portion's turn.
      this.#placeless.push(receipt);
      if (this.#keepsPlaces) this.#places.push(receipt);
    } else {
      this.#last[partition] = receipt;
      if (this.#keepsPlaces) this.#places.push(partition, offset);
    }
    this.records++;
    this.bytes += bytes;
  }

  /** Settles when all are acknowledged. */
  async settle(): Promise<void> {
    await Promise.all([...this.#placeless, ...this.#last.filter((receipt) => receipt !== undefined)]);
  }

  /** The line of each record, once they are acknowledged. */
  offsetLines(json: boolean): string {
    const places = this.#places.values();
    let text = "";
    for (const place of places) {
      const partition = typeof place === "number" ? place : place.partition;
      const offset = typeof place === "number" ? places.next().value : place.offset;
      text += json ? `{"partition":${partition},"offset":${offset}}\n` : `${partition} ${offset}\n`;
    }
    return text;
  }
}
