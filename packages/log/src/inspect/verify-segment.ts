// One segment against what the checkpoint says of it: every batch up to the checkpointed length, then both index files
// against those that the log gives.
import type { FileSystem } from "../fs/index.js";
import type { PartitionState } from "../partition/index.js";
import { RecordBatch } from "../record/index.js";
import { emptySegment, type SegmentState, segmentName } from "../segment/index.js";
import { IndexWriter } from "../segment/segment-index.js";
import { headerOf, walkBatches } from "./batch-walk.js";
import { withWindow } from "./byte-window.js";
import { type Findings, isMissing, missingFile } from "./findings.js";
import { checkIndex } from "./verify-index.js";
import { checkRecords } from "./verify-records.js";

// An index can address no more.
const relativeOffsetMax = 2 ** 31;

/** `state` is undefined when there is no checkpoint to say how much counts: then all that the file holds does. */
export async function verifySegment(
  fs: FileSystem,
  directory: string,
  baseOffset: number,
  state: SegmentState | undefined,
  findings: Findings,
  onBytes: (file: string, bytes: number) => void,
  leaderEpochs: PartitionState["leaderEpochs"] = [],
): Promise<void> {
  const path = `${directory}/${segmentName(baseOffset)}`;
  const log = new LogCheck(`${path}.log`, baseOffset, state, findings, leaderEpochs);
  findings.counts.segments++;
  await log.run(fs, onBytes);
  const { index } = log;
  if (index === undefined && state === undefined) return;
  if (index !== undefined && state !== undefined && state.index.lastTimeEntry > index.state.lastTimeEntry) {
    index.addTime();
  }
  await checkIndex(fs, `${path}.index`, index?.offsetBytes, findings, {
    bytes: state?.offsetIndexBytes,
    crc: state?.offsetIndexCrc,
  });
  await checkIndex(fs, `${path}.timeindex`, index?.timeBytes, findings, {
    bytes: state?.timeIndexBytes,
    crc: state?.timeIndexCrc,
  });
}

class LogCheck {
  /** The indexes as the log gives them; undefined when the log is not good enough for that. */
  index: IndexWriter | undefined;
  readonly #path: string;
  readonly #state: SegmentState | undefined;
  readonly #findings: Findings;
  readonly #baseOffset: number;
  readonly #leaderEpochs: PartitionState["leaderEpochs"];
  /** The offset that comes next. */
  #expected: number;
  /** Where damage began that is not yet followed by anything good. */
  #hole: { position: number; code: "CORRUPT_BATCH"; what: string } | undefined;
  #isUnchecked = false;

  constructor(
    path: string,
    baseOffset: number,
    state: SegmentState | undefined,
    findings: Findings,
    leaderEpochs: PartitionState["leaderEpochs"],
  ) {
    this.#baseOffset = baseOffset;
    this.#leaderEpochs = leaderEpochs;
    this.#path = path;
    this.#state = state;
    this.#findings = findings;
    this.#expected = baseOffset;
    this.index = new IndexWriter(baseOffset, baseOffset, emptySegment(baseOffset).index);
  }

