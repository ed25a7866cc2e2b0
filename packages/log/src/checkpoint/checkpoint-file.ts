// The one file that says what counts: which journal blocks, how much of each segment, which topics. Replaced as a
// whole (write, sync, rename, sync the directory), checked by a checksum when read. Layout: docs/format/checkpoint.md.
import { LogError } from "../errors.js";
import { type FileSystem, replaceFile } from "../fs/index.js";
import type { WriterEpoch } from "../journal/index.js";
import type { PartitionState } from "../partition/index.js";
import { crc32c } from "../record/index.js";
import { parseShaped } from "../shapes.js";
import type { MetadataEntry } from "../storage/contracts.js";
import { checkpointShape } from "./checkpoint-shape.js";

export const checkpointName = "checkpoint";
/** The same bytes once more. Opening never reads it; a repair does, when the checkpoint file is damaged. */
export const checkpointCopyName = "checkpoint-copy";
const word = "strandlog-checkpoint";
const formatVersion = 1;

export interface CheckpointState {
  readonly logId: string;
  /** Whose journal blocks count, oldest first. */
  readonly writers: readonly WriterEpoch[];
  /** The journal is scanned from this block on. */
  readonly journalStart: number;
  readonly nextPartitionNumber: number;
  readonly metadata: readonly MetadataEntry[];
  readonly partitions: readonly PartitionState[];
}

/** One line of text: word, version, checksum and length of what follows; then the state as JSON. */
export function encodeCheckpoint(state: CheckpointState): Buffer {
  const body = Buffer.from(`${JSON.stringify(state)}\n`);
  const crc = checksum(body, formatVersion);
  return Buffer.concat([Buffer.from(`${word} ${formatVersion} ${crc} ${body.length}\n`), body]);
}

/** It begins at the version, less one, so that a damaged version digit is not taken for a newer format. */
function checksum(body: Buffer, version: number): string {
  return crc32c(body, version - 1)
    .toString(16)
    .padStart(8, "0");
}

export function decodeCheckpoint(path: string, content: Buffer): CheckpointState {
  const lineEnd = content.indexOf(10);
  const [first, version, crc, length] = content.toString("latin1", 0, Math.max(lineEnd, 0)).split(" ");
  if (first !== word) throw damaged(path, "it does not begin as a checkpoint does");
  const body = content.subarray(lineEnd + 1);
  const isVersion = /^[1-9]\d{0,3}$/.test(version ?? "");
  if (!isVersion) throw damaged(path, "its version is not a number that was ever used");
  if (String(body.length) !== length)
    throw damaged(path, `it holds ${body.length} bytes instead of ${length}`);
  if (checksum(body, Number(version)) !== crc) throw damaged(path, "its checksum does not match");
  if (Number(version) > formatVersion) {
    const message = `${path} has format version ${version}, this program knows ${formatVersion}: use a newer Strandlog`;
    throw new LogError("UNSUPPORTED_VERSION", message, { details: { path, version: Number(version) } });
  }
  return parseShaped(body.toString("utf8"), checkpointShape, (what, cause) => damaged(path, what, cause));
}

export async function readCheckpoint(
  fs: FileSystem,
  directory: string,
  name: string = checkpointName,
): Promise<CheckpointState | undefined> {
  const path = `${directory}/${name}`;
  const content = await fs.readFile(path);
  return content === undefined ? undefined : decodeCheckpoint(path, content);
}

/** The copy comes first, so that it is never older than the file itself. */
export async function writeCheckpoint(
  fs: FileSystem,
  directory: string,
  state: CheckpointState,
): Promise<void> {
  const content = encodeCheckpoint(state);
  await replaceFile(fs, directory, checkpointCopyName, content);
  await replaceFile(fs, directory, checkpointName, content);
}

function damaged(path: string, what: string, cause?: unknown): LogError {
  return new LogError("CORRUPT_CHECKPOINT", `${path} is damaged: ${what}`, { cause, details: { path } });
}
