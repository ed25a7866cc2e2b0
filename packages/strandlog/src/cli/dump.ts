// strandlog dump: one of the log's files in words.
import { type DumpLine, dumpFile } from "@strandlog/log/format";
import { Command } from "commander";
import { damageFound } from "./exit.js";
import { Output, styled } from "./output.js";
import { globalOptions } from "./session.js";

const help = `
Files: .log .index .timeindex .journal checkpoint leader-epoch-checkpoint partition.metadata
       recovery-point-offset-checkpoint and its like
What is damaged in the file is shown as such, the rest all the same; the exit code is then 1.

Examples:
  $ strandlog dump strandlog-data/topics/events-0/00000000000000000000.log --records
  $ strandlog dump strandlog-data/journal/00000000.journal
  $ strandlog dump strandlog-data/checkpoint --json
`;

export function dumpCommand(): Command {
  return new Command("dump")
    .description("print what is in a file of the log")
    .argument("<file>", "one of the log's files, known by its name")
    .option("--records", "the records inside the batches as well")
    .addHelpText("after", help)
    .action(async (file: string, { records = false }: { records?: boolean }, command: Command) => {
      await dump(file, records, globalOptions(command).json ?? false);
    });
}

async function dump(file: string, records: boolean, json: boolean): Promise<void> {
  const output = new Output();
  for await (const line of dumpFile(file, { records })) {
    if (line.kind === "damage") damageFound();
    output.text(`${json ? jsonOf(line) : textOf(line)}\n`);
    if (output.isFull) await output.flush();
  }
  await output.flush();
}

function jsonOf({ kind, position, fields }: DumpLine): string {
  return JSON.stringify({ kind, position, ...fields });
}

function textOf({ kind, text }: DumpLine): string {
  if (kind === "damage") return styled("red", text);
  return kind === "note" || kind === "file" ? styled("dim", text) : text;
}
