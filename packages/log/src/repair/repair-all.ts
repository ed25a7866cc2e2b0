// A whole data directory made readable again, without inventing anything: docs/adr/0012. First all is read and planned,
// then done in an order that may be interrupted.
import {
  type CheckpointState,
  checkpointCopyName,
  checkpointName,
  readCheckpoint,
  writeCheckpoint,
} from "../checkpoint/index.js";
import type { Clock } from "../clock.js";
import { LogError } from "../errors.js";
import type { FileSystem } from "../fs/index.js";
import { byLastingNames, giveLastingNames } from "../inspect/lasting-names.js";
import { verifyJournal } from "../inspect/verify-journal.js";
import { RecordBatch } from "../record/index.js";
import { decodeEntries } from "../storage/file/entry.js";
import { planJournal } from "./repair-journal.js";
import { planPartition, type RepairedPartition } from "./repair-partition.js";
import { type LostOffsets, newKeepDirectory, RepairPlan, type RepairStep } from "./repair-plan.js";
import { type SalvagedJournal, salvageJournal } from "./salvage-journal.js";
import { planOffsetFiles } from "./small-files.js";

export interface RepairReport {
  /** What was done, or would be, file by file; empty when there is nothing to repair. */
  readonly steps: readonly RepairStep[];
  /** Which offsets are lost, by partition. */
  readonly lost: readonly LostOffsets[];
  /** What else is lost, in words. */
  readonly losses: readonly string[];
  /** The directory with copies of all files that were changed or removed, as they were before; undefined if none was. */
  readonly kept: string | undefined;
  readonly dryRun: boolean;
}

export interface RepairSettings {
  readonly dryRun: boolean;
  readonly keepDirectory: string | undefined;
}

export async function repairAll(
  fs: FileSystem,
  clock: Clock,
  directory: string,
  { dryRun, keepDirectory }: RepairSettings,
): Promise<RepairReport> {
  if ((await fs.list(directory)) === undefined) throw noLog(directory);
  if (keepDirectory !== undefined && ((await fs.list(keepDirectory)) ?? []).length > 0) {
    const message = `${keepDirectory} holds files already: copies go into an empty or a new directory`;
    throw new LogError("INVALID_ARGUMENT", message, { details: { path: keepDirectory } });
  }
  const lock = await fs.lock(directory);
  try {
    const plan = new RepairPlan();
    const { checkpoint, isChanged } = await planAll(fs, clock, directory, plan, dryRun);
    const hasWork = plan.steps.length > 0;
    const kept = keepDirectory ?? (await newKeepDirectory(fs, clock, directory));
    if (hasWork && !dryRun) {
      await plan.prepare(fs, directory, kept);
      if (isChanged) await writeCheckpoint(fs, directory, checkpoint);
      await plan.finish(fs);
    }
    const { steps, lost, losses } = plan;
    return { steps, lost, losses, kept: hasWork ? kept : undefined, dryRun };
  } finally {
    await lock.release();
  }
}

async function planAll(
  fs: FileSystem,
  clock: Clock,
  directory: string,
  plan: RepairPlan,
  dryRun: boolean,
): Promise<{ checkpoint: CheckpointState; isChanged: boolean }> {
  const { checkpoint, isWhole } = await planCheckpoint(fs, directory, plan);
  if (!dryRun) await giveLastingNames(fs, directory, checkpoint);
  const files = byLastingNames(fs, directory, checkpoint);
  const journal = await salvageIfDamaged(fs, directory, checkpoint);
  const starts = journal.starts;
  const partitions: RepairedPartition[] = [];
  for (const state of checkpoint.partitions)
    partitions.push(
      await planPartition(files, `${directory}/topics`, state, starts.get(state.number) ?? 0, plan),
    );
  await planOffsetFiles(fs, `${directory}/topics`, plan);
  tellLost(partitions, journal.batches, plan);
  const repaired = { ...checkpoint, partitions: partitions.map(({ state }) => state) };
  const isChanged = !isWhole || journal.salvaged !== undefined || partitions.some((one) => one.isChanged);
  if (isChanged && isWhole)
    for (const name of [checkpointName, checkpointCopyName]) plan.keep(`${directory}/${name}`);
  if (journal.salvaged === undefined) return { checkpoint: repaired, isChanged };
  return {
    checkpoint: planJournal(fs, clock, `${directory}/journal`, repaired, journal.salvaged, plan),
    isChanged,
  };
}

