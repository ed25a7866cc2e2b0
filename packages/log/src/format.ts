// The door for inspectors: any of our files in words, and a whole directory checked, beside a live writer, without a
// lock and without a write; and a directory repaired that nobody has open. Called by the command line; the engine itself does not need it.
import { type Clock, systemClock } from "./clock.js";
import { type FileSystem, nodeFileSystem } from "./fs/index.js";
import { dumpOneFile } from "./inspect/dump-file.js";
import type { DumpLine, DumpOptions } from "./inspect/dump-line.js";
import type { VerifyProgress, VerifyReport } from "./inspect/findings.js";
import { verifyAll } from "./inspect/verify-all.js";
import { type RepairReport, repairAll } from "./repair/repair-all.js";

export type { DumpLine } from "./inspect/dump-line.js";
export type { Damage, DamageCode, VerifyNote, VerifyProgress, VerifyReport } from "./inspect/findings.js";
export type { RepairReport } from "./repair/repair-all.js";
export type { LostOffsets, RepairStep } from "./repair/repair-plan.js";

export interface DumpFileOptions extends DumpOptions {
  /** Another disk than the real one, for tests. */
  readonly fileSystem?: FileSystem;
}

export interface VerifyOptions {
  /** Told every few megabytes. */
  readonly onProgress?: (progress: VerifyProgress) => void;
  /** Another disk than the real one, for tests. */
  readonly fileSystem?: FileSystem;
}

/**
 * Any of Strandlog's files, line by line, in words and as fields: .log, .index, .timeindex, .journal, checkpoint,
 * leader-epoch-checkpoint, partition.metadata, Kafka's offset checkpoints. What is bad in it becomes a line of kind "damage" and the dump goes on.
 *
 * @throws LogError INVALID_ARGUMENT for a file that is none of these by its name, IO.
 */
export function dumpFile(path: string, options: DumpFileOptions = {}): AsyncIterable<DumpLine> {
  const { fileSystem = nodeFileSystem, ...rest } = options;
  return dumpOneFile(fileSystem, path, rest);
}

/**
 * Reads all that the checkpoint says a log's directory holds: checkpoint, journal, segments, indexes. Damage is listed
 * in the report and does not stop the run.
 *
 * @throws LogError IO when there is no log, UNSUPPORTED_VERSION when a newer version wrote it.
 */
export function verifyDirectory(directory: string, options: VerifyOptions = {}): Promise<VerifyReport> {
  const { fileSystem = nodeFileSystem, onProgress = () => undefined } = options;
  return verifyAll(fileSystem, directory.replace(/(?<=.)[/\\]+$/, ""), onProgress);
}

export interface RepairOptions {
  /** Change nothing, only tell what would be done. Default false. */
  readonly dryRun?: boolean;
  /** Where copies of all that is changed or removed go. Default: `removed-<time>` in the log's directory. */
  readonly keepDirectory?: string;
  /** Another disk than the real one, for tests. */
  readonly fileSystem?: FileSystem;
  /** Another clock, for tests. */
  readonly clock?: Clock;
}

/**
 * Makes a damaged log openable and readable again: leaves out what cannot be trusted, keeps all that is good, and tells
 * which offsets are lost. Nothing is changed before a copy of it is durable; what was interrupted can be run again.
 *
 * @throws LogError LOCKED while somebody has the log open, CORRUPT_CHECKPOINT when neither the checkpoint file nor its copy can
 *   be read, UNSUPPORTED_VERSION, IO, DISK_FULL.
 */
export function repairDirectory(directory: string, options: RepairOptions = {}): Promise<RepairReport> {
  const { dryRun = false, keepDirectory, fileSystem = nodeFileSystem, clock = systemClock } = options;
  const path = directory.replace(/(?<=.)[/\\]+$/, "");
  return repairAll(fileSystem, clock, path, { dryRun, keepDirectory });
}
