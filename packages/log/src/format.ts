// The door for inspectors: any of our files in words, and a whole directory checked. It reads beside a live writer,
// takes no lock and writes nothing. Called by the command line; the engine itself does not need it.
import { type FileSystem, nodeFileSystem } from "./fs/index.js";
import { dumpOneFile } from "./inspect/dump-file.js";
import type { DumpLine, DumpOptions } from "./inspect/dump-line.js";
import type { VerifyProgress, VerifyReport } from "./inspect/findings.js";
import { verifyAll } from "./inspect/verify-all.js";

export type { DumpLine } from "./inspect/dump-line.js";
export type { Damage, DamageCode, VerifyNote, VerifyProgress, VerifyReport } from "./inspect/findings.js";

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
