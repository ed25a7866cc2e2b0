// What the disk itself does with the same blocks, through the same asynchronous calls of Node, and what the processor
// does that only copies them.
import { close, fdatasync, open, read, write } from "node:fs";
import { mkdir } from "node:fs/promises";
import { promisify } from "node:util";
import { type Answer, latencyOf, type Request, serve } from "../subject.js";

const openAsync = promisify(open);
const closeAsync = promisify(close);
const writeAsync = promisify(write);
const readAsync = promisify(read);
const syncAsync = promisify(fdatasync);
const mebibyte = 1024 * 1024;
// As much as a journal has; larger than what a disk's own cache may hide.
const fileBytes = 256 * mebibyte;

/** A file of zeros that are on the disk. */
async function filledFile(directory: string, bytes: number): Promise<number> {
  await mkdir(directory, { recursive: true });
  const descriptor = await openAsync(`${directory}/raw`, "w+");
  const zeros = Buffer.alloc(mebibyte);
  for (let at = 0; at < bytes; at += mebibyte) await writeAsync(descriptor, zeros, 0, mebibyte, at);
  await syncAsync(descriptor);
  return descriptor;
}

/** Calls it until the time is over, or so many bytes are done; as long before that does not count. */
async function repeat(
  { seconds, recordBytes, bytes }: Request,
  action: (at: number) => Promise<unknown>,
): Promise<Answer> {
  const run = async (ms: number, most: number): Promise<{ times: number[]; ms: number }> => {
    const times: number[] = [];
    const began = performance.now();
    for (let now = began; now - began < ms && times.length < most; ) {
      await action(times.length);
      const then = performance.now();
      times.push(then - now);
      now = then;
    }
    return { times, ms: performance.now() - began };
  };
  if (bytes === 0) await run(seconds * 1000, Number.POSITIVE_INFINITY);
  const most = bytes === 0 ? Number.POSITIVE_INFINITY : Math.ceil(bytes / recordBytes);
  const { times, ms } = await run(bytes === 0 ? seconds * 1000 : Number.POSITIVE_INFINITY, most);
  return {
    records: times.length,
    bytes: times.length * recordBytes,
    seconds: ms / 1000,
    latencyMicros: latencyOf(times),
  };
}

/** Write and fdatasync, one after the other, over blocks that exist. */
async function overwrite(request: Request): Promise<Answer> {
  const { directory, recordBytes } = request;
  const descriptor = await filledFile(directory, fileBytes);
  const block = Buffer.alloc(recordBytes, 7);
  const blocks = Math.floor(fileBytes / recordBytes);
  try {
    return await repeat(request, async (index) => {
      await writeAsync(descriptor, block, 0, recordBytes, (index % blocks) * recordBytes);
      await syncAsync(descriptor);
    });
  } finally {
    await closeAsync(descriptor);
  }
}

/** A file that grows and is never synced: an acknowledgement after this survives no power failure. */
async function grow(request: Request): Promise<Answer> {
  const { directory, recordBytes } = request;
  const descriptor = await filledFile(directory, 0);
  const block = Buffer.alloc(recordBytes, 7);
  try {
    return await repeat(request, (index) =>
      writeAsync(descriptor, block, 0, recordBytes, index * recordBytes),
    );
  } finally {
    await closeAsync(descriptor);
  }
}

/** From the page cache, a mebibyte a call. */
async function pread(request: Request): Promise<Answer> {
  const { directory } = request;
  const descriptor = await filledFile(directory, fileBytes);
  const chunk = Buffer.alloc(mebibyte);
  try {
    return await repeat({ ...request, recordBytes: mebibyte, bytes: 0 }, (index) =>
      readAsync(descriptor, chunk, 0, mebibyte, (index * mebibyte) % fileBytes),
    );
  } finally {
    await closeAsync(descriptor);
  }
}

/** Copies of as many bytes, from memory to memory. */
function copy(request: Request): Promise<Answer> {
  const from = Buffer.alloc(64 * mebibyte, 7);
  const to = Buffer.alloc(64 * mebibyte);
  return repeat({ ...request, recordBytes: from.length, bytes: 0 }, async () => from.copy(to));
}

await serve({ overwrite, grow, pread, copy });
