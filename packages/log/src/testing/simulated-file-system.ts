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
    return this.#call(verb, path, () => {
      let file = this.#disk.file(path);
      if (file === undefined) {
        const parent = this.#disk.parent(path);
        if (parent === undefined || mode === "read" || mode === "write")
          throw diskError("ENOENT", "open", path);
        file = new SimulatedFile();
        parent.change([lastName(path), file]);
      } else if (mode === "create") {
        this.#disk.freeBytes += file.size;
        file.truncate(0);
      }
      this.#disk.openFiles++;
      return this.#handle(path, file);
    });
  }

  readFile(path: string): Promise<Buffer | undefined> {
    return this.#call("read", path, () => this.#disk.file(path)?.content);
  }

  list(directory: string): Promise<string[] | undefined> {
    return this.#call("look", directory, () => this.#disk.directory(directory)?.names);
  }

  makeDirectory(path: string): Promise<void> {
    return this.#call("makeDirectory", path, () => {
      let directory = this.#disk.root;
      for (const name of namesOf(path)) {
        const next = directory.subdirectory(name);
        if (next === undefined) throw diskError("ENOTDIR", "create", path);
        directory = next;
      }
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#call("rename", from, () => {
      const parent = this.#disk.parent(from);
      const entry = parent?.get(lastName(from));
      if (parent === undefined || entry === undefined) throw diskError("ENOENT", "rename", from);
      if (this.#disk.parent(to) !== parent) throw diskError("EXDEV", "rename", from);
      parent.change([lastName(from), undefined], [lastName(to), entry]);
    });
  }

  remove(path: string): Promise<void> {
    return this.#call("remove", path, () => {
      const file = this.#disk.file(path);
      if (file === undefined) return;
      this.#disk.freeBytes += file.size;
      this.#disk.parent(path)?.change([lastName(path), undefined]);
    });
  }

  removeDirectory(path: string): Promise<void> {
    return this.#call("remove", path, (part) => {
      const directory = this.#disk.directory(path);
      if (directory !== undefined && this.#empty(directory, part) && part === 1)
        this.#disk.parent(path)?.change([lastName(path), undefined]);
    });
  }

  syncDirectory(path: string): Promise<void> {
    return this.#call("syncDirectory", path, (part) => {
      const directory = this.#disk.directory(path);
      if (directory === undefined) throw diskError("ENOENT", "open", path);
      if (part === 1) directory.sync();
    });
  }

  freeBytes(path: string): Promise<number | undefined> {
    return this.#call("look", path, () => Math.min(this.#disk.freeBytes, Number.MAX_SAFE_INTEGER));
  }

  lock(directory: string): Promise<DirectoryLock> {
    return this.#call("look", directory, () => {
      const { locks } = this.#disk;
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

  #empty(directory: SimulatedDirectory, part: number): boolean {
    const { names } = directory;
    for (const name of names.slice(0, Math.ceil(names.length * part))) {
      const entry = directory.get(name);
      if (entry instanceof SimulatedDirectory) this.#empty(entry, part);
      else this.#disk.freeBytes += entry?.size ?? 0;
      directory.change([name, undefined]);
    }
    return true;
  }

  #call<T>(verb: Verb, path: string, run: (part: number) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#generation !== this.#disk.generation) return;
      this.#disk.enqueue({ verb, path, run, resolve: resolve as (result: unknown) => void, reject });
    });
  }

  #handle(path: string, file: SimulatedFile): File {
    let isOpen = true;
    const call = <T>(verb: Verb, run: (part: number) => T): Promise<T> =>
      this.#call(verb, path, (part) => {
        if (!isOpen) throw diskError("EBADF", verb, path);
        return run(part);
      });
    const write: File["write"] = (pieces, position) =>
      call("write", (part) => {
        const bytes = Buffer.concat(pieces);
        const room = file.size + this.#disk.freeBytes - position;
        const count = Math.floor(Math.max(0, Math.min(bytes.length, room)) * part);
        const before = file.size;
        if (count > 0) file.write(position, bytes.subarray(0, count));
        this.#disk.freeBytes -= file.size - before;
        if (count < bytes.length && part === 1) throw diskError("ENOSPC", "write", path);
      });
    return {
      read: (buffer, length, position) => call("read", () => file.read(buffer, length, position)),
      write,
      writeSynced: async (pieces, position) => {
        const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
        await write(pieces, position);
        await call("sync", (part) => {
          if (part === 1) file.syncRange(position, length);
        });
      },
      sync: () =>
        call("sync", (part) => {
          if (part === 1) file.sync();
        }),
      truncate: (length) =>
        call("truncate", () => {
          this.#disk.freeBytes += file.size - length;
          file.truncate(length);
        }),
      size: () => call("look", () => file.size),
      close: () =>
        call("close", () => {
          isOpen = false;
          this.#disk.openFiles--;
        }),
    };
  }
}
