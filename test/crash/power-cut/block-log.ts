// What block-log.py has logged, and images of the disk as a power cut may have left it: everything up to a point; or
// everything up to the last flush before it, and of what came since whatever the disk had got round to.
import { execFileSync } from "node:child_process";
import { closeSync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";

const entryBytes = 24;
/** What a disk writes as a whole: old ones a sector, newer ones a block. */
export const atomicBytes = { sector: 512, block: 4096 } as const;

/** The files of a recording, in its directory. */
export const recordingFiles = { image: "image", base: "base", index: "index", data: "data" } as const;

interface Entry {
  /** In the image. */
  readonly offset: number;
  /** In the file of data. */
  readonly start: number;
  /** In bytes. A flush has none. */
  readonly length: number;
  readonly isFlush: boolean;
}

/** How many writes and flushes had been logged when the index had so many bytes. */
export function positionAt(indexBytes: number): number {
  return Math.floor(indexBytes / entryBytes);
}

export class BlockLog {
  readonly entries: readonly Entry[];
  readonly #recording: string;
  readonly #flushed: string;
  readonly #data: number;
  /** How much of the log is in the image of what was flushed. */
  #flushedEnd = 0;

  /** Images are made in `directory`. */
  constructor(recording: string, directory: string) {
    this.#recording = recording;
    this.#flushed = join(directory, "flushed");
    this.#data = openSync(join(recording, recordingFiles.data), "r");
    this.entries = readEntries(join(recording, recordingFiles.index));
    copySparse(join(recording, recordingFiles.base), this.#flushed);
  }

  /**
   * Makes an image of the disk after the first `cut` entries. With random numbers, what came after the last flush is
   * kept, lost or torn by lot, into pieces of `pieceBytes`. Quick where cuts only grow.
   */
  makeImage(path: string, cut: number, random: (() => number) | undefined, pieceBytes: number): void {
    const flush = this.entries.slice(0, cut).findLastIndex(({ isFlush }) => isFlush) + 1;
    if (flush < this.#flushedEnd) {
      copySparse(join(this.#recording, recordingFiles.base), this.#flushed);
      this.#flushedEnd = 0;
    }
    this.#apply(this.#flushed, this.#flushedEnd, flush, undefined, pieceBytes);
    this.#flushedEnd = flush;
    copySparse(this.#flushed, path);
    this.#apply(path, flush, cut, random, pieceBytes);
  }

  close(): void {
    closeSync(this.#data);
  }

  #apply(
    path: string,
    from: number,
    to: number,
    random: (() => number) | undefined,
    pieceBytes: number,
  ): void {
    const image = openSync(path, "r+");
    for (const { offset, start, length } of this.entries.slice(from, to)) {
      const bytes = Buffer.allocUnsafe(length);
      readSync(this.#data, bytes, 0, length, start);
      const kept = random === undefined ? [{ at: 0, end: length }] : keptOf(length, pieceBytes, random);
      for (const { at, end } of kept) writeSync(image, bytes, at, end - at, offset + at);
    }
    closeSync(image);
  }
}

/** What is kept of a write: all, nothing, or some of its pieces. */
function keptOf(length: number, pieceBytes: number, random: () => number): { at: number; end: number }[] {
  const lot = random() * 3;
  if (lot < 1) return [{ at: 0, end: length }];
  if (lot < 2) return [];
  const pieces = Array.from({ length: Math.ceil(length / pieceBytes) }, (_, index) => ({
    at: index * pieceBytes,
    end: Math.min(length, (index + 1) * pieceBytes),
  }));
  return pieces.filter(() => random() < 0.5);
}

function readEntries(path: string): Entry[] {
  const bytes = readFileSync(path);
  return Array.from({ length: positionAt(bytes.length) }, (_, index) => {
    const at = index * entryBytes;
    return {
      offset: Number(bytes.readBigUInt64LE(at)),
      start: Number(bytes.readBigUInt64LE(at + 8)),
      length: bytes.readUInt32LE(at + 16),
      isFlush: bytes.readUInt32LE(at + 20) === 1,
    };
  });
}

/** Holes stay holes: an image is hundreds of megabytes and holds a few. */
export function copySparse(from: string, to: string): void {
  execFileSync("cp", ["--sparse=always", from, to]);
}
