// Which blocks of a journal count, found without the engine's help.
import type { MemoryFiles } from "./memory-files.js";
import { directory } from "./sample.js";

export interface LiveBlock {
  readonly path: string;
  readonly position: number;
  /** What it takes of its file, in bytes. */
  readonly span: number;
  /** The part of it that is no padding. */
  readonly used: number;
  readonly sequence: number;
}

const pageBytes = 4096;
const headerBytes = 64;
const magic = 0x534c_4a42;

interface Checkpoint {
  readonly writers: readonly { readonly writerId: string; readonly start: number }[];
  readonly journalStart: number;
}

/** In order of their sequences. */
export function liveBlocksOf(files: MemoryFiles): LiveBlock[] {
  const text = files.content(`${directory}/checkpoint`).toString("utf8");
  const { writers, journalStart } = JSON.parse(text.slice(text.indexOf("\n"))) as Checkpoint;
  const blocks: LiveBlock[] = [];
  for (const path of files.paths().filter((name) => name.endsWith(".journal"))) {
    const content = files.content(path);
    for (let at = 0; at + headerBytes <= content.length; at += pageBytes) {
      if (content.readUInt32BE(at) !== magic) continue;
      const writerId = content.toString("hex", at + 32, at + 40);
      const sequence = Number(content.readBigInt64BE(at + 16));
      const index = writers.findIndex((writer) => writer.writerId === writerId);
      const isLive = index >= 0 && sequence >= (writers[index]?.start ?? 0) && sequence >= journalStart;
      if (!isLive || writers.slice(index + 1).some((later) => sequence >= later.start)) continue;
      const used = headerBytes + content.readUInt32BE(at + 40);
      const span = Math.ceil(used / pageBytes) * pageBytes;
      blocks.push({ path, position: at, span, used, sequence });
    }
  }
  return blocks.sort((left, right) => left.sequence - right.sequence);
}
