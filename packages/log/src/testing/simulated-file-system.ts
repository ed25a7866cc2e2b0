// The FileSystem contract as one process sees the simulated disk. Each call is queued and ends when the simulation
// draws it; once the process is dead, calls never end.
import { LogError } from "../errors.js";
import type { DirectoryLock, File, FileSystem } from "../fs/index.js";
import { SimulatedDirectory } from "./simulated-directory.js";
import { diskError, lastName, namesOf, type SimulatedDisk, type Verb } from "./simulated-disk.js";
import { SimulatedFile } from "./simulated-file.js";

export class SimulatedFileSystem implements FileSystem {
  readonly #disk: SimulatedDisk;
  readonly #generation: number;

  constructor(disk: SimulatedDisk) {
    this.#disk = disk;
    this.#generation = disk.generation;
  }

  open(path: string, mode: Parameters<FileSystem["open"]>[1]): Promise<File> {
    const verb =
      mode === "create" || (mode === "append" && this.#disk.file(path) === undefined) ? "create" : "open";
    return this.#call(verb, path, (disk) => {
      let file = disk.file(path);
      if (file === undefined) {
        const parent = disk.parent(path);
        if (parent === undefined || mode === "read" || mode === "write")
          throw diskError("ENOENT", "open", path);
        file = new SimulatedFile();
        parent.change([lastName(path), file]);
      } else if (mode === "create") {
        disk.freeBytes += file.size;
        file.truncate(0);
      }
      disk.openFiles++;
      return this.#handle(path, file);
    });
  }

  readFile(path: string): Promise<Buffer | undefined> {
    return this.#call("read", path, (disk) => disk.file(path)?.content);
  }

  list(directory: string): Promise<string[] | undefined> {
    return this.#call("look", directory, (disk) => disk.directory(directory)?.names);
  }

  makeDirectory(path: string): Promise<void> {
    return this.#call("makeDirectory", path, (disk) => {
      let directory = disk.root;
      for (const name of namesOf(path)) {
        const next = directory.subdirectory(name);
        if (next === undefined) throw diskError("ENOTDIR", "create", path);
        directory = next;
      }
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#call("rename", from, (disk) => {
      const parent = disk.parent(from);
      const entry = parent?.get(lastName(from));
      if (parent === undefined || entry === undefined) throw diskError("ENOENT", "rename", from);
      if (disk.parent(to) !== parent) throw diskError("EXDEV", "rename", from);
      parent.change([lastName(from), undefined], [lastName(to), entry]);
    });
  }

  remove(path: string): Promise<void> {
    return this.#call("remove", path, (disk) => {
      const file = disk.file(path);
      if (file === undefined) return;
      disk.freeBytes += file.size;
      disk.parent(path)?.change([lastName(path), undefined]);
    });
  }

  removeDirectory(path: string): Promise<void> {
    return this.#call("remove", path, (disk, part) => {
      const directory = disk.directory(path);
      if (directory !== undefined && this.#empty(disk, directory, part) && part === 1)
        disk.parent(path)?.change([lastName(path), undefined]);
    });
  }

  syncDirectory(path: string): Promise<void> {
    return this.#call("syncDirectory", path, (disk, part) => {
      const directory = disk.directory(path);
      if (directory === undefined) throw diskError("ENOENT", "open", path);
      if (part === 1) directory.sync();
    });
  }

  freeBytes(path: string): Promise<number | undefined> {
    return this.#call("look", path, (disk) => Math.min(disk.freeBytes, Number.MAX_SAFE_INTEGER));
  }

  lock(directory: string): Promise<DirectoryLock> {
    return this.#call("look", directory, ({ locks }) => {
      if (locks.has(directory)) throw new LogError("LOCKED", `another process has ${directory} open`);
      locks.add(directory);
      return {
        release: () =>
          this.#call("look", directory, () => {
            locks.delete(directory);
          }),
      };
    });
  }

  #empty(disk: SimulatedDisk, directory: SimulatedDirectory, part: number): boolean {
    const { names } = directory;
    for (const name of names.slice(0, Math.ceil(names.length * part))) {
      const entry = directory.get(name);
      if (entry instanceof SimulatedDirectory) this.#empty(disk, entry, part);
      else disk.freeBytes += entry?.size ?? 0;
      directory.change([name, undefined]);
    }
    return true;
  }

  #call<T>(verb: Verb, path: string, run: (disk: SimulatedDisk, part: number) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#generation !== this.#disk.generation) return;
      this.#disk.enqueue({ verb, path, run, resolve: resolve as (result: unknown) => void, reject });
    });
  }

  #handle(path: string, file: SimulatedFile): File {
    let isOpen = true;
    const call = <T>(
      verb: Verb,
      run: (own: SimulatedFile, disk: SimulatedDisk, part: number) => T,
    ): Promise<T> =>
      this.#call(verb, path, (disk, part) => {
        if (!isOpen) throw diskError("EBADF", verb, path);
        return run(disk.own(file), disk, part);
      });
    const write: File["write"] = (pieces, position) =>
      call("write", (own, disk, part) => {
        const bytes = Buffer.concat(pieces);
        const room = own.size + disk.freeBytes - position;
        const count = Math.floor(Math.max(0, Math.min(bytes.length, room)) * part);
        const before = own.size;
        if (count > 0) own.write(position, bytes.subarray(0, count));
        disk.freeBytes -= own.size - before;
        if (count < bytes.length && part === 1) throw diskError("ENOSPC", "write", path);
      });
    return {
      read: (buffer, length, position) => call("read", (own) => own.read(buffer, length, position)),
      write,
      writeSynced: async (pieces, position) => {
        const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
        await write(pieces, position);
        await call("sync", (own, _, part) => {
          if (part === 1) own.syncRange(position, length);
        });
      },
      sync: () =>
        call("sync", (own, _, part) => {
          if (part === 1) own.sync();
        }),
      truncate: (length) =>
        call("truncate", (own, disk) => {
          disk.freeBytes += own.size - length;
          own.truncate(length);
        }),
      size: () => call("look", (own) => own.size),
      close: () =>
        call("close", (_, disk) => {
          isOpen = false;
          disk.openFiles--;
        }),
    };
  }
}
