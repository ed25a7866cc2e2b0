// One partition: which of its segments stay as they are, which get a few bytes back, which are cut in pieces. A piece
// behind damage becomes a segment of its own, under a name that no checkpoint file knows yet, so that nothing old is
// touched before the new checkpoint file counts.
import type { FileSystem } from "../fs/index.js";
import type { PartitionState } from "../partition/index.js";
import { crc32c } from "../record/index.js";
import { type SegmentState, segmentName, swapName } from "../segment/index.js";
import type { IndexedBatch, IndexWriter } from "../segment/segment-index.js";
import { copyFile, writeWhole } from "./copy-file.js";
import type { RepairPlan } from "./repair-plan.js";
import { type LeaderEpochs, type SalvagedLog, salvageLog, segmentOf } from "./salvage-log.js";
import { planSmallFiles } from "./small-files.js";

export interface RepairedPartition {
  readonly state: PartitionState;
  readonly isChanged: boolean;
  /** Offsets that segments have lost; the journal may still have some. */
  readonly lost: readonly { readonly from: number; readonly to: number }[];
}

/** `start` is where the journal says that the partition starts. */
export async function planPartition(
  fs: FileSystem,
  topics: string,
  state: PartitionState,
  start: number,
  plan: RepairPlan,
): Promise<RepairedPartition> {
  const directory = `${topics}/${state.name.topic}-${state.name.partition}`;
  const from = Math.max(start, state.logStartOffset);
  const segments: SegmentState[] = [];
  const lost: { from: number; to: number }[] = [];
  const epochs = epochsOf(state);
  let isChanged = false;
  for (const [index, segment] of state.segments.entries()) {
    if (segment.nextOffset <= start) {
      segments.push(segment);
      continue;
    }
    const path = `${directory}/${segmentName(segment.baseOffset)}`;
    const found = await salvageLog(fs, path, segment, epochs);
    if (found.lost.length === 0 && found.size >= 0) {
      if (found.restored !== undefined) planRestoring(fs, directory, found, plan);
      await planIndexes(fs, directory, found, segment, plan);
      planExcess(fs, directory, `${path}.log`, found.size, segment.logBytes, plan);
      segments.push(segment);
      continue;
    }
    const ready = await salvageLog(fs, path, segment, epochs, ".log.tmp");
    if (ready.lost.length === 0 && ready.size >= 0 && ready.restored === undefined) {
      plan.step(`${path}.log`, "is replaced by what an interrupted repair had made ready");
      plan.after(directory, () => fs.rename(`${path}.log.tmp`, `${path}.log`));
      await planIndexes(fs, directory, ready, segment, plan);
      segments.push(segment);
      continue;
    }
    isChanged = true;
    const isLast = index === state.segments.length - 1;
    segments.push(...planPieces(fs, directory, found, segment, isLast, plan));
    for (const hole of found.lost)
      if (hole.to >= from) lost.push({ from: Math.max(hole.from, from), to: hole.to });
  }
  await planLeftovers(fs, directory, state, segments, plan);
  const end = segments.at(-1)?.nextOffset ?? 0;
  const wasEnd = state.segments.at(-1)?.nextOffset ?? 0;
  const recoveryPoint = end < wasEnd ? Math.max(end, state.logStartOffset) : state.recoveryPoint;
  // The journal may have what the last segment has lost. What is not there is not given again.
  const isShorter = recoveryPoint < state.recoveryPoint;
  const endOffsetMin = Math.max(state.recoveryPoint, state.endOffsetMin ?? 0);
  const repaired = { ...state, segments, recoveryPoint, ...(isShorter ? { endOffsetMin } : {}) };
  if (state.segments.length > 0) await planSmallFiles(fs, directory, repaired, plan);
  return { state: repaired, isChanged, lost };
}

function epochsOf({ leaderEpochs }: PartitionState): LeaderEpochs {
  return { at: (offset) => leaderEpochs.findLast(([, start]) => start <= offset)?.[0] };
}

/** What the file was is known byte for byte: it may be put back in place. */
function planRestoring(
  fs: FileSystem,
  directory: string,
  { path, restored }: SalvagedLog,
  plan: RepairPlan,
): void {
  const { patches = [], order = [] } = restored ?? {};
  const file = `${path}.log`;
  if (patches.length > 0) {
    const where = patches.map(({ position }) => position).join(", ");
    plan.step(file, `batches at ${where} get their damaged headers back: no record is lost`);
    plan.before(directory, async () => {
      const opened = await fs.open(file, "write");
      try {
        for (const { position, header } of patches) await opened.write([header], position);
        await opened.sync();
      } finally {
        await opened.close();
      }
    });
    return;
  }
  plan.step(file, "its batches are put back into their order: no record is lost");
  plan.before(directory, async () => {
    await copyFile(fs, file, `${file}.tmp`, order);
    await fs.rename(`${file}.tmp`, file);
  });
}

