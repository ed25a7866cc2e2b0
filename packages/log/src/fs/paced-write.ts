// Writing much without being in the way: a sync of very much holds up every other sync of the disk until it has ended,
// those of the journal too, and 64 MiB take tens of milliseconds.
import type { File } from "./file-system.js";

/** More than this is never written before it is synced, but for what a single piece has. */
export const pacedBytes: number = 1024 * 1024;

/** As the file's own write, but synced on the way, each part while the next one is written. The last part is not. */
export async function writePaced(file: File, pieces: readonly Uint8Array[], position: number): Promise<void> {
  let at = position;
  let syncing: Promise<void> | undefined;
  for (let first = 0, next = 0; first < pieces.length; first = next) {
    let bytes = 0;
    while (next < pieces.length && bytes < pacedBytes) bytes += (pieces[next++] as Uint8Array).length;
    // Both have to end before anything else is done to the file, however one of them ends.
    const results = await Promise.allSettled([file.write(pieces.slice(first, next), at), syncing]);
    for (const result of results) if (result.status === "rejected") throw result.reason;
    at += bytes;
    if (next < pieces.length) syncing = file.sync();
  }
}
