import { systemCode } from "../errors.js";
import type { FileSystem } from "../fs/index.js";

const chunkBytes = 1024 * 1024;

/** A part of a file, in bytes. */
export interface FilePart {
  readonly position: number;
  readonly bytes: number;
}

/** Copies a file, or parts of it, and syncs the copy, though not its name. What is not there is not copied. */
export async function copyFile(
  fs: FileSystem,
  from: string,
  to: string,
  parts?: readonly FilePart[],
): Promise<void> {
  const source = await fs.open(from, "read").catch((error: unknown) => {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  });
  if (source === undefined) return;
  try {
    const target = await fs.open(to, "create");
    try {
      const buffer = Buffer.allocUnsafe(chunkBytes);
      let written = 0;
      for (const { position, bytes } of parts ?? [{ position: 0, bytes: await source.size() }]) {
        for (let done = 0; done < bytes; ) {
          const count = await source.read(buffer, Math.min(chunkBytes, bytes - done), position + done);
          if (count === 0) break;
          await target.write([buffer.subarray(0, count)], written);
          done += count;
          written += count;
        }
      }
      await target.sync();
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

/** Replaces a file's content; durable but for the name of a new one. */
export async function writeWhole(fs: FileSystem, path: string, content: Buffer): Promise<void> {
  const file = await fs.open(path, "create");
  try {
    await file.write([content], 0);
    await file.sync();
  } finally {
    await file.close();
  }
}
