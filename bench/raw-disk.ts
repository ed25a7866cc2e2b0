// What the disk itself does, in the same run: write + fdatasync of the same bytes over a file that exists already, as
// the journal does it, through the same asynchronous calls.
import { closeSync, fdatasync, fdatasyncSync, openSync, readSync, rmSync, write, writeSync } from "node:fs";
import { promisify } from "node:util";

const writeAsync = promisify(write);
const syncAsync = promisify(fdatasync);
const mebibyte = 1024 * 1024;

/** A file filled once, then overwritten for ever. */
export class RawFile {
  readonly #path: string;
  readonly #descriptor: number;
  readonly #bytes: number;
  #position = 0;

  constructor(path: string, bytes: number) {
    this.#path = path;
    this.#bytes = bytes;
    this.#descriptor = openSync(path, "w+");
    const zeros = Buffer.alloc(mebibyte);
    for (let at = 0; at < bytes; at += zeros.length) writeSync(this.#descriptor, zeros, 0, zeros.length, at);
    fdatasyncSync(this.#descriptor);
  }

  /** Writes and syncs `bytes` at a time until `seconds` are over; answers how many times a second. */
  async syncedWritesPerSecond(bytes: number, seconds: number): Promise<number> {
    const block = Buffer.alloc(bytes, 7);
    const started = performance.now();
    let count = 0;
    while (performance.now() - started < seconds * 1000) {
      if (this.#position + bytes > this.#bytes) this.#position = 0;
      await writeAsync(this.#descriptor, block, 0, bytes, this.#position);
      await syncAsync(this.#descriptor);
      this.#position += bytes;
      count++;
    }
    return (count / (performance.now() - started)) * 1000;
  }

  /** The same, counted in bytes: MB/s for a total of `totalBytes`. */
  async syncedMegabytesPerSecond(blockBytes: number, totalBytes: number): Promise<number> {
    const block = Buffer.alloc(blockBytes, 7);
    const started = performance.now();
    for (let done = 0; done < totalBytes; done += blockBytes) {
      if (this.#position + blockBytes > this.#bytes) this.#position = 0;
      await writeAsync(this.#descriptor, block, 0, blockBytes, this.#position);
      await syncAsync(this.#descriptor);
      this.#position += blockBytes;
    }
    return totalBytes / 1000 / (performance.now() - started);
  }

  close(): void {
    closeSync(this.#descriptor);
    rmSync(this.#path);
  }
}

/** MB/s of reading files from end to end, a mebibyte at a time, from the page cache like the reads beside it. */
export function readMegabytesPerSecond(paths: readonly string[]): number {
  const chunk = Buffer.alloc(mebibyte);
  let bytes = 0;
  const started = performance.now();
  for (const path of paths) {
    const descriptor = openSync(path, "r");
    for (let count = readSync(descriptor, chunk); count > 0; count = readSync(descriptor, chunk))
      bytes += count;
    closeSync(descriptor);
  }
  return bytes / 1000 / (performance.now() - started);
}
