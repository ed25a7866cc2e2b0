// Finds the blocks of a journal in order, for recovery and for a reader beside the writer. It never trusts what it
// reads: a block counts if its writer is one that the checkpoint names, its sequence is the one expected and both
// checksums match. Where the chain ends, it says whether that is the torn end of a crash or damage (I6).
import { LogError } from "../errors.js";
import type { File, FileSystem } from "../fs/index.js";
import { crc32c } from "../record/index.js";
import {
  type BlockHeader,
  blockHeaderBytes,
  blockSpan,
  decodeBlockHeader,
  fileBytesOf,
  pageBytes,
  writerIdAt,
} from "./block.js";
import { journalFileName, journalFileNumber } from "./journal-file.js";

/** A writer's blocks count from `start` on, up to the start of the next writer in the list. */
export interface WriterEpoch {
  epoch: number;
  writerId: string;
  start: number;
}

interface JournalPosition {
  /** The sequence of the block expected there. */
  sequence: number;
  /** −1: not known, look at the beginning of each file. */
  fileNumber: number;
  position: number;
}

export interface ScannedBlock extends BlockHeader {
  fileNumber: number;
  position: number;
  payload: Buffer;
}

const searchBytes = 1024 * 1024;

/** Whether a block is of a writer that counts, and that one's to write. */
export function isLiveBlock(writers: readonly WriterEpoch[], header: BlockHeader): boolean {
  const index = writers.findIndex((writer) => writer.writerId === header.writerId);
  const writer = writers[index];
  if (writer === undefined || writer.epoch !== header.epoch || header.sequence < writer.start) return false;
  return writers.slice(index + 1).every((later) => header.sequence < later.start);
}

export class JournalScan {
  readonly #fs: FileSystem;
  readonly #directory: string;
  #writers: readonly WriterEpoch[];
  readonly #start: number;
  #files = new Map<number, File>();
  /** The highest epoch in any first block, live or not: a new writer must be above it. */
  epochMax = 0;
  /** Everything up to here was synced, so it is damaged, not torn, if it does not read back. */
  syncedSequence: number;
  /** Where the next block is expected. */
  next: JournalPosition;

  constructor(fs: FileSystem, directory: string, writers: readonly WriterEpoch[], startSequence: number) {
    this.#fs = fs;
    this.#directory = directory;
    this.#writers = writers;
    this.#start = startSequence;
    this.next = { sequence: startSequence, fileNumber: -1, position: 0 };
    this.syncedSequence = startSequence - 1;
    for (const { epoch } of writers) this.epochMax = Math.max(this.epochMax, epoch);
  }

  /** A newer checkpoint names other writers. */
  set writers(writers: readonly WriterEpoch[]) {
    this.#writers = writers;
  }

