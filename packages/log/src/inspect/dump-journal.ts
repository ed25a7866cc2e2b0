// A journal file in words: its blocks, what they hold, and which of them still count. Only the checkpoint file beside
// the journal tells the last, so it is read if it is there.
import { type CheckpointState, readCheckpoint } from "../checkpoint/index.js";
import type { FileSystem } from "../fs/index.js";
import { blockHeaderBytes, blockSpan, decodeBlockHeader, pageBytes } from "../journal/index.js";
import { crc32c, RecordBatch } from "../record/index.js";
import { type ControlEntry, decodeEntries } from "../storage/file/entry.js";
import type { ByteWindow } from "./byte-window.js";
import { batchLines, count, type DumpLine, type DumpOptions, damageLine, dumpLine } from "./dump-line.js";

type BlockHeader = NonNullable<ReturnType<typeof decodeBlockHeader>>;

/** Answers undefined when there is none, or none that can be read. */
export async function checkpointBeside(
  fs: FileSystem,
  journalPath: string,
): Promise<CheckpointState | undefined> {
  const directory = journalPath.replace(/[^/\\]*$/, "");
  return readCheckpoint(fs, `${directory}..`).catch(() => undefined);
}

export async function* dumpJournal(
  window: ByteWindow,
  checkpoint: CheckpointState | undefined,
  options: DumpOptions,
): AsyncGenerator<DumpLine, void, void> {
  let previous: BlockHeader | undefined;
  let blocks = 0;
  let skipped = 0;
  const names = new Map(
    checkpoint?.partitions.map(({ number, name }) => [number, `${name.topic}-${name.partition}`]),
  );
  for (let position = 0; position < window.size; ) {
    const header = await headerAt(window, position);
    if (header === undefined || typeof header === "string") {
      if (typeof header === "string") yield damageLine(position, header);
      skipped += Math.min(pageBytes, window.size - position);
      position += pageBytes;
      continue;
    }
    if (skipped > 0) yield restLine(position - skipped, skipped);
    skipped = 0;
    const payload = await window.at(position + blockHeaderBytes, header.payloadBytes);
    const isWhole = payload.length === header.payloadBytes && crc32c(payload) === header.payloadCrc;
    const isLeftover = previous !== undefined && !follows(previous, header);
    const state = !isWhole ? "torn" : isLeftover ? "left over" : stateOf(header, checkpoint);
    const fields = { ...header, state };
    const text = `${position}: block ${header.sequence}, epoch ${header.epoch}, writer ${header.writerId}, synced up to ${header.syncedSequence}, ${header.payloadBytes} bytes: ${explain[state]}`;
    yield dumpLine("block", position, text, fields);
    blocks++;
    if (isWhole) yield* entryLines(payload, position, names, options);
    if (!isLeftover && isWhole) previous = header;
    position += isWhole ? blockSpan(header.payloadBytes) : pageBytes;
  }
  if (skipped > 0) yield restLine(window.size - skipped, skipped);
  yield dumpLine("file", window.size, `${window.size}: end, ${count(blocks, "block")}`, { blocks });
}

const explain = {
  live: "replayed at the next open",
  done: "no longer needed, its content is in segments",
  foreign: "not of a writer that the checkpoint names, so it does not count",
  unknown: "whether it still counts only the checkpoint tells",
  torn: "TORN, its checksum does not match: never acknowledged, or overwritten, or damaged",
  "left over": "left over from the file's earlier life, it does not follow the block before",
} as const;

function stateOf(header: BlockHeader, checkpoint: CheckpointState | undefined): keyof typeof explain {
  if (checkpoint === undefined) return "unknown";
  if (header.sequence < checkpoint.journalStart) return "done";
  const { writers } = checkpoint;
  const index = writers.findIndex(({ writerId }) => writerId === header.writerId);
  const writer = writers[index];
  const isLive =
    writer !== undefined &&
    writer.epoch === header.epoch &&
    header.sequence >= writer.start &&
    writers.slice(index + 1).every(({ start }) => header.sequence < start);
  return isLive ? "live" : "foreign";
}

function follows(previous: BlockHeader, header: BlockHeader): boolean {
  return header.sequence === previous.sequence + 1 && header.epoch >= previous.epoch;
}

/** A string says what is wrong with it. */
async function headerAt(window: ByteWindow, position: number): Promise<BlockHeader | string | undefined> {
  try {
    return decodeBlockHeader(await window.at(position, blockHeaderBytes));
  } catch (error) {
    return (error as Error).message;
  }
}

function restLine(position: number, bytes: number): DumpLine {
  const text = `${position}: ${bytes} bytes without a block: zeros, or the rest of blocks that were overwritten`;
  return dumpLine("note", position, text, { bytes });
}

function* entryLines(
  payload: Buffer,
  position: number,
  names: ReadonlyMap<number, string>,
  options: DumpOptions,
): Generator<DumpLine, void, void> {
  try {
    for (const entry of decodeEntries(payload)) {
      if (entry.type !== "batch") {
        yield dumpLine("entry", position, `  ${inWords(entry)}`, { ...entry });
        continue;
      }
      const { number, previousEnd, bytes } = entry;
      const name = names.get(number) ?? `partition number ${number}`;
      const text = `  append to ${name}, which ended at ${previousEnd}:`;
      yield dumpLine("entry", position, text, { type: "batch", number, previousEnd, bytes: bytes.length });
      yield* batchLines(bytes, position, problemOf(bytes), options, "    ");
    }
  } catch (error) {
    yield damageLine(position, (error as Error).message);
  }
}

function problemOf(bytes: Buffer): string | undefined {
  try {
    new RecordBatch(bytes).verify();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function inWords(entry: ControlEntry): string {
  switch (entry.type) {
    case "createPartitions": {
      const names = entry.partitions.map(
        ({ topic, partition, number }) => `${topic}-${partition} as number ${number}`,
      );
      const { segmentBytes, segmentMs } = entry.config;
      return `create ${names.join(", ")}, segments of ${segmentBytes} bytes and ${segmentMs} ms`;
    }
    case "deletePartitions":
      return `delete the partitions with the numbers ${entry.numbers.join(", ")}`;
    case "deleteRecords":
      return `delete records before ${entry.before} of partition number ${entry.number}`;
    case "metadata":
      return entry.value === null
        ? `delete metadata ${entry.key}`
        : `metadata ${entry.key}, version ${entry.version}: ${entry.value}`;
    default:
      return "an entry that this version does not know";
  }
}
