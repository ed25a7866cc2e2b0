// strandlog read: the records of a topic as bytes, lines or JSON.
import type { Isolation, Log, LogRecord, Partition, Position, Topic } from "@strandlog/log";
import { Command, Option } from "commander";
import { unterminatedHeader } from "./appending.js";
import { Output } from "./output.js";
import { type GlobalOptions, globalOptions, openForReading, withLog } from "./session.js";
import { listenForSignals } from "./signals.js";
import { parseInteger, parsePosition } from "./units.js";

interface ReadCommandOptions extends GlobalOptions {
  readonly from: Position;
  readonly until?: Position;
  readonly partition?: number;
  readonly follow?: boolean;
  readonly isolation?: Isolation;
  readonly max?: number;
  readonly keySeparator?: string;
}

const help = `
Positions: an offset, earliest, latest, a date (2026-03-31 or 2026-03-31T12:00:00Z), or a time ago (-90s, -15m, -1h, -7d).
Values are printed as they are, each followed by \\n; a last line that was appended without one is printed without one.
With several partitions, one after the other is printed; with --follow, records as they come.
Reads beside a process that is appending, and needs no lock.

Examples:
  $ strandlog read events
  $ strandlog read events --from -1h --until -30m
  $ strandlog read events --from latest --follow
  $ strandlog read orders --partition 3 --from 120 --max 10 --json
  $ strandlog read orders --key-separator :
  $ strandlog read payments --isolation read_committed
`;

export function readCommand(): Command {
  return new Command("read")
    .description("print the records of a topic")
    .argument("<topic>", "the topic to read")
    .option("--from <position>", "where to begin, in each partition", parsePosition, "earliest")
    .option("--until <position>", "where to stop, exclusive (default: the end as it is now)", parsePosition)
    .option("--partition <number>", "only this one", parseInteger)
    .option("--follow", "wait for more at the end")
    .addOption(
      new Option(
        "--isolation <isolation>",
        "whether records of Kafka's transactions count before these are committed (default: read_uncommitted)",
      ).choices(["read_uncommitted", "read_committed"]),
    )
    .option("--max <number>", "stop after so many records", parseInteger)
    .option("--key-separator <text>", "print key and separator before each value that has a key")
    .addHelpText("after", help)
    .action(async (topic: string, _: unknown, command: Command) => {
      await read(topic, { ...command.opts<ReadCommandOptions>(), ...globalOptions(command) });
    });
}

async function read(topicName: string, options: ReadCommandOptions): Promise<void> {
  const interruption = listenForSignals();
  try {
    await withLog(openForReading(options.data), (log) =>
      printTopic(log, topicName, options, interruption.signal),
    );
  } catch (error) {
    if (!interruption.signal.aborted) throw error;
  } finally {
    interruption.stopListening();
  }
}

async function printTopic(
  log: Log,
  name: string,
  options: ReadCommandOptions,
  signal: AbortSignal,
): Promise<void> {
  const topic = await log.existingTopic(name);
  const printer = new Printer(options, signal);
  const partitions = partitionsOf(topic, options.partition);
  try {
    if (options.follow) await Promise.all(partitions.map((partition) => printer.print(partition)));
    else for (const partition of partitions) await printer.print(partition);
  } finally {
    printer.stop();
  }
  await printer.end();
}

function partitionsOf(topic: Topic, number: number | undefined): Partition[] {
  if (number !== undefined) return [topic.partition(number)];
  return Array.from({ length: topic.partitionCount }, (_, index) => topic.partition(index));
}

class Printer {
  readonly #output = new Output();
  readonly #options: ReadCommandOptions;
  readonly #stopped = new AbortController();
  readonly #signal: AbortSignal;
  readonly #separator: Buffer | undefined;
  #left: number;
  /** A record whose line had no newline: it gets one only if something follows. */
  #owesNewline = false;
  #flushing: Promise<void> = Promise.resolve();

  constructor(options: ReadCommandOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = AbortSignal.any([signal, this.#stopped.signal]);
    this.#separator = options.keySeparator === undefined ? undefined : Buffer.from(options.keySeparator);
    this.#left = options.max ?? Number.POSITIVE_INFINITY;
  }

  stop(): void {
    this.#stopped.abort();
  }

  async end(): Promise<void> {
    await this.#flush();
  }

  /** Batches rather than records: nothing is awaited within one. */
  async print(partition: Partition): Promise<void> {
    const { follow = false, isolation = "read_uncommitted", until } = this.#options;
    const offsetOf = (position: Position): Promise<number> => partition.offsetOf(position, isolation);
    const from = await offsetOf(this.#options.from);
    const end = until === undefined && follow ? Number.POSITIVE_INFINITY : await offsetOf(until ?? "latest");
    const range = Number.isFinite(end) ? { from, until: end } : { from };
    const options = { ...range, follow, isolation, signal: this.#signal, onSkip: tellSkip };
    const batches = partition.readBatches(options);
    try {
      while (this.#left > 0) {
        const { value: batch } = await batches.next();
        if (batch === undefined || this.#signal.aborted) break;
        if (!batch.isControl) this.#records(batch.records(from), end);
        // While following, what is there is shown at once; otherwise in large pieces.
        if (follow || this.#output.isFull) await this.#flush();
      }
    } catch (error) {
      if (!this.#stopped.signal.aborted) throw error;
    }
    if (this.#left <= 0) this.stop();
  }

  #records(records: Iterable<LogRecord>, end: number): void {
    const { json } = this.#options;
    for (const record of records) {
      if (record.offset >= end || this.#left-- <= 0) return;
      if (json) this.#output.text(`${jsonOf(record)}\n`);
      else this.#line(record);
    }
  }

  #line({ key, value, headers }: LogRecord): void {
    const output = this.#output;
    if (this.#owesNewline) output.byte(10);
    if (this.#separator !== undefined && key !== null) {
      output.bytes(key);
      output.bytes(this.#separator);
    }
    if (value !== null) output.bytes(value);
    this.#owesNewline = headers.length > 0 && headers.some(([name]) => name === unterminatedHeader);
    if (!this.#owesNewline) output.byte(10);
  }

  /** One at a time, whichever partition asks. */
  #flush(): Promise<void> {
    const flushed = this.#flushing.then(() => this.#output.flush());
    this.#flushing = flushed.catch(() => undefined);
    return flushed;
  }
}

function tellSkip({ partition, from, next }: { partition: number; from: number; next: number }): void {
  const which = next === from + 1 ? `offset ${from}` : `offsets ${from} to ${next - 1}`;
  process.stderr.write(`strandlog: ${which} of partition ${partition} do not exist; reading on at ${next}\n`);
}

/** Bytes that are not UTF-8 come as base64, under another name. */
function jsonOf({ partition, offset, timestamp, key, value, headers }: LogRecord): string {
  return JSON.stringify({
    partition,
    offset,
    timestamp,
    ...jsonBytes("key", key),
    ...jsonBytes("value", value),
    ...(headers.length === 0
      ? {}
      : { headers: headers.map(([name, content]) => ({ name, ...jsonBytes("value", content) })) }),
  });
}

function jsonBytes(name: string, bytes: Buffer | null): Record<string, string | null> {
  if (bytes === null) return { [name]: null };
  const text = bytes.toString("utf8");
  return Buffer.from(text).equals(bytes) ? { [name]: text } : { [`${name}Base64`]: bytes.toString("base64") };
}