/** An index is no evidence: a wrong one is written anew at the end. */
async function planIndexes(
  fs: FileSystem,
  directory: string,
  { path, offsetIndex, timeIndex }: SalvagedLog,
  segment: SegmentState,
  plan: RepairPlan,
): Promise<void> {
  const indexes = [
    { file: `${path}.index`, wanted: offsetIndex, crc: segment.offsetIndexCrc },
    { file: `${path}.timeindex`, wanted: timeIndex, crc: segment.timeIndexCrc },
  ];
  for (const { file, wanted, crc } of indexes) {
    const stored = await fs.readFile(file).catch(() => undefined);
    const isThere = stored !== undefined || wanted.length === 0;
    if (isThere && (stored?.length ?? 0) === wanted.length && crc32c(stored ?? wanted) === crc) continue;
    plan.step(file, "is made anew from its log: no record is affected");
    plan.after(directory, () => writeWhole(fs, file, wanted));
  }
}

function planExcess(
  fs: FileSystem,
  directory: string,
  file: string,
  size: number,
  limit: number,
  plan: RepairPlan,
): void {
  if (size <= limit) return;
  plan.step(file, `${size - limit} bytes beyond the ${limit} that count are cut off`);
  plan.after(directory, () => cut(fs, file, limit));
}

/** The states of what is left of a segment, in order. */
function planPieces(
  fs: FileSystem,
  directory: string,
  found: SalvagedLog,
  segment: SegmentState,
  isLast: boolean,
  plan: RepairPlan,
): SegmentState[] {
  const file = `${found.path}.log`;
  const states: SegmentState[] = [];
  for (const [index, run] of found.runs.entries()) {
    const first = run[0] as IndexedBatch;
    const isBeginning = first.position === 0;
    const isFollowed = !isLast || index < found.runs.length - 1;
    const baseOffset = isBeginning ? segment.baseOffset : first.baseOffset;
    const piece = segmentOf(run, baseOffset, isFollowed);
    states.push(piece.state);
    planPiece(fs, directory, file, run, piece, plan);
  }
  const sum = found.lost.reduce((total, { from, to }) => total + to - from + 1, 0);
  if (found.size < 0) {
    plan.step(file, `is missing: offsets ${segment.baseOffset} to ${segment.nextOffset - 1} are given up`);
  } else {
    plan.step(file, `what cannot be trusted is left out (${sum} offsets), what is good is kept`);
  }
  if (!states.some(({ baseOffset }) => baseOffset === segment.baseOffset)) {
    for (const suffix of [".log", ".index", ".timeindex"]) {
      plan.keep(found.path + suffix);
      plan.after(directory, () => fs.remove(found.path + suffix));
    }
  }
  return states;
}

function planPiece(
  fs: FileSystem,
  directory: string,
  file: string,
  run: readonly IndexedBatch[],
  { state, index }: { readonly state: SegmentState; readonly index: IndexWriter },
  plan: RepairPlan,
): void {
  const path = `${directory}/${segmentName(state.baseOffset)}`;
  const isBeginning = run[0]?.position === 0;
  if (isBeginning) plan.after(directory, () => cut(fs, file, state.logBytes));
  else if (file !== `${path}.log`) plan.before(directory, () => copyFile(fs, file, `${path}.log`, run));
  else {
    // The beginning of the file is lost, and yet the piece has to have its name: once nothing else relies on that.
    plan.before(directory, () => copyFile(fs, file, `${path}.log.tmp`, run));
    plan.after(directory, () => fs.rename(`${path}.log.tmp`, `${path}.log`));
  }
  for (const [suffix, content] of [
    [".index", index.offsetBytes],
    [".timeindex", index.timeBytes],
  ] as const) {
    if (isBeginning || file === `${path}.log`) plan.keep(path + suffix);
    plan.after(directory, () => writeWhole(fs, path + suffix, content));
  }
}

/** What an interrupted checkpoint, or an interrupted repair, has left. */
async function planLeftovers(
  fs: FileSystem,
  directory: string,
  state: PartitionState,
  segments: readonly SegmentState[],
  plan: RepairPlan,
): Promise<void> {
  const known = new Set([...state.segments, ...segments].map(({ baseOffset }) => segmentName(baseOffset)));
  const swaps = new Set(
    state.segments
      .filter(({ swap }) => swap)
      .map(({ baseOffset, rewrite = 0 }) => `${baseOffset}${swapName(rewrite)}`),
  );
  for (const name of (await fs.list(directory)) ?? []) {
    const [, base, , swap] = /^(\d{20})\.(log|index|timeindex)(\.\d+\.swap)?(?:\.tmp)?$/.exec(name) ?? [];
    if (base === undefined || (swap !== undefined && swaps.has(`${Number(base)}${swap}`))) continue;
    if (known.has(base) && swap === undefined && !name.endsWith(".tmp")) continue;
    plan.step(`${directory}/${name}`, "is of no segment that counts, and goes");
    plan.after(directory, () => fs.remove(`${directory}/${name}`));
  }
}

async function cut(fs: FileSystem, path: string, length: number): Promise<void> {
  const file = await fs.open(path, "write");
  try {
    if ((await file.size()) > length) await file.truncate(length);
    await file.sync();
  } finally {
    await file.close();
  }
}
