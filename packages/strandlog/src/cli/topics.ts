// strandlog topics: list, create, describe, alter, delete.
import type { GroupDescription, TopicConfig, TopicDescription } from "@strandlog/log";
import { Command, InvalidArgumentError, Option } from "commander";
import { CliError } from "./exit.js";
import { Output, styled, table } from "./output.js";
import {
  type GlobalOptions,
  globalOptions,
  openForReading,
  openForWriting,
  requireLog,
  withLog,
} from "./session.js";
import { bytesText, parseDuration, parseInteger, parseSize } from "./units.js";

type Config = Partial<TopicConfig>;

interface ConfigOptions extends GlobalOptions {
  readonly partitions?: number;
  readonly durability?: TopicConfig["durability"];
  readonly compression?: TopicConfig["compression"];
  readonly cleanup?: TopicConfig["cleanup"];
  readonly timestampType?: TopicConfig["timestampType"];
  readonly config?: Config;
}

const configParsers: Readonly<Record<string, (text: string) => number>> = {
  retentionMs: parseDuration,
  deleteRetentionMs: parseDuration,
  segmentMs: parseDuration,
  retentionBytes: parseSize,
  segmentBytes: parseSize,
  maxMessageBytes: parseSize,
};

const configNames = Object.keys(configParsers).join(", ");

export function topicsCommand(): Command {
  const topics = new Command("topics").description("list, create, describe, alter and delete topics");
  topics.addHelpText(
    "after",
    `
Examples:
  $ strandlog topics list
  $ strandlog topics create orders --partitions 8 --compression gzip --config retentionMs=7d
  $ strandlog topics describe orders
  $ strandlog topics alter orders --config retentionBytes=10GiB --partitions 16
  $ strandlog topics delete orders --yes
`,
  );
  topics
    .command("list")
    .description("names, partitions, records and bytes")
    .addHelpText("after", "\nExamples:\n  $ strandlog topics list\n  $ strandlog topics list --json\n")
    .action((_: unknown, command: Command) => list(globalOptions(command)));
  withConfig(topics.command("create"), "how many partitions (default: 1)")
    .description("make a topic")
    .argument("<topic>", "its name")
    .addHelpText(
      "after",
      "\nExamples:\n  $ strandlog topics create orders --partitions 8 --config retentionMs=7d\n",
    )
    .action((topic: string, _: unknown, command: Command) => create(topic, configOptions(command)));
  topics
    .command("describe")
    .description("settings and partitions of a topic")
    .argument("<topic>", "its name")
    .addHelpText(
      "after",
      "\nExamples:\n  $ strandlog topics describe orders\n  $ strandlog topics describe orders --json\n",
    )
    .action((topic: string, _: unknown, command: Command) => describe(topic, globalOptions(command)));
  withConfig(topics.command("alter"), "how many it is to have; at least as many as it has")
    .description("change settings of a topic; partitions can only be added")
    .argument("<topic>", "its name")
    .addHelpText(
      "after",
      "\nExamples:\n  $ strandlog topics alter orders --config retentionBytes=10GiB --durability os\n",
    )
    .action((topic: string, _: unknown, command: Command) => alter(topic, configOptions(command)));
  topics
    .command("delete")
    .description("delete a topic with all its records")
    .argument("<topic>", "its name")
    .option("--yes", "do not ask")
    .addHelpText("after", "\nExamples:\n  $ strandlog topics delete orders --yes\n")
    .action((topic: string, options: { yes?: boolean }, command: Command) =>
      remove(topic, options.yes ?? false, globalOptions(command)),
    );
  return topics;
}

function withConfig(command: Command, partitions: string): Command {
  return command
    .option("--partitions <number>", partitions, parseInteger)
    .addOption(
      new Option("--durability <level>", "what an acknowledged record survives").choices([
        "disk",
        "os",
        "memory",
      ]),
    )
    .addOption(
      new Option("--compression <codec>", "codec of the batches").choices([
        "none",
        "gzip",
        "snappy",
        "lz4",
        "zstd",
      ]),
    )
    .addOption(
      new Option(
        "--cleanup <policy>",
        "what goes: by age and size, besides what all groups consumed, or what a later record of its key makes obsolete",
      ).choices(["delete", "consumed", "compact", "compact,delete"]),
    )
    .addOption(
      new Option(
        "--timestamp-type <which>",
        "which time records have: their own, or that of the append",
      ).choices(["create", "append"]),
    )
    .option(
      "--config <name=value>",
      `any of ${configNames}; with units such as 7d, 64MiB; may be repeated`,
      parseConfig,
    );
}

function parseConfig(text: string, before: Config = {}): Config {
  const [name = "", value] = text.split(/=(.*)/s);
  const parse = configParsers[name];
  if (parse === undefined || value === undefined)
    throw new InvalidArgumentError(`"${text}" is not name=value with one of ${configNames}`);
  return { ...before, [name]: parse(value) };
}

function configOptions(command: Command): ConfigOptions {
  return { ...command.opts<ConfigOptions>(), ...globalOptions(command) };
}

