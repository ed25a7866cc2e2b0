// Appends a file line by line: what the demo's writer does until it is killed, and the demo itself afterwards.
import { open } from "node:fs/promises";
import type { Topic } from "@strandlog/log";

const chunkBytes = 1024 * 1024;
const newline = 10;

/** Told whenever another part of the file is acknowledged: durable, whatever happens next. */
export type OnAcknowledged = (lines: number, position: number) => void;

/** Reads `file` from a position on; settles when all its lines are acknowledged. The file ends with a newline. */
export async function appendLines(
  topic: Topic,
  file: string,
  position: number,
  onAcknowledged: OnAcknowledged,
): Promise<void> {
  const input = await open(file);
  let previous: Promise<void> = Promise.resolve();
  try {
    for (let at = position; ; ) {
      const { buffer, bytesRead } = await input.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes, at);
      const end = buffer.subarray(0, bytesRead).lastIndexOf(newline) + 1;
      if (end === 0) break;
      at += end;
      const receipts = [];
      for (let start = 0; start < end; ) {
        const lineEnd = buffer.indexOf(newline, start);
        receipts.push(topic.append({ value: buffer.subarray(start, lineEnd) }));
        start = lineEnd + 1;
      }
      const reached = at;
      const acknowledged = Promise.all(receipts).then(() => onAcknowledged(receipts.length, reached));
      // One chunk is being made durable while the next one is read and appended.
      await previous;
      previous = acknowledged;
    }
    await previous;
  } finally {
    await input.close();
  }
}