  async run(fs: FileSystem, onBytes: (file: string, bytes: number) => void): Promise<void> {
    try {
      await withWindow(fs, this.#path, async (window) => {
        const end = Math.min(window.size, this.#state?.logBytes ?? window.size);
        if (this.#state !== undefined) this.#checkSize(window.size, this.#state);
        for await (const item of walkBatches(window, 0, end)) {
          const length = item.kind === "batch" ? item.bytes.length : item.length;
          if (item.kind === "garbage") this.#bad(item.position, item.what);
          else if (item.problem !== undefined) this.#bad(item.position, item.problem);
          else this.#good(item.position, item.bytes);
          onBytes(this.#path, length);
        }
        this.#end(end, window.size);
      });
    } catch (error) {
      this.index = undefined;
      if (!isMissing(error)) this.#findings.error(this.#path, "CORRUPT_SEGMENT", error);
      else if ((this.#state?.logBytes ?? 1) > 0) {
        const { nextOffset = this.#expected } = this.#state ?? {};
        const offsets = { from: this.#expected, to: nextOffset - 1 };
        this.#findings.damage(this.#path, 0, "CORRUPT_SEGMENT", missingFile, offsets);
      }
    }
  }

  #checkSize(size: number, state: SegmentState): void {
    if (size > state.logBytes) {
      const what = `${size - state.logBytes} bytes beyond the ${state.logBytes} that count: a checkpoint under way, or left by one that was interrupted`;
      this.#findings.note(this.#path, what);
    }
  }

  #bad(position: number, what: string): void {
    this.index = undefined;
    this.#closeHole(this.#expected - 1);
    this.#hole = { position, code: "CORRUPT_BATCH", what };
  }

  #good(position: number, bytes: Buffer): void {
    const batch = new RecordBatch(bytes);
    const header = headerOf(bytes);
    if (header === undefined) {
      this.#bad(position, "its offsets make no sense");
      return;
    }
    const { baseOffset, lastOffset } = header;
    if (
      baseOffset < this.#expected ||
      lastOffset >= (this.#state?.nextOffset ?? this.#baseOffset + relativeOffsetMax)
    ) {
      const what = `offsets ${baseOffset} to ${lastOffset} stand where ${this.#expected} or more should, in a segment that ends before ${this.#state?.nextOffset ?? "the next"}`;
      this.#bad(position, what);
      return;
    }
    if (this.#hole !== undefined) this.#closeHole(baseOffset - 1);
    else if (baseOffset > this.#expected && this.#state?.rewrite === undefined) {
      this.#findings.note(this.#path, `offsets ${this.#expected} to ${baseOffset - 1} do not exist`);
    }
    const { problem, unchecked } = checkRecords(batch);
    const offsets = { from: baseOffset, to: lastOffset };
    if (problem !== undefined) this.#findings.damage(this.#path, position, "CORRUPT_BATCH", problem, offsets);
    if (unchecked !== undefined && !this.#isUnchecked) {
      this.#isUnchecked = true;
      this.#findings.note(this.#path, `records in compressed batches were not decoded: ${unchecked}`);
    }
    this.#checkEpoch(batch, position);
    this.index?.add({
      position,
      bytes: bytes.length,
      baseOffset,
      lastOffset,
      maxTimestamp: header.maxTimestamp,
    });
    this.#findings.counts.batches++;
    this.#findings.counts.records += header.recordCount;
    this.#expected = lastOffset + 1;
  }

  /** The checksum does not cover it. */
  #checkEpoch({ baseOffset, partitionLeaderEpoch }: RecordBatch, position: number): void {
    const epoch = this.#leaderEpochs.findLast(([, start]) => start <= baseOffset)?.[0];
    if (epoch === undefined || epoch === partitionLeaderEpoch) return;
    const what = `its leader epoch is ${partitionLeaderEpoch} instead of ${epoch}`;
    this.#findings.flaw(this.#path, position, "CORRUPT_BATCH", what);
  }

  #end(end: number, size: number): void {
    const { nextOffset = this.#expected, logBytes = size } = this.#state ?? {};
    const wasSound = this.#hole === undefined;
    this.#closeHole(nextOffset - 1);
    if (size < logBytes) {
      this.index = undefined;
      const what = `the file ends there, ${logBytes - size} bytes short`;
      const offsets = { from: this.#expected, to: nextOffset - 1 };
      this.#findings.damage(this.#path, size, "CORRUPT_SEGMENT", what, offsets);
    } else if (wasSound && this.#expected !== nextOffset) {
      this.index = undefined;
      const what = `its last offset is ${this.#expected - 1}, the checkpoint says ${nextOffset - 1}`;
      const offsets = { from: this.#expected, to: nextOffset - 1 };
      this.#findings.damage(this.#path, end, "CORRUPT_SEGMENT", what, offsets);
    }
  }

  /** Only what follows the damage tells how many records it took. */
  #closeHole(lastOffset: number): void {
    if (this.#hole === undefined) return;
    const { position, code, what } = this.#hole;
    this.#findings.damage(this.#path, position, code, what, { from: this.#expected, to: lastOffset });
    this.#expected = Math.max(this.#expected, lastOffset + 1);
    this.#hole = undefined;
  }
}
