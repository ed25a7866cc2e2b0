// A file of the ring: made once, filled with zeros, then overwritten for ever. Overwriting needs no metadata write,
// which makes its fdatasync 1.5 to 2 times cheaper than that of a growing file.
import { type File, type FileSystem, pacedBytes, writePaced } from "../fs/index.js";

const suffix = ".journal";
const zeros = Buffer.alloc(pacedBytes);

export interface JournalFile {
  readonly number: number;
  readonly path: string;
  readonly file: File;
  readonly bytes: number;
  /** Where the next block goes. */
  position: number;
  /** The oldest and newest block in it; −1 when none is of use. */
  firstSequence: number;
  lastSequence: number;
}

export function journalFileName(number: number): string {
  return `${String(number).padStart(8, "0")}${suffix}`;
}

export function journalFileNumber(name: string): number | undefined {
  return /^\d{8}\.journal$/.test(name) ? Number(name.slice(0, -suffix.length)) : undefined;
}

/** Makes a file and fills it, durable in content and name. */
export async function makeJournalFile(
  fs: FileSystem,
  directory: string,
  number: number,
  bytes: number,
): Promise<JournalFile> {
  const path = `${directory}/${journalFileName(number)}`;
  // Under another name until it is whole: a file that a crash left half made must not count as room.
  const temporary = `${path}.tmp`;
  const filling = await fs.open(temporary, "create");
  try {
    try {
      const pieces = Array.from({ length: Math.ceil(bytes / zeros.length) }, (_, n) =>
        zeros.subarray(0, bytes - n * zeros.length),
      );
      await writePaced(filling, pieces, 0);
      await filling.sync();
    } finally {
      await filling.close();
    }
    await fs.rename(temporary, path);
    await fs.syncDirectory(directory);
  } catch (error) {
    await fs.remove(temporary);
    await fs.remove(path);
    throw error;
  }
  return openJournalFile(fs, directory, number);
}

export async function openJournalFile(
  fs: FileSystem,
  directory: string,
  number: number,
): Promise<JournalFile> {
  const path = `${directory}/${journalFileName(number)}`;
  const file = await fs.open(path, "write");
  return { number, path, file, bytes: await file.size(), position: 0, firstSequence: -1, lastSequence: -1 };
}
