import { RecordBatch } from "../record/index.js";
import { headerOf } from "./batch-walk.js";

/** One line of a dump: the same as structured fields and in words. */
export interface DumpLine {
  readonly kind:
    | "file"
    | "batch"
    | "record"
    | "index"
    | "time"
    | "block"
    | "entry"
    | "line"
    | "note"
    | "damage";
  /** Where it stands in the file, in bytes. */
  readonly position: number;
  readonly text: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface DumpOptions {
  /** The records inside the batches as well. Default false. */
  readonly records?: boolean;
}

export function dumpLine(
  kind: DumpLine["kind"],
  position: number,
  text: string,
  fields: DumpLine["fields"] = {},
): DumpLine {
  return { kind, position, text, fields };
}

export function damageLine(position: number, what: string, fields: DumpLine["fields"] = {}): DumpLine {
  return { kind: "damage", position, text: `${position}: DAMAGED: ${what}`, fields: { what, ...fields } };
}

/** A batch in words, and a line for each of its records if wished. */
export function* batchLines(
  bytes: Buffer,
  position: number,
  problem: string | undefined,
  { records = false }: DumpOptions,
  indent = "",
): Generator<DumpLine, void, void> {
  const batch = new RecordBatch(bytes);
  const header = headerOf(bytes);
  if (header === undefined || problem !== undefined) {
    const claim =
      header === undefined ? {} : { baseOffset: header.baseOffset, lastOffset: header.lastOffset };
    const where = header === undefined ? "" : ` (its header says offsets ${span(header)})`;
    yield damageLine(position, `batch of ${bytes.length} bytes${where}: ${problem ?? "no header"}`, claim);
    return;
  }
  const { fields, text } = describeBatch(batch);
  yield dumpLine("batch", position, `${indent}${position}: batch, ${text}`, fields);
  if (records) yield* recordLines(batch, position, `${indent}  `);
}

function* recordLines(batch: RecordBatch, position: number, indent: string): Generator<DumpLine, void, void> {
  try {
    for (const record of batch.records()) {
      const { offset, timestamp, key, value, headers } = record;
      const named = headers.map(([name, content]) => `${name}=${bytesText(content)}`);
      const fields = {
        offset,
        timestamp,
        key: bytesText(key),
        value: bytesText(value),
        ...(named.length === 0 ? {} : { headers: named }),
      };
      const keyText = key === null ? "" : ` key ${bytesText(key)}`;
      const headerText = named.length === 0 ? "" : ` headers ${named.join(" ")}`;
      const text = `${indent}offset ${offset}, ${timeText(timestamp)}${keyText}${headerText} value ${bytesText(value)}`;
      yield dumpLine("record", position, text, fields);
    }
  } catch (error) {
    yield damageLine(position, `its records do not decode: ${(error as Error).message}`);
  }
}

function describeBatch(batch: RecordBatch): { fields: DumpLine["fields"]; text: string } {
  const { baseOffset, lastOffset, recordCount, partitionLeaderEpoch, maxTimestamp } = batch;
  const compression = safely(() => batch.compression) ?? "unknown compression";
  const marks = [
    compression === "none" ? undefined : compression,
    batch.isTransactional ? "transactional" : undefined,
    batch.isControl ? "control" : undefined,
    batch.timestampType === "append" ? "append time" : undefined,
    safely(() => batch.producerId) === -1 ? undefined : `producer ${safely(() => batch.producerId)}`,
  ].filter((mark) => mark !== undefined);
  const fields = {
    baseOffset,
    lastOffset,
    recordCount,
    bytes: batch.bytes.length,
    partitionLeaderEpoch,
    maxTimestamp,
    compression,
    marks,
  };
  const markText = marks.length === 0 ? "" : `, ${marks.join(", ")}`;
  const text = `offsets ${span(batch)}, ${count(recordCount, "record")}, ${batch.bytes.length} bytes, epoch ${partitionLeaderEpoch}, latest ${timeText(maxTimestamp)}${markText}`;
  return { fields, text };
}

function span({ baseOffset, lastOffset }: { baseOffset: number; lastOffset: number }): string {
  return baseOffset === lastOffset ? `${baseOffset}` : `${baseOffset} to ${lastOffset}`;
}

export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

export function timeText(timestamp: number): string {
  return Math.abs(timestamp) <= 8.64e15 ? new Date(timestamp).toISOString() : `time ${timestamp}`;
}

/** As a quoted string where the bytes are text, else in hexadecimal. */
function bytesText(bytes: Buffer | null): string | null {
  if (bytes === null) return null;
  const text = bytes.toString("utf8");
  return Buffer.from(text).equals(bytes) ? JSON.stringify(text) : `0x${bytes.toString("hex")}`;
}

function safely<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
