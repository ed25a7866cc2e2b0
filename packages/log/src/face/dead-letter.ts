// Where records go that nobody can deal with: another topic, with headers that tell where they come from and why.
import { LogError } from "../errors.js";
import type { Bytes, LogRecord } from "../record/index.js";
import type { RecordInput } from "./forming.js";

/** A topic, as far as parking is concerned. */
export interface DeadLetterTopic {
  append(record: RecordInput): Promise<unknown>;
}

/** Settles when the records are durable there. */
export async function park(
  topic: DeadLetterTopic,
  source: string,
  records: readonly LogRecord[],
  error: unknown,
): Promise<void> {
  const why = error instanceof Error ? error.message : String(error);
  await Promise.all(
    records.map(({ key, value, timestamp, partition, offset, headers }) => {
      const own: Record<string, Bytes | null> = Object.fromEntries(headers);
      own["deadletter.topic"] = source;
      own["deadletter.partition"] = `${partition}`;
      own["deadletter.offset"] = `${offset}`;
      own["deadletter.error"] = why.slice(0, 1000);
      const parked = { key, value, timestamp };
      return topic.append({ ...parked, headers: own }).catch((refusal: unknown) => {
        // There may be room for the record and none for what it is told with.
        if (!(refusal instanceof LogError) || refusal.code !== "RECORD_TOO_LARGE") throw refusal;
        return topic.append({ ...parked, headers: Object.fromEntries(headers) });
      });
    }),
  );
}
