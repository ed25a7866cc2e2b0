// Any of our files in words, told apart by name.
import { checkpointCopyName, checkpointName, kafkaOffsetFiles } from "../checkpoint/index.js";
import { LogError } from "../errors.js";
import type { FileSystem } from "../fs/index.js";
import { ByteWindow } from "./byte-window.js";
import { checkpointBeside, dumpJournal } from "./dump-journal.js";
import type { DumpLine, DumpOptions } from "./dump-line.js";
import { dumpLog, dumpOffsetIndex, dumpTimeIndex } from "./dump-segment.js";
import { dumpCheckpoint, dumpLeaderEpochs, dumpOffsets, dumpPartitionMetadata } from "./dump-text.js";

const textDumps: Readonly<Record<string, (path: string, content: Buffer) => Iterable<DumpLine>>> = {
  [checkpointName]: dumpCheckpoint,
  [`${checkpointName}.tmp`]: dumpCheckpoint,
  [checkpointCopyName]: dumpCheckpoint,
  "leader-epoch-checkpoint": (_, content) => dumpLeaderEpochs(content),
  "partition.metadata": (_, content) => dumpPartitionMetadata(content),
  ...Object.fromEntries(
    kafkaOffsetFiles.map((name) => [name, (_: string, content: Buffer) => dumpOffsets(content)]),
  ),
};

/** The whole file, line by line. What is bad in it becomes a line of kind "damage"; only I/O errors are thrown. */
export async function* dumpOneFile(
  fs: FileSystem,
  path: string,
  options: DumpOptions,
): AsyncGenerator<DumpLine, void, void> {
  const name = path.replace(/^.*[/\\]/, "");
  const asText = textDumps[name];
  const [, base, suffix] = /^(\d+)\.(log|index|timeindex|journal)$/.exec(name) ?? [];
  if (asText === undefined && suffix === undefined) {
    const message = `${path} is none of Strandlog's files by its name: give a .log, .index, .timeindex or .journal file, a checkpoint, …-offset-checkpoint, leader-epoch-checkpoint or partition.metadata`;
    throw new LogError("INVALID_ARGUMENT", message, { details: { path } });
  }
  const file = await fs.open(path, "read");
  try {
    const window = new ByteWindow(file, await file.size());
    if (asText !== undefined) yield* asText(path, await window.at(0, window.size));
    else if (suffix === "log") yield* dumpLog(window, Number(base), options);
    else if (suffix === "index") yield* dumpOffsetIndex(window, Number(base));
    else if (suffix === "timeindex") yield* dumpTimeIndex(window, Number(base));
    else yield* dumpJournal(window, await checkpointBeside(fs, path), options);
  } finally {
    await file.close();
  }
}