  /** The blocks from where it stands to the end of what is there now. May be called again later for more. */
  async *blocks(): AsyncGenerator<ScannedBlock, void, void> {
    for (;;) {
      const block = (await this.#blockAt(this.next)) ?? (await this.#firstBlockOf(this.next.sequence));
      if (block === undefined) return;
      this.syncedSequence = Math.max(this.syncedSequence, block.syncedSequence);
      this.next = {
        sequence: block.sequence + 1,
        fileNumber: block.fileNumber,
        position: block.position + blockSpan(block.payloadBytes),
      };
      yield block;
    }
  }

  /** Throws if the chain ended before something that is known to have been synced. */
  async checkEnd(): Promise<void> {
    const { sequence, fileNumber, position } = this.next;
    for (const number of await this.#fileNumbers()) {
      const first = await this.#headerAt(number, 0);
      // What follows stands in the rest of the same file, or begins another; one whose beginning is lost is searched.
      const from = number === fileNumber ? position : 0;
      const mayFollow = first === undefined || (this.#isLive(first) && first.sequence >= sequence);
      const to = number === fileNumber || mayFollow ? Number.POSITIVE_INFINITY : pageBytes;
      await this.#searchWitness(number, from, to);
      await this.#refuseShort(number, pageBytes);
    }
    if (this.syncedSequence >= sequence) throw this.#damaged(undefined, fileNumber, position);
  }

  /** A file is whole before it gets its name, and never changes its size: blocks at its end may be gone with the rest. */
  async #refuseShort(number: number, bytes: number): Promise<void> {
    const file = await this.#open(number);
    const size = await file.size();
    if (size >= bytes) return;
    const path = `${this.#directory}/${journalFileName(number)}`;
    const message = `${path} holds ${size} bytes, but was made with ${bytes} at least: the disk lost a part of it, and perhaps acknowledged data`;
    throw new LogError("CORRUPT_JOURNAL", message, { details: { path, position: size } });
  }

  /** Throws if a block in this part of a file says that what is missing had been synced. */
  async #searchWitness(number: number, from: number, to: number): Promise<void> {
    const file = await this.#open(number);
    const end = Math.min(to, await file.size());
    const chunk = Buffer.allocUnsafe(Math.min(searchBytes, Math.max(end - from, 0)));
    for (let start = from; start < end; start += chunk.length) {
      const count = await file.read(chunk, Math.min(chunk.length, end - start), start);
      for (let at = 0; at + blockHeaderBytes <= count; at += pageBytes) {
        if (!this.#isWriter(writerIdAt(chunk, at))) continue;
        // One that stands on another block's page does not count, but it tells.
        const found = decodeBlockHeader(chunk.subarray(at, at + blockHeaderBytes));
        if (found === undefined || !this.#isLive(found)) continue;
        const isLater = found.sequence >= this.next.sequence && found.syncedSequence >= this.next.sequence;
        if (isLater) throw this.#damaged(found, number, start + at);
      }
    }
  }

  async close(): Promise<void> {
    for (const file of this.#files.values()) await file.close();
    this.#files.clear();
  }

  async #fileNumbers(): Promise<number[]> {
    const names = (await this.#fs.list(this.#directory)) ?? [];
    return names.map(journalFileNumber).filter((number) => number !== undefined);
  }

  async #open(number: number): Promise<File> {
    const known = this.#files.get(number);
    if (known !== undefined) return known;
    const file = await this.#fs.open(`${this.#directory}/${journalFileName(number)}`, "read");
    this.#files.set(number, file);
    return file;
  }

  async #blockAt(where: JournalPosition): Promise<ScannedBlock | undefined> {
    if (where.fileNumber < 0) return undefined;
    const header = await this.#headerAt(where.fileNumber, where.position);
    if (header?.sequence !== where.sequence || !this.#isLive(header)) return undefined;
    return this.#withPayload(header, where.fileNumber, where.position);
  }

  /** A block that did not follow in its file stands first in another one. */
  async #firstBlockOf(sequence: number): Promise<ScannedBlock | undefined> {
    for (const number of await this.#fileNumbers()) {
      const header = await this.#headerAt(number, 0);
      if (header === undefined) continue;
      this.epochMax = Math.max(this.epochMax, header.epoch);
      if (header.sequence !== sequence || !this.#isLive(header)) continue;
      const block = await this.#withPayload(header, number, 0);
      if (block !== undefined) return block;
    }
    return undefined;
  }

  async #headerAt(number: number, position: number): Promise<BlockHeader | undefined> {
    const file = await this.#open(number);
    const buffer = Buffer.alloc(blockHeaderBytes);
    if ((await file.read(buffer, blockHeaderBytes, position)) < blockHeaderBytes) return undefined;
    // Behind a file's first block there may be anything, also what somebody made to look like a block of a newer
    // version: the inside of a block that was overwritten. Writer ids are nobody else's to know.
    if (position > 0 && !this.#isWriter(writerIdAt(buffer, 0))) return undefined;
    const header = decodeBlockHeader(buffer, position);
    // Of a file that holds nothing of use any more, the size is of no interest.
    if (header !== undefined && header.sequence >= this.#start && this.#isLive(header))
      await this.#refuseShort(number, fileBytesOf(buffer));
    return header;
  }

  async #withPayload(
    header: BlockHeader,
    number: number,
    position: number,
  ): Promise<ScannedBlock | undefined> {
    const file = await this.#open(number);
    // The header's own checksum matched; the bound keeps a forged length from allocating more than the file holds.
    if (position + blockHeaderBytes + header.payloadBytes > (await file.size())) return undefined;
    const payload = Buffer.allocUnsafeSlow(header.payloadBytes);
    const count = await file.read(payload, payload.length, position + blockHeaderBytes);
    if (count < payload.length || crc32c(payload) !== header.payloadCrc) return undefined;
    return { ...header, fileNumber: number, position, payload };
  }

  #isWriter(id: string | undefined): boolean {
    return id !== undefined && this.#writers.some(({ writerId }) => writerId === id);
  }

  #isLive(header: BlockHeader): boolean {
    return isLiveBlock(this.#writers, header);
  }

  #damaged(evidence: BlockHeader | undefined, number: number, position: number): LogError {
    const { sequence, fileNumber, position: expected } = this.next;
    const where = fileNumber < 0 ? this.#directory : `${this.#directory}/${journalFileName(fileNumber)}`;
    const proof =
      evidence === undefined
        ? "an earlier block says that it had been synced"
        : `block ${evidence.sequence} at ${position} of ${journalFileName(number)} says that it had been synced`;
    return new LogError(
      "CORRUPT_JOURNAL",
      `journal block ${sequence}, expected at position ${expected} of ${where}, does not read back, yet ${proof}: the disk lost or changed acknowledged data`,
      { details: { path: where, position: expected, sequence } },
    );
  }
}
