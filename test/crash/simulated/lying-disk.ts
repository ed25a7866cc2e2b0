// Disks that lie, each in one way. The engine cannot know; the oracle must find out. They prove that the crash tests
// would see a missing sync, a swallowed error or a short write.
import type { File, FileSystem } from "@strandlog/log";

type Lie = (fileSystem: FileSystem) => FileSystem;

const journal = /\/journal\//;
const segment = /\/topics\/.*\.log$/;
const nothing = (): Promise<void> => Promise.resolve();

export const lies: Readonly<Record<string, Lie>> = {
  "a sync of the journal does nothing": (disk) =>
    files(disk, journal, (file) => ({ ...file, sync: nothing })),
  "a sync of a segment does nothing": (disk) => files(disk, segment, (file) => ({ ...file, sync: nothing })),
  "a sync of the checkpoint file does nothing": (disk) =>
    files(disk, /checkpoint/, (file) => ({ ...file, sync: nothing })),
  "a sync of a directory does nothing": (disk) => ({ ...methods(disk), syncDirectory: nothing }),
  "a rename is never durable": (disk) => {
    const renamed = new Set<string>();
    const parentOf = (path: string): string => path.slice(0, path.lastIndexOf("/"));
    return {
      ...methods(disk),
      rename: (from, to) => {
        renamed.add(parentOf(to));
        return disk.rename(from, to);
      },
      syncDirectory: (path) => (renamed.has(path) ? Promise.resolve() : disk.syncDirectory(path)),
    };
  },
  "a removal does nothing": (disk) => ({ ...methods(disk), remove: nothing, removeDirectory: nothing }),
  "a write to the journal loses its last sector": (disk) =>
    files(disk, journal, (file) => ({
      ...file,
      write: (pieces, position) => file.write(short(pieces), position),
    })),
  "a write to a segment loses its last sector": (disk) =>
    files(disk, segment, (file) => ({
      ...file,
      write: (pieces, position) => file.write(short(pieces), position),
    })),
  "a failed sync is swallowed": (disk) =>
    files(disk, /./, (file) => ({ ...file, sync: () => file.sync().catch(() => undefined) })),
  "a failed write is swallowed": (disk) =>
    files(disk, /./, (file) => ({
      ...file,
      write: (pieces, position) => file.write(pieces, position).catch(() => undefined),
    })),
  "a write to the journal ends before it is done": (disk) =>
    files(disk, journal, (file) => ({
      ...file,
      write: (pieces, position) => {
        file.write([Buffer.concat(pieces)], position).catch(() => undefined);
        return Promise.resolve();
      },
    })),
  "the journal is written to the wrong place now and then": (disk) => {
    let writes = 0;
    return files(disk, journal, (file) => ({
      ...file,
      write: (pieces, position) => file.write(pieces, ++writes % 7 === 0 ? position + 4096 : position),
    }));
  },
};

function files(disk: FileSystem, path: RegExp, lie: (file: File) => File): FileSystem {
  return {
    ...methods(disk),
    open: async (name, mode) => {
      const file = await disk.open(name, mode);
      if (!path.test(name)) return file;
      const lying = lie(file);
      const writeSynced: File["write"] = async (pieces, position) => {
        await lying.write(pieces, position);
        await lying.sync();
      };
      return { ...lying, writeSynced };
    },
  };
}

/** The methods of a class do not come along with a spread. */
function methods(disk: FileSystem): FileSystem {
  return {
    open: (path, mode) => disk.open(path, mode),
    readFile: (path) => disk.readFile(path),
    list: (directory) => disk.list(directory),
    makeDirectory: (path) => disk.makeDirectory(path),
    rename: (from, to) => disk.rename(from, to),
    remove: (path) => disk.remove(path),
    removeDirectory: (path) => disk.removeDirectory(path),
    syncDirectory: (path) => disk.syncDirectory(path),
    freeBytes: (path) => disk.freeBytes(path),
    lock: (directory) => disk.lock(directory),
  };
}

/** Without the last sector that holds anything, the way a write ends that nobody looked at. */
function short(pieces: readonly Uint8Array[]): Uint8Array[] {
  const bytes = Buffer.concat(pieces);
  const end = bytes.findLastIndex((byte) => byte !== 0);
  return [end < 0 ? bytes : bytes.subarray(0, end - (end % 512))];
}