function configOf(options: ConfigOptions): Config {
  const { partitions, durability, compression, cleanup, timestampType, config } = options;
  return {
    ...config,
    ...(partitions === undefined ? {} : { partitions }),
    ...(durability === undefined ? {} : { durability }),
    ...(compression === undefined ? {} : { compression }),
    ...(cleanup === undefined ? {} : { cleanup }),
    ...(timestampType === undefined ? {} : { timestampType }),
  };
}

async function list({ data, json }: GlobalOptions): Promise<void> {
  await withLog(openForReading(data), async (log) => {
    const { topics } = await log.stats();
    const rows = topics.map((topic) => ({ name: topic.name, ...totals(topic) }));
    if (json) return print(rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    const cells = rows.map(({ name, partitions, records, bytes }) => [name, partitions, records, bytes]);
    return print(table(["TOPIC", "PARTITIONS", "RECORDS", "BYTES"], cells));
  });
}

export function totals({ partitions }: TopicDescription): {
  partitions: number;
  records: number;
  bytes: number;
} {
  let records = 0;
  let bytes = 0;
  for (const { logStartOffset, highWatermark, tailBytes, segmentBytes } of partitions) {
    records += highWatermark - logStartOffset;
    bytes += tailBytes + segmentBytes;
  }
  return { partitions: partitions.length, records, bytes };
}

async function create(name: string, options: ConfigOptions): Promise<void> {
  await withLog(openForWriting(options.data), async (log) => {
    const topic = await log.createTopic(name, configOf(options));
    await printChange(`made the topic ${name}`, { topic: name, ...topic.config }, options);
  });
}

async function describe(name: string, { data, json }: GlobalOptions): Promise<void> {
  await withLog(openForReading(data), async (log) => {
    const found = await log.existingTopic(name);
    const topic = await found.describe();
    const groups = await found.groups();
    if (json) return print(`${JSON.stringify({ ...topic, groups })}\n`);
    const settings = Object.entries(topic.config).map(
      ([option, value]) => `  ${option}: ${settingText(option, value)}\n`,
    );
    const isCompacted = topic.config.cleanup.startsWith("compact");
    const rows = topic.partitions.map((partition) => [
      partition.partition,
      partition.logStartOffset,
      partition.highWatermark,
      partition.segmentCount,
      partition.segmentBytes,
      partition.tailBytes,
      ...(isCompacted ? [partition.compaction?.end ?? 0] : []),
    ]);
    const headings = ["PARTITION", "START", "END", "SEGMENTS", "SEGMENT BYTES", "TAIL BYTES"];
    if (isCompacted) headings.push("COMPACTED TO");
    const text = `${styled("bold", name)}  ${topic.topicId}\n${settings.join("")}${table(headings, rows)}`;
    return print(groups.length === 0 ? text : `${text}\n${groupTable(groups)}`);
  });
}

function groupTable(groups: readonly GroupDescription[]): string {
  const rows = groups.flatMap(({ group, partitions }) =>
    partitions.map(({ partition, committed, end, records, bytes, ms }) => [
      group,
      partition,
      committed,
      end,
      records,
      bytes,
      Math.round(ms / 1000),
    ]),
  );
  return table(["GROUP", "PARTITION", "COMMITTED", "END", "LAG", "LAG BYTES", "LAG SECONDS"], rows);
}

function settingText(option: string, value: string | number): string {
  const text = String(value);
  if (value === -1) return `${text} (without limit)`;
  return option.endsWith("Bytes") && process.stdout.isTTY ? `${text} (${bytesText(Number(value))})` : text;
}

async function alter(name: string, options: ConfigOptions): Promise<void> {
  requireLog(options.data);
  const changes = configOf(options);
  if (Object.keys(changes).length === 0) throw new CliError("USAGE", "nothing to change: see --help");
  await withLog(openForWriting(options.data), async (log) => {
    const config = await (await log.existingTopic(name)).alter(changes);
    await printChange(`changed the topic ${name}`, { topic: name, ...config }, options);
  });
}

async function remove(name: string, yes: boolean, options: GlobalOptions): Promise<void> {
  requireLog(options.data);
  if (!yes && !(await confirmed(name))) return;
  await withLog(openForWriting(options.data), async (log) => {
    await log.deleteTopic(name);
    await printChange(`deleted the topic ${name}`, { topic: name, deleted: true }, options);
  });
}

/** Asks where there is somebody to ask. */
async function confirmed(name: string): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stdout.isTTY)
    throw new CliError("USAGE", `deleting ${name} deletes its records: say --yes if that is meant`);
  // Loaded when somebody is asked: every other command starts without it.
  const { confirm, isCancel } = await import("@clack/prompts");
  const answer = await confirm({ message: `Delete ${name} with all its records?`, initialValue: false });
  return !isCancel(answer) && answer;
}

function printChange(text: string, fields: object, { json }: GlobalOptions): Promise<void> {
  return print(json ? `${JSON.stringify(fields)}\n` : `${text}\n`);
}

function print(text: string): Promise<void> {
  const output = new Output();
  output.text(text);
  return output.flush();
}
