// Reads a file from one end to the other in large pieces, for code that wants to look at any few bytes.
import type { File, FileSystem } from "../fs/index.js";

const windowBytes = 1024 * 1024;

export class ByteWindow {
  readonly size: number;
  readonly #file: File;
  #start = 0;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(file: File, size: number) {
    this.#file = file;
    this.size = size;
  }

  /** Up to `length` bytes; fewer at the end of the file. They stay as they are when the window moves on. */
  async at(position: number, length: number): Promise<Buffer> {
    const start = position - this.#start;
    if (start < 0 || start + length > this.#bytes.length) {
      const wanted = Math.max(0, Math.min(Math.max(length, windowBytes), this.size - position));
      const bytes = Buffer.allocUnsafeSlow(wanted);
      this.#bytes = bytes.subarray(0, await this.#file.read(bytes, wanted, position));
      this.#start = position;
      return this.#bytes.subarray(0, length);
    }
    return this.#bytes.subarray(start, start + length);
  }
}

/** Opens a file for the time of an action. */
export async function withWindow<T>(
  fs: FileSystem,
  path: string,
  action: (window: ByteWindow) => Promise<T>,
): Promise<T> {
  const file = await fs.open(path, "read");
  try {
    return await action(new ByteWindow(file, await file.size()));
  } finally {
    await file.close();
  }
}
