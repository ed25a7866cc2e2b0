// Bytes in, lines out: split at "\n" and nothing else, whatever the bytes in between mean.
import * as fs from "node:fs";
import { promisify } from "node:util";
import { LogError } from "@strandlog/log";
import { CliError } from "./exit.js";

const chunkBytes = 1024 * 1024;
const readFile = promisify(fs.read);

export interface Input {
  readonly chunks: AsyncIterable<Buffer>;
  /** Undefined when it is not a file. */
  readonly bytesTotal: number | undefined;
  close(): void;
}

/** A named file, or standard input. When `signal` fires the chunks end. */
export function openInput(path: string | undefined, signal: AbortSignal): Input {
  // `strandlog append topic < file` has a file as its standard input: read in larger pieces than a stream would.
  const descriptor = path === undefined ? 0 : openNamed(path);
  const close = (): void => {
    if (descriptor !== 0) fs.closeSync(descriptor);
  };
  const stat = fs.fstatSync(descriptor);
  if (descriptor === 0 && !stat.isFile())
    return { chunks: streamChunks(signal), bytesTotal: undefined, close };
  const bytesTotal = stat.isFile() ? stat.size : undefined;
  return { chunks: fileChunks(descriptor, signal), bytesTotal, close };
}

function openNamed(path: string): number {
  try {
    return fs.openSync(path, "r");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CliError(code === "ENOENT" ? "NO_FILE" : "INPUT", `cannot read ${path} (${code})`);
  }
}

/** While one chunk is being worked on the next is read. Each has memory of its own: who appends may hold on to it. */
async function* fileChunks(descriptor: number, signal: AbortSignal): AsyncGenerator<Buffer, void, void> {
  const read = async (): Promise<Buffer> => {
    const buffer = Buffer.allocUnsafeSlow(chunkBytes);
    const { bytesRead } = await readFile(descriptor, buffer, 0, chunkBytes, null);
    return buffer.subarray(0, bytesRead);
  };
  let next = read();
  try {
    while (!signal.aborted) {
      const chunk = await next;
      if (chunk.length === 0) return;
      next = read();
      next.catch(() => undefined); // It is awaited at the next turn, or nobody wants it any more.
      yield chunk;
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CliError("INPUT", `cannot read the input (${code})`);
  } finally {
    await next.catch(() => undefined); // Nobody may close the file under a read.
  }
}

async function* streamChunks(signal: AbortSignal): AsyncGenerator<Buffer, void, void> {
  const stop = (): void => {
    process.stdin.destroy();
  };
  signal.addEventListener("abort", stop, { once: true });
  try {
    for await (const chunk of process.stdin) yield chunk as Buffer;
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/**
 * Cuts chunks into lines: push one, then take lines until there are none. A line that lies in several chunks is put
 * together; at most `lineBytesMax` are kept for that.
 */
export class LineSplitter {
  readonly #lineBytesMax: number;
  #chunk: Buffer = Buffer.alloc(0);
  #position = 0;
  #pieces: Buffer[] = [];
  #pieceBytes = 0;
  /** Lines given so far. */
  count = 0;

  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax;
  }

  push(chunk: Buffer): void {
    this.#chunk = chunk;
    this.#position = 0;
  }

  /** The next line that has ended, without its newline. */
  take(): Buffer | undefined {
    const chunk = this.#chunk;
    const start = this.#position;
    // Lines are short as a rule: this beats a native search for each.
    let end = start;
    while (end < chunk.length && chunk[end] !== 10) end++;
    if (end < chunk.length) {
      this.#position = end + 1;
      return this.#complete(chunk.subarray(start, end));
    }
    if (start < end) {
      this.#pieces.push(chunk.subarray(start));
      this.#pieceBytes += end - start;
      this.#position = end;
      this.#checkLength(this.#pieceBytes);
    }
    return undefined;
  }

  /** What follows the last newline, if anything. */
  rest(): Buffer | undefined {
    return this.#pieces.length === 0 ? undefined : this.#complete(Buffer.alloc(0));
  }

  #complete(end: Buffer): Buffer {
    this.#checkLength(this.#pieceBytes + end.length);
    this.count++;
    if (this.#pieces.length === 0) return end;
    const line = Buffer.concat([...this.#pieces, end]);
    this.#pieces = [];
    this.#pieceBytes = 0;
    return line;
  }

  #checkLength(bytes: number): void {
    if (bytes <= this.#lineBytesMax) return;
    const message = `line ${this.count + 1} takes ${bytes} bytes or more, its topic allows ${this.#lineBytesMax}: raise maxMessageBytes with "strandlog topics alter"`;
    throw new LogError("RECORD_TOO_LARGE", message, { details: { line: this.count + 1 } });
  }
}
