// Clearing a partition's directory of files that are not of its segments, and giving those of its segments their names.
import type { FileSystem } from "../fs/index.js";
import type { FileCache, Segment } from "../segment/index.js";

export interface Untidy {
  readonly fs: FileSystem;
  readonly cache: FileCache;
  readonly directory: string;
  /** Whether an error may be left for a later turn: otherwise it is thrown. */
  mayStay(path: string): boolean;
}

const segmentFile = /^\d{20}\.(log|index|timeindex)(\.\d+\.swap)?$/;

/** What has been done, and whether something is left to do. */
export interface Tidied {
  readonly count: number;
  readonly isClean: boolean;
}

/** Gives segments that a compaction has written the names of those that they replace. Durable when `confirm` is called. */
export async function settleNames(
  untidy: Untidy,
  segments: readonly Segment[],
): Promise<Tidied & { confirm(): void }> {
  const settled: Segment[] = [];
  for (const segment of segments) {
    if (segment.state.swap === undefined) continue;
    try {
      await segment.settle(untidy.fs);
      settled.push(segment);
    } catch (error) {
      if (!segment.paths.some((path) => untidy.mayStay(path))) throw error;
    }
  }
  const isClean = segments.every((segment) => segment.state.swap === undefined || settled.includes(segment));
  const confirm = (): void => {
    for (const segment of settled) segment.settled();
  };
  return { count: settled.length, isClean, confirm };
}

/** Removes the segment files that are not `known`. */
export async function clearFiles(untidy: Untidy, isKnown: (path: string) => boolean): Promise<Tidied> {
  const { fs, cache, directory } = untidy;
  const names = ((await fs.list(directory)) ?? []).filter((name) => segmentFile.test(name));
  const paths = names.map((name) => `${directory}/${name}`).filter((path) => !isKnown(path));
  let isClean = true;
  for (const path of paths) {
    await cache.forget(path);
    await fs.remove(path).catch((error: unknown) => {
      if (!untidy.mayStay(path)) throw error;
      isClean = false;
    });
  }
  return { count: paths.length, isClean };
}
