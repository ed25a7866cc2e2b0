// The strandlog command: what it is called with decides which file of this folder does the work.
import { Command } from "commander";
import { appendCommand } from "./append.js";
import { dumpCommand } from "./dump.js";
import { commandEnded, exitCodeHelp } from "./exit.js";
import { readCommand } from "./read.js";
import { repairCommand } from "./repair.js";
import { serveCommand } from "./serve.js";
import { statsCommand } from "./stats.js";
import { topicsCommand } from "./topics.js";
import { usersCommand } from "./users.js";
import { verifyCommand } from "./verify.js";
import { version } from "./version.js";

const help = `
Examples:
  $ strandlog append events < app.log             one record a line
  $ strandlog read events --from -1h --follow     the last hour, then what comes
  $ strandlog serve --kafka 127.0.0.1:9092        a broker for Kafka's clients
  $ strandlog topics create orders --partitions 8
  $ strandlog verify --data /var/lib/strandlog

${exitCodeHelp}`;

const program = new Command("strandlog")
  .description("A durable, partitioned log in a directory: append to it, read it, look after it.")
  .version(version, "-V, --version", "print the version")
  .option("--data <directory>", "where the log is", "./strandlog-data")
  .option("--json", "print JSON, one object a line")
  .configureHelp({ showGlobalOptions: true })
  .addHelpText("after", help);

for (const make of [
  appendCommand,
  readCommand,
  serveCommand,
  topicsCommand,
  usersCommand,
  dumpCommand,
  verifyCommand,
  repairCommand,
  statsCommand,
]) {
  program.addCommand(make());
}

function prepare(command: Command): void {
  command
    .exitOverride()
    .helpOption("-h, --help", "print this help")
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      outputError: (message, write) => write(message.replace(/^error: /, "strandlog: ")),
    })
    .showHelpAfterError("Add --help for what there is.");
  for (const child of command.commands) prepare(child);
}
prepare(program);

try {
  await program.parseAsync();
} catch (error) {
  commandEnded(error, program.opts()["json"] === true);
}
