// The small files that are text: the checkpoint, and those that are there for Kafka's tools.
import { type CheckpointState, checkpointShape, decodeCheckpoint } from "../checkpoint/index.js";
import type { PartitionState } from "../partition/index.js";
import { count, type DumpLine, damageLine, dumpLine, timeText } from "./dump-line.js";

export function* dumpCheckpoint(path: string, content: Buffer): Generator<DumpLine, void, void> {
  const { state, problem } = decode(path, content);
  if (problem !== undefined) yield damageLine(0, problem);
  if (state === undefined) return;
  const { logId, writers, journalStart, nextPartitionNumber, metadata, partitions } = state;
  const head = `log ${logId}: the journal counts from block ${journalStart} on, the next partition gets number ${nextPartitionNumber}`;
  yield dumpLine("line", 0, head, { logId, journalStart, nextPartitionNumber });
  for (const { epoch, writerId, start } of writers) {
    const text = `writer ${writerId}, epoch ${epoch}: its journal blocks count from ${start} on`;
    yield dumpLine("line", 0, text, { epoch, writerId, start });
  }
  for (const { key, version, value } of metadata) {
    yield dumpLine("line", 0, `metadata ${key}, version ${version}: ${value}`, { key, version, value });
  }
  for (const partition of partitions) yield* partitionLines(partition);
  yield dumpLine("file", content.length, `end, ${count(partitions.length, "partition")}`, {
    partitions: partitions.length,
  });
}

/** What can be read, even when the checksum says that it is not what was written. */
function decode(
  path: string,
  content: Buffer,
): { state: CheckpointState | undefined; problem: string | undefined } {
  let problem: string | undefined;
  try {
    return { state: decodeCheckpoint(path, content), problem };
  } catch (error) {
    problem = (error as Error).message;
  }
  try {
    const body: unknown = JSON.parse(content.toString("utf8", content.indexOf(10) + 1));
    const isUsable = checkpointShape(body) === undefined;
    return { state: isUsable ? (body as CheckpointState) : undefined, problem };
  } catch {
    return { state: undefined, problem };
  }
}

function* partitionLines(partition: PartitionState): Generator<DumpLine, void, void> {
  const { name, number, logStartOffset, recoveryPoint, segments, leaderEpochs } = partition;
  const epochs = leaderEpochs.map(([epoch, start]) => `${epoch} from ${start}`).join(", ");
  const text = `${name.topic}-${name.partition}, number ${number}: starts at ${logStartOffset}, in segments up to ${recoveryPoint}, epochs ${epochs || "none"}`;
  yield dumpLine("line", 0, text, {
    topic: name.topic,
    partition: name.partition,
    number,
    logStartOffset,
    recoveryPoint,
  });
  for (const { baseOffset, nextOffset, logBytes, index, offsetIndexBytes, timeIndexBytes } of segments) {
    const latest = index.maxTimestamp < 0 ? "" : `, latest ${timeText(index.maxTimestamp)}`;
    const sizes = `${logBytes} bytes, indexes ${offsetIndexBytes} and ${timeIndexBytes}${latest}`;
    const fields = { baseOffset, nextOffset, logBytes, offsetIndexBytes, timeIndexBytes };
    yield dumpLine("line", 0, `  segment from ${baseOffset} to before ${nextOffset}, ${sizes}`, fields);
  }
}

export function* dumpLeaderEpochs(content: Buffer): Generator<DumpLine, void, void> {
  yield* dumpLines(content, /^(\d+) (\d+)$/, "epoch and offset", ([, epoch, start]) => ({
    text: `epoch ${epoch} begins at offset ${start}`,
    fields: { epoch: Number(epoch), startOffset: Number(start) },
  }));
}

/** One of the files that a clean close leaves for Kafka: an offset of each partition. */
export function* dumpOffsets(content: Buffer): Generator<DumpLine, void, void> {
  yield* dumpLines(
    content,
    /^(\S+) (\d+) (\d+)$/,
    "partition and offset",
    ([, topic, partition, offset]) => ({
      text: `${topic}-${partition}: ${offset}`,
      fields: { topic, partition: Number(partition), offset: Number(offset) },
    }),
  );
}

type Described = Pick<DumpLine, "text" | "fields">;

/** `0`, the number of lines, then the lines. */
function* dumpLines(
  content: Buffer,
  pattern: RegExp,
  expected: string,
  describe: (match: RegExpExecArray) => Described,
): Generator<DumpLine, void, void> {
  const lines = content.toString("latin1").split("\n");
  const claimed = Number(lines[1]);
  let position = (lines[0]?.length ?? 0) + (lines[1]?.length ?? 0) + 2;
  if (lines[0] !== "0") yield damageLine(0, `its version is ${JSON.stringify(lines[0])}, not 0`);
  let found = 0;
  for (const line of lines.slice(2, -1)) {
    const match = pattern.exec(line);
    if (match === null) yield damageLine(position, `${JSON.stringify(line)} is no ${expected}`);
    else {
      found++;
      const { text, fields } = describe(match);
      yield dumpLine("line", position, `${position}: ${text}`, fields);
    }
    position += line.length + 1;
  }
  if (lines.at(-1) !== "") yield damageLine(content.length, "its last line does not end");
  if (found !== claimed) yield damageLine(0, `it claims ${claimed} lines and holds ${found}`);
}

export function* dumpPartitionMetadata(content: Buffer): Generator<DumpLine, void, void> {
  const text = content.toString("utf8");
  const [, topicId] = /^version: 0\ntopic_id: ([\w-]+)\n?$/.exec(text) ?? [];
  if (topicId === undefined)
    yield damageLine(0, `it should hold a version and a topic id: ${JSON.stringify(text)}`);
  else yield dumpLine("line", 0, `version 0, topic id ${topicId}`, { version: 0, topicId });
}
