// The order of what a log does to the disk, and the rule for it: a journal file is overwritten only after a checkpoint
// whose segments, and the names of which, were synced before its file was renamed into place and that name synced (I7).
import type { FileSystem } from "@strandlog/log";
import { Violation } from "@strandlog/log/testing";

export interface DiskEvent {
  readonly verb: "create" | "write" | "sync" | "rename" | "syncDirectory";
  readonly path: string;
  readonly position: number;
}

/** Notes each operation when it has ended, a write when it begins. */
export function recordEvents(disk: FileSystem, events: DiskEvent[]): FileSystem {
  const note = (verb: DiskEvent["verb"], path: string, position = 0): void => {
    events.push({ verb, path, position });
  };
  return {
    open: async (path, mode) => {
      const isNew = mode === "create" || (mode === "append" && !events.some((event) => event.path === path));
      const file = await disk.open(path, mode);
      if (isNew) note("create", path);
      const noteWrite = (pieces: readonly Uint8Array[], position: number): void => {
        // The zeros that a new journal file is filled with do not count.
        if (!path.includes("/journal/") || pieces[0]?.[0] !== 0) note("write", path, position);
      };
      return {
        ...file,
        write: (pieces, position) => {
          noteWrite(pieces, position);
          return file.write(pieces, position);
        },
        writeSynced: (pieces, position) => {
          noteWrite(pieces, position);
          return file.writeSynced(pieces, position);
        },
        sync: async () => {
          await file.sync();
          note("sync", path);
        },
      };
    },
    rename: async (from, to) => {
      await disk.rename(from, to);
      note("rename", to);
    },
    syncDirectory: async (path) => {
      await disk.syncDirectory(path);
      note("syncDirectory", path);
    },
    readFile: (path) => disk.readFile(path),
    list: (directory) => disk.list(directory),
    makeDirectory: (path) => disk.makeDirectory(path),
    remove: (path) => disk.remove(path),
    removeDirectory: (path) => disk.removeDirectory(path),
    freeBytes: (path) => disk.freeBytes(path),
    lock: (directory) => disk.lock(directory),
  };
}

/** Throws where the order is wrong; answers how often a journal file was used again. */
export function checkOrder(events: readonly DiskEvent[]): number {
  const unsynced = new Set<string>();
  const unnamed = new Set<string>();
  /** For each journal file: 0 while it is written, 1 after a checkpoint, 2 once that checkpoint is durable. */
  const stages = new Map<string, number>();
  let reuses = 0;
  for (const { verb, path, position } of events) {
    const directory = path.slice(0, path.lastIndexOf("/"));
    if (verb === "create" && path.endsWith(".log")) unnamed.add(directory);
    else if (verb === "sync") unsynced.delete(path);
    else if (verb === "syncDirectory") {
      unnamed.delete(path);
      if (path === "/disk/log") for (const [name, stage] of stages) if (stage === 1) stages.set(name, 2);
    } else if (verb === "rename" && path.endsWith("/checkpoint")) {
      if (unsynced.size > 0)
        throw new Violation(`I7: not synced at a checkpoint: ${[...unsynced].join(", ")}`);
      if (unnamed.size > 0)
        throw new Violation(`I7: names not synced at a checkpoint: ${[...unnamed].join(", ")}`);
      for (const [name, stage] of stages) if (stage === 0) stages.set(name, 1);
    } else if (verb === "write" && path.endsWith(".log")) unsynced.add(path);
    else if (verb === "write" && path.includes("/journal/")) {
      const stage = stages.get(path);
      if (position === 0 && stage !== undefined) {
        if (stage < 2) throw new Violation(`I7: ${path} is used again before a checkpoint`);
        reuses++;
      }
      stages.set(path, 0);
    }
  }
  return reuses;
}
