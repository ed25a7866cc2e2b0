// Opening a directory: lock, read the checkpoint, replay the journal, make sure that what is served next is durable,
// begin a new epoch. Every step may be interrupted and done again (I4): nothing that an earlier step relies on is
// overwritten before the new checkpoint file, written last, makes the result count. DESIGN: docs/adr/0005.
import { assert } from "../../assert.js";
import {
  type CheckpointState,
  checkpointName,
  readCheckpoint,
  writeCheckpoint,
} from "../../checkpoint/index.js";
import type { Clock } from "../../clock.js";
import { LogError, systemCode } from "../../errors.js";
import type { FileSystem } from "../../fs/index.js";
import {
  Journal,
  type JournalFile,
  JournalScan,
  journalFileNumber,
  openJournalFile,
  type ScannedBlock,
  type WriterEpoch,
} from "../../journal/index.js";
import type { LogSettings } from "../../options.js";
import { FileCache } from "../../segment/index.js";
import { decodeEntries } from "./entry.js";
import { FileState } from "./file-state.js";
import { FileStorage } from "./file-storage.js";

/** What opening has done so far; told every few megabytes of the journal. */
export interface RecoveryProgress {
  readonly phase: "replay" | "rewrite" | "done";
  readonly blocks: number;
  readonly bytes: number;
}

export interface OpenFileOptions {
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly directory: string;
  readonly settings: LogSettings;
  readonly onRecovery?: ((progress: RecoveryProgress) => void) | undefined;
}

const firstFileBytes = 4 * 1024 * 1024;
const progressEveryBytes = 8 * 1024 * 1024;
// What may stand in a data directory besides the checkpoint file itself.
const ownNames =
  /^(journal|topics|checkpoint\.tmp|checkpoint-copy(\.tmp)?|lock-[0-9a-f]{12}|removed-[0-9TZ-]+)$/;

