// A segment that a compaction makes, under a name that nothing else has until the checkpoint file says that it counts.
import { pacedBytes } from "../fs/index.js";
import { batchField, readInt64 } from "../record/index.js";
import { emptySegment, type FileCache, Segment, type SegmentState } from "../segment/index.js";

const relativeOffsetMax = 2 ** 31 - 1;

export class RewrittenSegment {
  readonly #segment: Segment;
  readonly #bytesMax: number;
  #state: SegmentState;
  #pending: Buffer[] = [];
  #pendingBytes = 0;

  constructor(
    cache: FileCache,
    home: { readonly directory: string },
    baseOffset: number,
    compaction: number,
    bytesMax: number,
  ) {
    this.#state = { ...emptySegment(baseOffset), rewrite: compaction, swap: true };
    // Not new: one that was interrupted may have left files of that name, which are emptied first.
    this.#segment = new Segment(cache, home, this.#state);
    this.#bytesMax = bytesMax;
  }

  /** Whether the batch may follow in this segment; the first always may. */
  hasRoomFor(batch: Buffer): boolean {
    const bytes = this.#state.logBytes + this.#pendingBytes;
    const lastOffset =
      readInt64(batch, batchField.baseOffset) + batch.readInt32BE(batchField.lastOffsetDelta);
    const isAddressable = lastOffset - this.#state.baseOffset <= relativeOffsetMax;
    return bytes === 0 || (bytes + batch.length <= this.#bytesMax && isAddressable);
  }

  async add(batch: Buffer): Promise<void> {
    this.#pending.push(batch);
    this.#pendingBytes += batch.length;
    if (this.#pendingBytes >= pacedBytes) await this.#write();
  }

  /** Complete and synced, but for its name. */
  async finish(): Promise<Segment> {
    await this.#write();
    this.#state = await this.#segment.seal(this.#state);
    this.#segment.adopt(this.#state);
    return this.#segment;
  }

  async #write(): Promise<void> {
    if (this.#pending.length === 0) return;
    this.#state = await this.#segment.write(this.#state, this.#pending);
    await this.#segment.sync();
    this.#pending = [];
    this.#pendingBytes = 0;
  }
}
