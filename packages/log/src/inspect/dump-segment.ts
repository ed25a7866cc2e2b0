// A segment's three files in words.
import { readInt64 } from "../record/index.js";
import { offsetEntryBytes, timeEntryBytes } from "../segment/segment-index.js";
import { headerOf, walkBatches } from "./batch-walk.js";
import type { ByteWindow } from "./byte-window.js";
import {
  batchLines,
  count,
  type DumpLine,
  type DumpOptions,
  damageLine,
  dumpLine,
  timeText,
} from "./dump-line.js";

export async function* dumpLog(
  window: ByteWindow,
  baseOffset: number,
  options: DumpOptions,
): AsyncGenerator<DumpLine, void, void> {
  let batches = 0;
  let records = 0;
  let expected = baseOffset;
  for await (const item of walkBatches(window, 0, window.size)) {
    if (item.kind === "garbage") {
      yield damageLine(item.position, item.what, { bytes: item.length });
      continue;
    }
    const header = headerOf(item.bytes);
    if (item.problem === undefined && header !== undefined) {
      batches++;
      records += header.recordCount;
      if (header.baseOffset < expected) {
        yield damageLine(item.position, `offset ${header.baseOffset} comes where ${expected} or more should`);
      } else if (header.baseOffset > expected) {
        const text = `${item.position}: offsets ${expected} to ${header.baseOffset - 1} are not there`;
        yield dumpLine("note", item.position, text, { from: expected, next: header.baseOffset });
      }
      expected = header.lastOffset + 1;
    }
    yield* batchLines(item.bytes, item.position, item.problem, options);
  }
  const text = `${window.size}: end, ${count(batches, "good batch").replace("batchs", "batches")}, ${count(records, "record")}, next offset ${expected}`;
  yield dumpLine("file", window.size, text, { batches, records, nextOffset: expected });
}

export async function* dumpOffsetIndex(
  window: ByteWindow,
  baseOffset: number,
): AsyncGenerator<DumpLine, void, void> {
  let last = { offset: -1, position: -1 };
  for (let at = 0; at + offsetEntryBytes <= window.size; at += offsetEntryBytes) {
    const entry = await window.at(at, offsetEntryBytes);
    const offset = baseOffset + entry.readInt32BE(0);
    const position = entry.readInt32BE(4);
    yield dumpLine("index", at, `${at}: offset ${offset} is in the batch at ${position}`, {
      offset,
      position,
    });
    if (offset <= last.offset || position <= last.position) {
      yield damageLine(at, "an entry does not lie beyond the one before it");
    }
    last = { offset, position };
  }
  yield* remainder(window, offsetEntryBytes);
}

export async function* dumpTimeIndex(
  window: ByteWindow,
  baseOffset: number,
): AsyncGenerator<DumpLine, void, void> {
  let last = { timestamp: -1, offset: -1 };
  for (let at = 0; at + timeEntryBytes <= window.size; at += timeEntryBytes) {
    const entry = await window.at(at, timeEntryBytes);
    let timestamp: number;
    try {
      timestamp = readInt64(entry, 0);
    } catch (error) {
      yield damageLine(at, (error as Error).message);
      continue;
    }
    const offset = baseOffset + entry.readInt32BE(8);
    const text = `${at}: no timestamp up to offset ${offset} is later than ${timeText(timestamp)}`;
    yield dumpLine("time", at, text, { timestamp, offset });
    if (timestamp <= last.timestamp || offset < last.offset) {
      yield damageLine(at, "an entry does not lie beyond the one before it");
    }
    last = { timestamp, offset };
  }
  yield* remainder(window, timeEntryBytes);
}

function* remainder({ size }: ByteWindow, entryBytes: number): Generator<DumpLine, void, void> {
  const whole = Math.floor(size / entryBytes);
  const left = size % entryBytes;
  if (left > 0) yield damageLine(size - left, `${left} bytes are left over after the last whole entry`);
  const text = `${size}: end, ${count(whole, "entry").replace("entrys", "entries")}`;
  yield dumpLine("file", size, text, { entries: whole });
}