export async function openFileStorage(options: OpenFileOptions): Promise<FileStorage> {
  const { fs, clock, directory, settings } = options;
  await refuseForeign(fs, directory);
  await fs.makeDirectory(directory);
  const lock = await fs.lock(directory);
  try {
    const journalDirectory = `${directory}/journal`;
    const checkpoint = (await readCheckpoint(fs, directory)) ?? (await create(options));
    // Its name may be that of a process that was killed before it could make it durable.
    await fs.syncDirectory(directory);
    const cache = new FileCache(fs, clock, settings.openFilesMax);
    const state = new FileState({ fs, cache, topicsDirectory: `${directory}/topics` }, checkpoint);
    const replayed = await replay(options, journalDirectory, checkpoint, state);
    const writer: WriterEpoch = {
      epoch: replayed.epochMax + 1,
      writerId: clock.randomBytes(8).toString("hex"),
      start: replayed.syncedSequence + 1,
    };
    const writers = [...checkpoint.writers.filter(({ start }) => start < writer.start), writer];
    state.writers = writers;
    const storage = new FileStorage({ fs, clock, directory, settings, cache, state, lock });
    const files = await openFiles(fs, journalDirectory, replayed);
    const journal = new Journal(
      fs,
      clock,
      journalDirectory,
      {
        fileBytes: settings.journalFileBytes,
        bytesMax: settings.journalBytesMax,
        firstFileBytes: Math.min(firstFileBytes, settings.journalFileBytes),
        syncEveryMs: settings.syncEveryMs,
      },
      { epoch: writer.epoch, writerId: writer.writerId, sequence: writer.start, ...files },
      storage,
    );
    try {
      await rewrite(journal, replayed.uncertain);
      journal.ring.endRecovery();
      // From here on the new writer's blocks count, and the old one's beyond its start do not. Topics and segments
      // stay as the old checkpoint has them: the journal would be replayed over them again.
      await writeCheckpoint(fs, directory, { ...checkpoint, writers });
      // Only now: a deletion that was in an uncertain block does not count before.
      await state.tidy();
    } catch (error) {
      await journal.close();
      throw error;
    }
    storage.start(journal);
    options.onRecovery?.({ phase: "done", ...replayed.progress });
    return storage;
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** A directory with other people's files in it is left alone. */
async function refuseForeign(fs: FileSystem, directory: string): Promise<void> {
  const names = (await fs.list(directory)) ?? [];
  if (names.includes(checkpointName)) return;
  const foreign = names.find((name) => !ownNames.test(name));
  if (foreign !== undefined) {
    const message = `${directory} holds "${foreign}", which is not Strandlog's: give an empty or a new directory`;
    throw new LogError("FOREIGN_DIRECTORY", message, { details: { path: directory, file: foreign } });
  }
  for (const name of ["journal", "topics"]) {
    const inside = (await fs.list(`${directory}/${name}`)) ?? [];
    if (inside.length === 0) continue;
    const message = `${directory} holds data in ${name}/ but its checkpoint file is missing: restore it, or take the data away`;
    throw new LogError("CORRUPT_CHECKPOINT", message, {
      details: { path: `${directory}/${checkpointName}` },
    });
  }
}

async function create({ fs, clock, directory }: OpenFileOptions): Promise<CheckpointState> {
  // The checkpoint file comes last: where it is, everything above it is durable.
  for (const parent of parentsOf(directory)) await syncIfAllowed(fs, parent);
  await fs.makeDirectory(`${directory}/journal`);
  await fs.makeDirectory(`${directory}/topics`);
  await fs.syncDirectory(directory);
  const state: CheckpointState = {
    logId: clock.randomBytes(16).toString("hex"),
    writers: [],
    journalStart: 0,
    nextPartitionNumber: 1,
    metadata: [],
    partitions: [],
  };
  await writeCheckpoint(fs, directory, state);
  return state;
}

/** All directories above one, the nearest first: any of them may be new. */
function parentsOf(directory: string): string[] {
  const parts = directory.split("/");
  const parents = parts.map(
    (_, index) => parts.slice(0, index).join("/") || (directory.startsWith("/") ? "/" : "."),
  );
  return [...new Set(parents.reverse())];
}

/** A directory that may not be opened is not one that this process has made. */
async function syncIfAllowed(fs: FileSystem, directory: string): Promise<void> {
  try {
    await fs.syncDirectory(directory);
  } catch (error) {
    const code = systemCode(error);
    if (code !== "EACCES" && code !== "EPERM") throw error;
  }
}

interface Replayed {
  epochMax: number;
  /** Blocks up to here are known to be on the disk. */
  syncedSequence: number;
  /** Blocks that read well but may be in the page cache only: they are written anew. */
  uncertain: ScannedBlock[];
  /** The last block that counts in each file. */
  files: Map<number, { firstSequence: number; lastSequence: number; position: number }>;
  progress: Omit<RecoveryProgress, "phase">;
}

async function replay(
  options: OpenFileOptions,
  directory: string,
  checkpoint: CheckpointState,
  state: FileState,
): Promise<Replayed> {
  const scan = new JournalScan(options.fs, directory, checkpoint.writers, checkpoint.journalStart);
  const files: Replayed["files"] = new Map();
  let recent: ScannedBlock[] = [];
  const progress = { blocks: 0, bytes: 0 };
  let told = 0;
  try {
    for await (const block of scan.blocks()) {
      // Only what no later block vouches for has to be kept.
      recent = recent.filter(({ sequence }) => sequence > scan.syncedSequence);
      recent.push(block);
      for (const entry of decodeEntries(block.payload)) {
        if (entry.type !== "batch") state.apply(entry);
        else state.replay(entry, block.sequence);
      }
      const file = files.get(block.fileNumber) ?? {
        firstSequence: block.sequence,
        lastSequence: -1,
        position: 0,
      };
      files.set(block.fileNumber, { ...file, lastSequence: block.sequence, position: scan.next.position });
      progress.blocks++;
      progress.bytes += block.payload.length;
      if (progress.bytes - told >= progressEveryBytes) {
        told = progress.bytes;
        options.onRecovery?.({ phase: "replay", ...progress });
      }
    }
    await scan.checkEnd();
  } finally {
    await scan.close();
  }
  const uncertain = recent.filter(({ sequence }) => sequence > scan.syncedSequence);
  return { epochMax: scan.epochMax, syncedSequence: scan.syncedSequence, uncertain, files, progress };
}

/** The journal's files, sorted into those that hold blocks still needed and those free to be overwritten. */
async function openFiles(
  fs: FileSystem,
  directory: string,
  { files, syncedSequence }: Replayed,
): Promise<{ live: JournalFile[]; free: JournalFile[] }> {
  const result: { live: JournalFile[]; free: JournalFile[] } = { live: [], free: [] };
  for (const name of (await fs.list(directory)) ?? []) {
    const number = journalFileNumber(name);
    if (number === undefined) {
      if (name.endsWith(".journal.tmp")) await fs.remove(`${directory}/${name}`);
      continue;
    }
    const file = await openJournalFile(fs, directory, number);
    const content = files.get(number);
    if (content === undefined) result.free.push(file);
    else {
      // What is written anew elsewhere is of no use here.
      const lastSequence = Math.min(content.lastSequence, syncedSequence);
      result.live.push(Object.assign(file, content, { lastSequence }));
    }
  }
  // A process that was killed may have made them without getting as far as to make their names durable.
  await fs.syncDirectory(directory);
  result.live.sort((left, right) => left.firstSequence - right.firstSequence);
  return result;
}

/** Writes the uncertain blocks again, under the new epoch, to other places, and makes them durable. */
async function rewrite(journal: Journal, uncertain: readonly ScannedBlock[]): Promise<void> {
  try {
    for (const block of uncertain) {
      const commit = journal.append([block.payload], false);
      await commit.written;
      assert(commit.sequence === block.sequence, "a block that is written anew keeps its sequence");
    }
    await journal.sync();
  } catch (error) {
    // Nothing is lost: it can be opened again when there is space.
    const { cause } = error as LogError;
    throw cause instanceof LogError && cause.code === "DISK_FULL" ? cause : error;
  }
}
