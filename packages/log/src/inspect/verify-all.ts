// A whole data directory against itself, without a lock and without a write, also beside a live writer.
import {
  type CheckpointState,
  checkpointCopyName,
  checkpointName,
  readCheckpoint,
} from "../checkpoint/index.js";
import { LogError } from "../errors.js";
import type { FileSystem } from "../fs/index.js";
import type { PartitionState } from "../partition/index.js";
import type { SegmentState } from "../segment/index.js";
import { Findings, missingFile, type VerifyProgress, type VerifyReport } from "./findings.js";
import { byLastingNames } from "./lasting-names.js";
import { verifyJournal } from "./verify-journal.js";
import { noteLeftovers } from "./verify-leftovers.js";
import { verifySegment } from "./verify-segment.js";

const progressEveryBytes = 4 * 1024 * 1024;

export async function verifyAll(
  fs: FileSystem,
  directory: string,
  onProgress: (progress: VerifyProgress) => void,
): Promise<VerifyReport> {
  const findings = new Findings();
  const checkpoint = await checkpointOf(fs, directory, findings);
  const topics = `${directory}/topics`;
  let bytes = 0;
  let told = 0;
  let bytesTotal = checkpoint === undefined ? 0 : sizeOf(checkpoint);
  const onBytes = (file: string, count: number): void => {
    bytes += count;
    if (bytes - told < progressEveryBytes) return;
    told = bytes;
    bytesTotal = Math.max(bytesTotal, bytes);
    onProgress({ file, bytes, bytesTotal });
  };

  await verifyCopy(fs, directory, findings);
  if (checkpoint === undefined) await verifyWithoutCheckpoint(fs, topics, findings, onBytes);
  else {
    const journal = await verifyJournal(fs, directory, checkpoint, onBytes);
    findings.add(journal.findings);
    for (const partition of journal.checkpoint.partitions) {
      const start = journal.starts.get(partition.number) ?? 0;
      await verifyPartition(fs, directory, partition, start, findings, onBytes);
    }
    await noteLeftovers(fs, directory, (await readCheckpoint(fs, directory)) ?? checkpoint, findings);
  }
  return { ...findings.counts, damages: findings.damages, notes: findings.notes, bytes };
}

async function checkpointOf(
  fs: FileSystem,
  directory: string,
  findings: Findings,
): Promise<CheckpointState | undefined> {
  const path = `${directory}/${checkpointName}`;
  try {
    const checkpoint = await readCheckpoint(fs, directory);
    if (checkpoint !== undefined) return checkpoint;
  } catch (error) {
    findings.error(path, "CORRUPT_CHECKPOINT", error);
    return undefined;
  }
  const inside = [
    ...((await fs.list(`${directory}/topics`)) ?? []),
    ...((await fs.list(`${directory}/journal`)) ?? []),
  ];
  if (inside.length === 0) {
    throw new LogError("IO", `there is no log in ${directory}: ${path} is missing`, { details: { path } });
  }
  findings.damage(path, 0, "CORRUPT_CHECKPOINT", "the file is missing");
  return undefined;
}

/** Opening does not need it, a repair may. It is replaced as a whole, also by a live writer. */
async function verifyCopy(fs: FileSystem, directory: string, findings: Findings): Promise<void> {
  const path = `${directory}/${checkpointCopyName}`;
  try {
    const copy = await readCheckpoint(fs, directory, checkpointCopyName);
    if (copy === undefined) findings.damage(path, 0, "CORRUPT_CHECKPOINT", missingFile);
  } catch (error) {
    findings.error(path, "CORRUPT_CHECKPOINT", error);
  }
}

/** `start` is where the journal says that the partition starts: what lies before that is deleted, or about to be. */
async function verifyPartition(
  fs: FileSystem,
  directory: string,
  partition: PartitionState,
  start: number,
  findings: Findings,
  onBytes: (file: string, bytes: number) => void,
): Promise<void> {
  const { name, number, segments, recoveryPoint, logStartOffset } = partition;
  const path = `${directory}/topics/${name.topic}-${name.partition}`;
  findings.counts.partitions++;
  let end = 0;
  for (const segment of segments) {
    if (segment.nextOffset <= start) {
      end = segment.nextOffset;
      continue;
    }
    const part = new Findings();
    if (segment.baseOffset < end) {
      const what = `${name.topic}-${name.partition}: the segment from ${segment.baseOffset} overlaps the one before it, which ends before ${end}`;
      part.damage(`${directory}/${checkpointName}`, 0, "CORRUPT_CHECKPOINT", what);
    }
    const files = byLastingNames(fs, directory, { partitions: [partition] });
    await verifySegment(files, path, segment.baseOffset, segment, part, onBytes, partition.leaderEpochs);
    end = segment.nextOffset;
    // A writer may have deleted or compacted the segment while it was being looked at.
    if (part.damages.length === 0 || (await hasSegment(fs, directory, number, segment))) findings.add(part);
  }
  if (end < recoveryPoint && logStartOffset < recoveryPoint) {
    const what = `${name.topic}-${name.partition} should be in segments up to ${recoveryPoint}, but they end at ${end}`;
    const offsets = { from: Math.max(end, logStartOffset), to: recoveryPoint - 1 };
    findings.damage(`${directory}/${checkpointName}`, 0, "CORRUPT_CHECKPOINT", what, offsets);
  }
}

/** Whether checkpoint and journal, as they are now, say that the segment should be there as it was. */
async function hasSegment(
  fs: FileSystem,
  directory: string,
  number: number,
  { baseOffset, rewrite }: SegmentState,
): Promise<boolean> {
  const now = await readCheckpoint(fs, directory).catch(() => undefined);
  if (now === undefined) return true;
  const { checkpoint, starts } = await verifyJournal(fs, directory, now, () => undefined);
  const partition = checkpoint.partitions.find((state) => state.number === number);
  const segment = partition?.segments.find(
    (state) => state.baseOffset === baseOffset && state.rewrite === rewrite,
  );
  return segment !== undefined && segment.nextOffset > (starts.get(number) ?? 0);
}

/** Nothing says how much of each file counts; whatever is there should at least read as batches. */
async function verifyWithoutCheckpoint(
  fs: FileSystem,
  topics: string,
  findings: Findings,
  onBytes: (file: string, bytes: number) => void,
): Promise<void> {
  for (const name of (await fs.list(topics)) ?? []) {
    if (!/-\d+$/.test(name)) continue;
    findings.counts.partitions++;
    for (const file of (await fs.list(`${topics}/${name}`)) ?? []) {
      const [, base] = /^(\d{20})\.log$/.exec(file) ?? [];
      if (base === undefined) continue;
      await verifySegment(fs, `${topics}/${name}`, Number(base), undefined, findings, onBytes);
    }
  }
}

function sizeOf({ partitions }: CheckpointState): number {
  let bytes = 0;
  for (const { segments } of partitions) for (const { logBytes } of segments) bytes += logBytes;
  return bytes;
}
