// The disk as the engine sees it: few calls, each with one meaning. The real one is node-file-system.ts; a
// simulated one can take its place. Paths are absolute or relative to the process, separated by "/".

export interface File {
  /** The system's number for the open file, where it has one, for others to read from until it is closed. */
  readonly descriptor?: number;
  /** Reads up to `length` bytes into the buffer's beginning; fewer only at the end of the file. */
  read(buffer: Uint8Array, length: number, position: number): Promise<number>;
  /** Writes all of the pieces, one after the other. A short write is continued; no progress is an error. */
  write(pieces: readonly Uint8Array[], position: number): Promise<void>;
  /** As write, and these bytes are durable when it settles; it says nothing of what was written before. */
  writeSynced(pieces: readonly Uint8Array[], position: number): Promise<void>;
  /** Makes what was written durable, and the file's size with it. Not its name: see syncDirectory. */
  sync(): Promise<void>;
  truncate(length: number): Promise<void>;
  size(): Promise<number>;
  /** A second time does nothing. */
  close(): Promise<void>;
}

/** read: must exist, is not changed. write: must exist. create: made or emptied. append: made if missing. */
export type OpenMode = "read" | "write" | "create" | "append";

export interface DirectoryLock {
  release(): Promise<void>;
}

export interface FileSystem {
  open(path: string, mode: OpenMode): Promise<File>;
  /** A whole small file, or undefined if there is none. */
  readFile(path: string): Promise<Buffer | undefined>;
  /** Names in a directory, sorted; undefined if it does not exist. */
  list(directory: string): Promise<string[] | undefined>;
  /** With parents; no error if it exists. */
  makeDirectory(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** No error if the file is not there. */
  remove(path: string): Promise<void>;
  /** With all that it holds; no error if it is not there. */
  removeDirectory(path: string): Promise<void>;
  /** Makes creations, renames and removals in the directory durable. */
  syncDirectory(path: string): Promise<void>;
  /** Free space in bytes, where the system tells. */
  freeBytes(path: string): Promise<number | undefined>;
  /** Keeps every other process out until released, or until this process ends however it ends. */
  lock(directory: string): Promise<DirectoryLock>;
}

/** Replaces a file as a whole: a crash leaves the old content or the new. */
export async function replaceFile(
  fs: FileSystem,
  directory: string,
  name: string,
  content: Buffer,
): Promise<void> {
  const temporary = `${directory}/${name}.tmp`;
  const file = await fs.open(temporary, "create");
  try {
    await file.write([content], 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await fs.rename(temporary, `${directory}/${name}`);
  await fs.syncDirectory(directory);
}
