// Every block of a journal that counts and reads well, wherever in its files it is, and what is missing between them.
import type { CheckpointState } from "../checkpoint/index.js";
import type { FileSystem } from "../fs/index.js";
import { ByteWindow } from "../inspect/byte-window.js";
import {
  type BlockHeader,
  blockHeaderBytes,
  blockSpan,
  decodeBlockHeader,
  fileBytesOf,
  isLiveBlock,
  journalFileNumber,
  pageBytes,
} from "../journal/index.js";
import { crc32c, RecordBatch } from "../record/index.js";
import { decodeEntries } from "../storage/file/entry.js";

export interface SalvagedBlock extends BlockHeader {
  readonly file: string;
  readonly position: number;
  readonly payload: Buffer;
}

export interface SalvagedJournal {
  /** In order. */
  readonly blocks: readonly SalvagedBlock[];
  /** Sequences of the blocks that are lost, in order, as far as they are known. */
  readonly missing: readonly number[];
  /** Whether more may have followed than is known: a file has become shorter. */
  readonly isShort: boolean;
  /** What the lost blocks took, at most. */
  readonly lostBytes: number;
  readonly damages: readonly { readonly file: string; readonly what: string }[];
  /** The files that hold blocks that count. */
  readonly usedFiles: readonly string[];
  /** The files that are too short to be of any use. */
  readonly uselessFiles: readonly string[];
  readonly epochMax: number;
  readonly sequenceMax: number;
  readonly fileNumberMax: number;
}

interface JournalContent {
  readonly name: string;
  readonly size: number;
  /** What the file was made with, as far as its blocks say. */
  fileBytes: number;
  readonly blocks: SalvagedBlock[];
}

export async function salvageJournal(
  fs: FileSystem,
  directory: string,
  checkpoint: CheckpointState,
): Promise<SalvagedJournal> {
  const files: JournalContent[] = [];
  let epochMax = Math.max(0, ...checkpoint.writers.map(({ epoch }) => epoch));
  let syncedSequence = checkpoint.journalStart - 1;
  for (const name of (await fs.list(directory)) ?? []) {
    if (journalFileNumber(name) === undefined) continue;
    files.push(
      await readJournalFile(fs, directory, name, checkpoint, (header) => {
        epochMax = Math.max(epochMax, header.epoch);
      }),
    );
  }
  for (const { blocks } of files)
    for (const block of blocks) syncedSequence = Math.max(syncedSequence, block.syncedSequence);
  const found = files.flatMap(({ blocks }) => blocks).sort((left, right) => left.sequence - right.sequence);
  const short = files.filter(({ size, fileBytes }) => size < Math.max(fileBytes, pageBytes));
  const { blocks, missing } = chainOf(found, checkpoint.journalStart, syncedSequence, short.length > 0);
  let lostBytes = 0;
  const damages: { file: string; what: string }[] = [];
  for (const { name, size, fileBytes } of short) {
    lostBytes += Math.max(fileBytes - size, pageBytes);
    damages.push({
      file: name,
      what: `is ${size} bytes long, less than it was made with: what it held beyond is lost`,
    });
  }
  for (const sequence of missing) {
    const { file, bytes, where } = placeOf(sequence, files, found);
    lostBytes += bytes;
    damages.push({ file, what: `block ${sequence}, ${where}, does not read back: it is left out` });
  }
  const numbers = files.map(({ name }) => journalFileNumber(name) ?? 0);
  return {
    blocks,
    missing,
    isShort: short.length > 0,
    lostBytes,
    damages,
    usedFiles: files.filter((file) => file.blocks.length > 0 || short.includes(file)).map(({ name }) => name),
    uselessFiles: files.filter(({ size }) => size < pageBytes).map(({ name }) => name),
    epochMax,
    sequenceMax: Math.max(syncedSequence, found.at(-1)?.sequence ?? -1, checkpoint.journalStart - 1),
    fileNumberMax: Math.max(-1, ...numbers),
  };
}

/** What was synced counts, and what follows without a hole; behind a hole in what may not have been synced nothing does. */
function chainOf(
  found: readonly SalvagedBlock[],
  start: number,
  syncedSequence: number,
  isShort: boolean,
): { blocks: SalvagedBlock[]; missing: number[] } {
  const bySequence = new Map(found.map((block) => [block.sequence, block]));
  const last = isShort ? Math.max(syncedSequence, found.at(-1)?.sequence ?? -1) : syncedSequence;
  const blocks: SalvagedBlock[] = [];
  const missing: number[] = [];
  for (let sequence = start; ; sequence++) {
    const block = bySequence.get(sequence);
    if (block !== undefined) blocks.push(block);
    else if (sequence <= last) missing.push(sequence);
    else return { blocks, missing };
  }
}

/** Where a lost block was: behind the one before it, or at the beginning of a file. */
function placeOf(
  sequence: number,
  files: readonly JournalContent[],
  found: readonly SalvagedBlock[],
): { file: string; bytes: number; where: string } {
  const before = found.findLast((block) => block.sequence < sequence);
  const after = found.find((block) => block.sequence > sequence);
  const from = before === undefined ? 0 : before.position + blockSpan(before.payloadBytes);
  if (before !== undefined && before.file === after?.file)
    return { file: before.file, bytes: after.position - from, where: `expected at ${from}` };
  if (after !== undefined && after.position > 0)
    return { file: after.file, bytes: after.position, where: "expected at 0" };
  const file = files.find(({ name }) => name === before?.file) ?? files[0];
  return {
    file: file?.name ?? "",
    bytes: Math.max((file?.size ?? 0) - from, pageBytes),
    where: `expected at ${from}`,
  };
}

async function readJournalFile(
  fs: FileSystem,
  directory: string,
  name: string,
  { writers, journalStart }: CheckpointState,
  onHeader: (header: BlockHeader) => void,
): Promise<JournalContent> {
  const file = await fs.open(`${directory}/${name}`, "read");
  try {
    const window = new ByteWindow(file, await file.size());
    const content: JournalContent = { name, size: window.size, fileBytes: 0, blocks: [] };
    for (let position = 0; position < window.size; ) {
      const bytes = await window.at(position, blockHeaderBytes);
      // Wherever it stands: its writer and sequence say which block it is.
      const header = decodeBlockHeader(bytes);
      if (header !== undefined) onHeader(header);
      if (header === undefined || !isLiveBlock(writers, header) || header.sequence < journalStart) {
        position += pageBytes;
        continue;
      }
      content.fileBytes = Math.max(content.fileBytes, fileBytesOf(bytes));
      const payload = await window.at(position + blockHeaderBytes, header.payloadBytes);
      const isGood = payload.length === header.payloadBytes && crc32c(payload) === header.payloadCrc;
      if (!isGood || !makesSense(payload)) {
        position += pageBytes;
        continue;
      }
      content.blocks.push({ ...header, file: name, position, payload: Buffer.from(payload) });
      position += blockSpan(header.payloadBytes);
    }
    return content;
  } finally {
    await file.close();
  }
}

function makesSense(payload: Buffer): boolean {
  try {
    for (const entry of decodeEntries(payload))
      if (entry.type === "batch") new RecordBatch(entry.bytes).verify();
    return true;
  } catch {
    return false;
  }
}
