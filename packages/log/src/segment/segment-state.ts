// What the checkpoint keeps of a segment: how much of its files counts, and what they were when that was written.
import { emptyIndexState, type IndexState } from "./segment-index.js";

export interface SegmentState {
  readonly baseOffset: number;
  /** The offset after its last record. */
  readonly nextOffset: number;
  readonly logBytes: number;
  readonly firstTimestamp: number;
  readonly index: Readonly<IndexState>;
  readonly offsetIndexBytes: number;
  readonly offsetIndexCrc: number;
  readonly timeIndexBytes: number;
  readonly timeIndexCrc: number;
  /** The number of the compaction that wrote its files; absent where the checkpointer did. */
  readonly rewrite?: number;
  /** Its files may still have the names under which that compaction wrote them: see {@link swapName}. */
  readonly swap?: true;
}

export function emptySegment(baseOffset: number): SegmentState {
  return {
    baseOffset,
    nextOffset: baseOffset,
    logBytes: 0,
    firstTimestamp: -1,
    index: emptyIndexState,
    offsetIndexBytes: 0,
    offsetIndexCrc: 0,
    timeIndexBytes: 0,
    timeIndexCrc: 0,
  };
}

export function segmentName(baseOffset: number): string {
  return String(baseOffset).padStart(20, "0");
}

/** What follows the name of a file that a compaction has written, until it takes the place of the one of that name. */
export function swapName(rewrite: number): string {
  return `.${rewrite}.swap`;
}

/** The state of a segment whose files have their lasting names for good. */
export function settledState({ swap: _, ...state }: SegmentState): SegmentState {
  return state;
}

/** One of a segment's index files: where its figures are. A segment's copy is its key among the indexes in memory. */
export interface IndexFile {
  readonly suffix: ".index" | ".timeindex";
  readonly bytes: "offsetIndexBytes" | "timeIndexBytes";
  readonly crc: "offsetIndexCrc" | "timeIndexCrc";
  readonly content: "offsetBytes" | "timeBytes";
}

export const offsetIndexFile: IndexFile = {
  suffix: ".index",
  bytes: "offsetIndexBytes",
  crc: "offsetIndexCrc",
  content: "offsetBytes",
};

export const timeIndexFile: IndexFile = {
  suffix: ".timeindex",
  bytes: "timeIndexBytes",
  crc: "timeIndexCrc",
  content: "timeBytes",
};