/** The checkpoint file, or its copy: one of the two must be good. */
async function planCheckpoint(
  fs: FileSystem,
  directory: string,
  plan: RepairPlan,
): Promise<{ checkpoint: CheckpointState; isWhole: boolean }> {
  const found: Partial<Record<string, CheckpointState>> = {};
  for (const name of [checkpointName, checkpointCopyName]) {
    try {
      const state = await readCheckpoint(fs, directory, name);
      if (state !== undefined) found[name] = state;
    } catch (error) {
      if (!(error instanceof LogError) || error.code !== "CORRUPT_CHECKPOINT") throw error;
    }
  }
  const { [checkpointName]: main, [checkpointCopyName]: copy } = found;
  const path = `${directory}/${checkpointName}`;
  const checkpoint = main ?? copy;
  if (checkpoint === undefined) {
    if (((await fs.list(`${directory}/topics`)) ?? (await fs.list(`${directory}/journal`))) === undefined)
      throw noLog(directory);
    const message = `neither ${path} nor its copy can be read: nothing else says what was acknowledged. Restore one of them from a backup`;
    throw new LogError("CORRUPT_CHECKPOINT", message, { details: { path } });
  }
  if (main === undefined)
    plan.step(path, "is damaged or missing: its copy takes its place, and nothing is lost");
  else if (copy === undefined)
    plan.step(
      `${directory}/${checkpointCopyName}`,
      "is damaged or missing: it is written anew, and nothing is lost",
    );
  return { checkpoint, isWhole: main !== undefined && copy !== undefined };
}

interface JournalFindings {
  /** Undefined for a journal without damage: it stays as it is. */
  readonly salvaged: SalvagedJournal | undefined;
  readonly starts: ReadonlyMap<number, number>;
  /** The offsets of the batches that it holds, by partition number. */
  readonly batches: ReadonlyMap<number, readonly { readonly from: number; readonly to: number }[]>;
}

async function salvageIfDamaged(
  fs: FileSystem,
  directory: string,
  checkpoint: CheckpointState,
): Promise<JournalFindings> {
  const verified = await verifyJournal(fs, directory, checkpoint, () => undefined);
  const salvaged = await salvageJournal(fs, `${directory}/journal`, checkpoint);
  const starts = new Map<number, number>();
  const batches = new Map<number, { from: number; to: number }[]>();
  for (const { payload } of salvaged.blocks) {
    for (const entry of decodeEntries(payload)) {
      if (entry.type === "batch") {
        const { baseOffset, lastOffset } = new RecordBatch(entry.bytes);
        batches.set(entry.number, [
          ...(batches.get(entry.number) ?? []),
          { from: baseOffset, to: lastOffset },
        ]);
      } else if (entry.type === "deleteRecords") {
        starts.set(entry.number, Math.max(entry.before, starts.get(entry.number) ?? 0));
      } else if (entry.type === "deletePartitions") {
        for (const number of entry.numbers) starts.set(number, Number.POSITIVE_INFINITY);
      }
    }
  }
  return { salvaged: verified.findings.damages.length > 0 ? salvaged : undefined, starts, batches };
}

/** What the end of a segment has lost may still be in the journal, which is replayed from there. */
function tellLost(
  partitions: readonly RepairedPartition[],
  batches: JournalFindings["batches"],
  plan: RepairPlan,
): void {
  for (const { state, lost } of partitions) {
    const { topic, partition } = state.name;
    const inJournal = (batches.get(state.number) ?? []).filter(({ from }) => from >= state.recoveryPoint);
    for (const { from, to } of lost) {
      let next = from;
      for (const batch of inJournal) {
        if (batch.from > to || batch.to < next) continue;
        if (batch.from > next)
          plan.lost.push({ topic, partition, from: next, to: batch.from - 1, isUncertain: false });
        next = batch.to + 1;
      }
      if (next <= to) plan.lost.push({ topic, partition, from: next, to, isUncertain: false });
    }
  }
}

function noLog(directory: string): LogError {
  const path = `${directory}/${checkpointName}`;
  return new LogError("IO", `there is no log in ${directory}: ${path} is missing`, { details: { path } });
}
