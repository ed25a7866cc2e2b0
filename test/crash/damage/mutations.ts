// The ways in which a file can be damaged, one change at a time, and the list of all of them for a sample.
import { makeRandom } from "../content.js";
import { liveBlocksOf } from "./live-blocks.js";
import type { MemoryFiles } from "./memory-files.js";
import type { Sample } from "./sample.js";

export type Mutation =
  | { readonly path: string; readonly kind: "flip" | "zero" | "ones" | "cut"; readonly at: number }
  | {
      readonly path: string;
      readonly kind: "swap";
      readonly at: number;
      readonly other: number;
      readonly length: number;
    }
  | { readonly path: string; readonly kind: "swapBatches"; readonly at: number }
  | { readonly path: string; readonly kind: "remove" };

const pageBytes = 4096;
const sectorBytes = 512;
// Of what does not count, and is long: the journal's free pages, and the padding of its blocks.
const seldom = 61;
const atTimes = 7;

export function applyMutation(files: MemoryFiles, mutation: Mutation): void {
  const changed = changedContent(Buffer.from(files.content(mutation.path)), mutation);
  if (changed === undefined) files.drop(mutation.path);
  else files.put(mutation.path, changed);
}

/** Undefined: the file is gone. */
function changedContent(content: Buffer, mutation: Mutation): Buffer | undefined {
  switch (mutation.kind) {
    case "flip":
      content[mutation.at] = (content[mutation.at] as number) ^ (1 << bitAt(mutation.at));
      return content;
    case "zero":
      return content.fill(0, mutation.at, mutation.at + 1);
    case "ones":
      return content.fill(0xff, mutation.at, mutation.at + 1);
    case "cut":
      return content.subarray(0, mutation.at);
    case "swap":
      return swapped(content, mutation.at, mutation.other, mutation.length);
    case "swapBatches":
      return withBatchesSwapped(content, mutation.at);
    case "remove":
      return undefined;
  }
}

/** One bit of each byte, another one from byte to byte. */
function bitAt(position: number): number {
  return (position * 5 + (position >> 3)) % 8;
}

export function textOfMutation(mutation: Mutation): string {
  return JSON.stringify(mutation);
}

/** All of them, in an order that has nothing to do with where they strike: any stretch is a fair sample. */
export function mutationsOf(sample: Sample): Mutation[] {
  const all: Mutation[] = [];
  for (const path of sample.files.paths())
    for (const mutation of mutationsOfFile(sample, path)) all.push(mutation);
  const random = makeRandom(all.length);
  for (let left = all.length; left > 1; left--) {
    const drawn = Math.floor(random() * left);
    [all[left - 1], all[drawn]] = [all[drawn] as Mutation, all[left - 1] as Mutation];
  }
  return all;
}

function* mutationsOfFile({ files, ending }: Sample, path: string): Generator<Mutation, void, void> {
  const content = files.content(path);
  const isJournal = path.endsWith(".journal");
  const live = isJournal ? liveBlocksOf(files).filter((block) => block.path === path) : [];
  const isLive = (at: number): boolean =>
    !isJournal || live.some(({ position, used }) => at >= position && at < position + used);
  // The last of the journal's files may be gone without a trace: docs/format/journal.md.
  if (!isJournal) yield { path, kind: "remove" };
  // What both samples have alike, and what is only a copy, is damaged everywhere in one of them.
  const isAlike = (ending === "killed" && !isJournal) || path.endsWith("checkpoint-copy");
  for (let at = 0; at < content.length; at++) {
    if (isAlike && at % atTimes !== 0) continue;
    const isRare = !isLive(at);
    if (isRare && (ending === "closed" || at % atTimes !== 0) && at % seldom !== 0) continue;
    yield { path, kind: "flip", at };
    if (isRare && at % seldom !== 0) continue;
    yield { path, kind: "cut", at };
    const kind = at % 2 === 0 ? "zero" : "ones";
    if (content[at] !== (kind === "zero" ? 0 : 0xff)) yield { path, kind, at };
  }
  for (const length of isJournal ? [pageBytes] : [pageBytes, sectorBytes]) {
    for (let at = 0; at < content.length; at += length)
      for (let other = at + length; other < content.length; other += length)
        if (!isJournal || isLive(at)) yield { path, kind: "swap", at, other, length };
  }
  if (path.endsWith(".log")) for (const at of batchesOf(content)) yield { path, kind: "swapBatches", at };
}

/** Where the batches begin that are followed by another. */
function batchesOf(content: Buffer): number[] {
  const starts: number[] = [];
  for (let at = 0; at + 12 < content.length; at += content.readInt32BE(at + 8) + 12) starts.push(at);
  return starts.slice(0, -1);
}

function withBatchesSwapped(content: Buffer, at: number): Buffer {
  const middle = at + content.readInt32BE(at + 8) + 12;
  const end = middle + content.readInt32BE(middle + 8) + 12;
  const parts = [
    [0, at],
    [middle, end],
    [at, middle],
    [end, content.length],
  ] as const;
  return Buffer.concat(parts.map(([from, to]) => content.subarray(from, to)));
}

/** The last stretch of a file may be shorter. */
function swapped(content: Buffer, at: number, other: number, length: number): Buffer {
  const first = content.subarray(at, at + length);
  const second = content.subarray(other, other + length);
  const between = content.subarray(at + length, other);
  return Buffer.concat([content.subarray(0, at), second, between, first, content.subarray(other + length)]);
}
