// Files that are nothing but bytes in memory, to be read: as small as a FileSystem can be, so that a case costs
// microseconds. What the engine would write goes nowhere.
import { LogError } from "../errors.js";
import type { File, FileSystem } from "../fs/index.js";

export class ImageFileSystem implements FileSystem {
  /** By path. */
  files: ReadonlyMap<string, Buffer> = new Map();

  async open(path: string): Promise<File> {
    const content = this.files.get(path);
    if (content === undefined) {
      const cause = Object.assign(new Error("no such file"), { code: "ENOENT" });
      throw new LogError("IO", `${path}: no such file`, { cause });
    }
    return new ImageFile(content);
  }

  async readFile(path: string): Promise<Buffer | undefined> {
    return this.files.get(path);
  }

  async list(directory: string): Promise<string[] | undefined> {
    const prefix = `${directory}/`;
    const inside = [...this.files.keys()].filter((path) => path.startsWith(prefix));
    return inside.map((path) => path.slice(prefix.length)).sort();
  }

  async makeDirectory(): Promise<void> {}
  async rename(): Promise<void> {}
  async remove(): Promise<void> {}
  async removeDirectory(): Promise<void> {}
  async syncDirectory(): Promise<void> {}
  async freeBytes(): Promise<undefined> {
    return undefined;
  }
  async lock(): Promise<{ release(): Promise<void> }> {
    return { release: async () => undefined };
  }
}

class ImageFile implements File {
  readonly #content: Buffer;

  constructor(content: Buffer) {
    this.#content = content;
  }

  async read(buffer: Uint8Array, length: number, position: number): Promise<number> {
    // As the system would: it knows no negative positions, and clipping would hide that one was asked for.
    if (!Number.isSafeInteger(position) || position < 0) throw new RangeError(`a read at ${position}`);
    if (length < 0 || length > buffer.length) throw new RangeError(`a read of ${length} bytes`);
    if (position >= this.#content.length) return 0;
    return this.#content.copy(buffer, 0, position, Math.min(position + length, this.#content.length));
  }

  async size(): Promise<number> {
    return this.#content.length;
  }

  async write(): Promise<void> {}
  async writeSynced(): Promise<void> {}
  async sync(): Promise<void> {}
  async truncate(): Promise<void> {}
  async close(): Promise<void> {}
}
