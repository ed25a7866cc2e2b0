// strandlog append: one record a line.
import { type Durability, type Log, LogError, type Topic } from "@strandlog/log";
import { Command, Option } from "commander";
import { type Appended, Appending } from "./appending.js";
import { CliError } from "./exit.js";
import { type Input, LineSplitter, openInput } from "./lines.js";
import { showProgress } from "./progress.js";
import { type GlobalOptions, globalOptions, openForWriting, withLog } from "./session.js";
import { listenForSignals } from "./signals.js";
import { bytesText, countText, parseInteger, secondsText } from "./units.js";

interface AppendCommandOptions extends GlobalOptions {
  readonly file?: string;
  readonly keySeparator?: string;
  readonly partitions?: number;
  readonly partition?: number;
  readonly durability?: Durability;
  readonly printOffsets?: boolean;
  readonly quiet?: boolean;
}

const help = `
Lines are bytes and end at \\n; a last line without one counts, and "read" gives it back without one.
The topic is made if there is none: --partitions and --durability then become its settings.

Examples:
  $ strandlog append events < app.log
  $ tail -f app.log | strandlog append events --durability os
  $ strandlog append orders --key-separator : --partitions 8 --file orders.txt
  $ seq 3 | strandlog append numbers --print-offsets
`;

export function appendCommand(): Command {
  return new Command("append")
    .description("append the lines of standard input, or of a file, as records")
    .argument("<topic>", "the topic to append to")
    .option("--file <file>", "read the lines from this file")
    .option("--key-separator <text>", "what precedes its first occurrence in a line is the record's key")
    .option("--partitions <number>", "how many partitions a new topic gets (default: 1)", parseInteger)
    .option("--partition <number>", "append to this one (default: by key, or in turn)", parseInteger)
    .addOption(
      new Option(
        "--durability <level>",
        "wait until each record survives a power cut, a kill, or nothing",
      ).choices(["disk", "os", "memory"]),
    )
    .option("--print-offsets", 'print "partition offset" for each record as it is acknowledged')
    .option("--quiet", "no summary and no progress")
    .addHelpText("after", help)
    .action(async (topic: string, _: unknown, command: Command) => {
      await append(topic, { ...command.opts(), ...globalOptions(command) });
    });
}

async function append(topicName: string, options: AppendCommandOptions): Promise<void> {
  if (options.keySeparator === "") throw new CliError("USAGE", "--key-separator must not be empty");
  // Of a portion's receipts one is awaited for all (see appending.ts): when the log fails, the others fail unheard.
  const ignoreReceipts = (reason: unknown): void => {
    if (!(reason instanceof LogError)) throw reason;
  };
  process.on("unhandledRejection", ignoreReceipts);
  const interruption = listenForSignals();
  interruption.signal.addEventListener("abort", tellIfSlow);
  const input = openInput(options.file, interruption.signal);
  const started = performance.now();
  try {
    const appended = await withLog(openForWriting(options.data), async (log) => {
      const topic = await openTopic(log, topicName, options);
      if (options.partition !== undefined) topic.partition(options.partition);
      return appendInput(topic, input, options, interruption.signal);
    });
    const note = interruption.signal.aborted ? "interrupted: " : "";
    if (!options.quiet) printSummary(note, topicName, appended, performance.now() - started, options);
  } finally {
    input.close();
    interruption.stopListening();
    process.off("unhandledRejection", ignoreReceipts);
    process.stdin.destroy();
  }
}

/** Acknowledgements may take long, on a full disk for instance: say what is waited for, and how to give up. */
function tellIfSlow(): void {
  const text = "strandlog: interrupted, waiting for acknowledgements; interrupt again to give up\n";
  setTimeout(() => process.stderr.write(text), 1000).unref();
}

async function openTopic(log: Log, name: string, options: AppendCommandOptions): Promise<Topic> {
  const { partitions, durability } = options;
  try {
    const topic = await log.existingTopic(name);
    if (partitions === undefined || partitions === topic.config.partitions) return topic;
  } catch (error) {
    if (!(error instanceof LogError && error.code === "TOPIC_NOT_FOUND")) throw error;
  }
  return log.topic(name, {
    ...(partitions === undefined ? {} : { partitions }),
    ...(durability === undefined ? {} : { durability }),
  });
}

/** Ends early, with the error, when a line cannot be appended; what was appended before it is awaited and told. */
async function appendInput(
  topic: Topic,
  input: Input,
  options: AppendCommandOptions,
  signal: AbortSignal,
): Promise<Appended> {
  const appending = new Appending(topic, options);
  const lines = new LineSplitter(appending.lineBytesMax);
  const progress = showProgress();
  const started = performance.now();
  let read = 0;
  try {
    for await (const chunk of input.chunks) {
      read += chunk.length;
      lines.push(chunk);
      for (let line = lines.take(); line !== undefined; line = lines.take()) {
        appending.add(line);
        if (appending.isPortionFull) await appending.send();
        if (signal.aborted) break;
      }
      await appending.send();
      const total = input.bytesTotal;
      if (total !== undefined && !options.quiet)
        progress.show(() => progressText(read, total, performance.now() - started));
      if (signal.aborted) break;
    }
    const rest = signal.aborted ? undefined : lines.rest();
    if (rest !== undefined) appending.addUnterminated(rest);
    await appending.send();
  } finally {
    await appending.settle();
    progress.clear();
  }
  return appending.appended;
}

function progressText(read: number, total: number, ms: number): string {
  const rate = (read / ms) * 1000;
  const left = rate > 0 && total > read ? `, ${secondsText(((total - read) / rate) * 1000)} left` : "";
  const percent = total === 0 ? 100 : Math.min(100, Math.floor((read / total) * 100));
  return `${percent} %  ${bytesText(read)} of ${bytesText(total)}, ${bytesText(rate)}/s${left}`;
}

function printSummary(
  note: string,
  topic: string,
  { records, bytes, durability }: Appended,
  ms: number,
  { json }: GlobalOptions,
): void {
  const rate = (bytes / ms) * 1000;
  const text = json
    ? JSON.stringify({ topic, records, bytes, durability, ms: Math.round(ms) })
    : `${note}appended ${countText(records)} ${records === 1 ? "record" : "records"}, ${bytesText(bytes)}, to ${topic} in ${secondsText(ms)} (${bytesText(rate)}/s), acknowledged at ${durability}`;
  process.stderr.write(`${text}\n`);
}
