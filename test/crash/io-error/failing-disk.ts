// An ext4 whose disk really fails: it lies in a file on a tmpfs. Blocks that have been dug out of the file cannot be
// written once the tmpfs may not grow: that ends with an I/O error, after ext4 has taken the bytes into its page cache.
// The file system's own journal and tables, which come first on the disk, keep their blocks, so that it lives on.
import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readdirSync, readSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { mountImage } from "../power-cut/file-systems.js";

const mebibyte = 1024 * 1024;
const imageBytes = 48 * mebibyte;
const tmpfsBytes = 64 * mebibyte;
const blockBytes = 4096;
const zeros = Buffer.alloc(blockBytes);
/** The inode of ext4's own journal. */
const journalInode = 8;

/** What it takes besides mounting. */
export const failingDiskTools = ["mkfs.ext4", "debugfs", "filefrag", "fallocate", "sync"] as const;

interface Extent {
  readonly start: number;
  readonly length: number;
}

export class FailingDisk {
  readonly #image: string;
  readonly #tmpfs: string;
  readonly #mounted: string;
  readonly #ownEnd: number;
  #unmount: () => void;

  constructor(directory: string) {
    this.#tmpfs = join(directory, "tmpfs");
    this.#mounted = join(directory, "mounted");
    this.#image = join(this.#tmpfs, "image");
    mkdirSync(this.#tmpfs, { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${tmpfsBytes}`, "tmpfs", this.#tmpfs]);
    this.#fallocate([], { start: 0, length: imageBytes });
    const options = ["-b", `${blockBytes}`, "-J", "size=4", "-E", "packed_meta_blocks=1,nodiscard"];
    execFileSync("mkfs.ext4", ["-q", "-F", ...options, this.#image]);
    this.#fallocate([], { start: 0, length: imageBytes });
    this.#ownEnd = ownEndOf(this.#image);
    this.#unmount = mountImage("ext4", this.#image, this.#mounted);
  }

  /** Where the log may be. */
  get data(): string {
    return join(this.#mounted, "data");
  }

  /** From here on no file can get blocks that were not written before. */
  fail(): void {
    this.#dig([{ start: this.#ownEnd, length: imageBytes - this.#ownEnd }], this.#journalExtents());
  }

  /** From here on what is still zero in the log's journal cannot be written: none of its files was used twice. */
  failJournal(): void {
    this.#dig(this.#journalExtents(), []);
  }

  /** The disk works again. */
  mend(): void {
    this.#resize(tmpfsBytes);
  }

  /** What only the page cache held is gone. */
  remount(): void {
    this.#unmount();
    this.#unmount = mountImage("ext4", this.#image, this.#mounted);
  }

  remove(): void {
    this.#unmount();
    // The loop device may let go of the image a little later.
    execFileSync("umount", ["--lazy", this.#tmpfs]);
  }

  /** Takes the blocks that hold zeros from the image, but for those that are to be kept, and lets it have no others. */
  #dig(extents: readonly Extent[], kept: readonly Extent[]): void {
    execFileSync("sync", ["--file-system", this.#mounted]);
    for (const hole of extents.flatMap((extent) => zerosIn(this.#image, extent)))
      this.#fallocate(["--punch-hole"], hole);
    for (const extent of kept) this.#fallocate([], extent);
    const { blocks, bfree, bsize } = statfsSync(this.#tmpfs);
    this.#resize((blocks - bfree) * bsize);
  }

  #resize(bytes: number): void {
    execFileSync("mount", ["-o", `remount,size=${bytes}`, this.#tmpfs]);
  }

  #fallocate(options: readonly string[], { start, length }: Extent): void {
    execFileSync("fallocate", [...options, "--offset", `${start}`, "--length", `${length}`, this.#image]);
  }

  #journalExtents(): Extent[] {
    execFileSync("sync", ["--file-system", this.#mounted]);
    const journal = join(this.data, "journal");
    return readdirSync(journal).flatMap((name) => extentsOf(join(journal, name)));
  }
}

/** Runs of blocks that hold nothing but zeros. */
function zerosIn(image: string, { start, length }: Extent): Extent[] {
  const file = openSync(image, "r");
  const bytes = Buffer.alloc(length);
  readSync(file, bytes, 0, length, start);
  closeSync(file);
  const runs: Extent[] = [];
  for (let at = 0; at < length; at += blockBytes) {
    if (!bytes.subarray(at, at + blockBytes).equals(zeros)) continue;
    const last = runs.at(-1);
    const isNext = last !== undefined && last.start + last.length === start + at;
    if (isNext) runs[runs.length - 1] = { ...last, length: last.length + blockBytes };
    else runs.push({ start: start + at, length: blockBytes });
  }
  return runs;
}

/** Where the blocks end that the file system needs for itself. */
function ownEndOf(image: string): number {
  const text = execFileSync("debugfs", ["-R", `blocks <${journalInode}>`, image], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  return (Math.max(...text.trim().split(/\s+/).map(Number)) + 1) * blockBytes;
}

/** Where a file's bytes are on the disk. */
function extentsOf(path: string): Extent[] {
  const text = execFileSync("filefrag", ["-v", `-b${blockBytes}`, path], { encoding: "utf8" });
  const lines = text.matchAll(/^ *\d+: +\d+\.\. +\d+: +(\d+)\.\. +\d+: +(\d+):/gm);
  return Array.from(lines, ([, physical, length]) => ({
    start: Number(physical) * blockBytes,
    length: Number(length) * blockBytes,
  }));
}
