// strandlog users: set, delete, list those whom a listener with SASL lets in.
import { deleteUser, setUser, users } from "@strandlog/broker";
import { Command } from "commander";
import { CliError } from "./exit.js";
import { Output } from "./output.js";
import {
  type GlobalOptions,
  globalOptions,
  openForReading,
  openForWriting,
  requireLog,
  withLog,
} from "./session.js";
import { parseInteger } from "./units.js";

interface SetOptions extends GlobalOptions {
  readonly iterations?: number;
}

const variable = "STRANDLOG_PASSWORD";
const inputBytesMax = 64 * 1024;

const setHelp = `
The password is the value of the environment variable ${variable}, else the first line of standard input; on a terminal
it is asked for. Of it only salted hashes are kept.
No broker may have the log open meanwhile. While one runs, Kafka's kafka-configs.sh changes users over its listener on
127.0.0.1, and a program that serves its own log does with setUser of strandlog/broker.

Examples:
  $ strandlog users set billing < password-file
  $ ${variable}=… strandlog users set billing --data /var/lib/strandlog
`;

export function usersCommand(): Command {
  const command = new Command("users").description("users of listeners that ask for a name and a password");
  command.addHelpText(
    "after",
    "\nExamples:\n  $ strandlog users set billing < password-file\n  $ strandlog users list\n" +
      "  $ strandlog users delete billing\n",
  );
  command
    .command("set")
    .description("make a user, or give one a new password")
    .argument("<name>", "the user's name")
    .option(
      "--iterations <number>",
      "how much work it is to try a password, 4096 to 16384 (default: 4096)",
      parseInteger,
    )
    .addHelpText("after", setHelp)
    .action((name: string, _: unknown, self: Command) =>
      set(name, { ...self.opts(), ...globalOptions(self) }),
    );
  command
    .command("delete")
    .description("delete a user")
    .argument("<name>", "the user's name")
    .addHelpText("after", "\nExamples:\n  $ strandlog users delete billing\n")
    .action((name: string, _: unknown, self: Command) => remove(name, globalOptions(self)));
  command
    .command("list")
    .description("names of all users")
    .addHelpText("after", "\nExamples:\n  $ strandlog users list\n  $ strandlog users list --json\n")
    .action((_: unknown, self: Command) => list(globalOptions(self)));
  return command;
}

async function set(name: string, { data, json, iterations }: SetOptions): Promise<void> {
  const password = await passwordFor(name);
  await withLog(openForWriting(data), async (log) => {
    await setUser(log, name, password, iterations === undefined ? {} : { iterations });
    await print(json ? { user: name } : `set the user ${name}`);
  });
}

async function remove(name: string, { data, json }: GlobalOptions): Promise<void> {
  requireLog(data);
  await withLog(openForWriting(data), async (log) => {
    if (!(await deleteUser(log, name))) throw new CliError("NO_USER", `there is no user ${name}`);
    await print(json ? { user: name, deleted: true } : `deleted the user ${name}`);
  });
}

async function list({ data, json }: GlobalOptions): Promise<void> {
  await withLog(openForReading(data), async (log) => {
    for (const name of await users(log)) await print(json ? { user: name } : name);
  });
}

async function passwordFor(name: string): Promise<string> {
  const given = process.env[variable];
  if (given !== undefined) return given;
  if (process.stdin.isTTY && process.stdout.isTTY) return asked(name);
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > inputBytesMax || chunk.includes(0x0a)) break;
  }
  const [line = ""] = Buffer.concat(chunks).toString().split(/\r?\n/);
  if (line !== "") return line;
  throw new CliError("INPUT", `no password: give one as a line of standard input, or in ${variable}`);
}

async function asked(name: string): Promise<string> {
  // Loaded when somebody is asked: every other command starts without it.
  const { isCancel, password } = await import("@clack/prompts");
  const answer = await password({ message: `Password of ${name}` });
  if (isCancel(answer)) throw new CliError("INPUT", "no password was given");
  return answer;
}

function print(what: string | object): Promise<void> {
  const output = new Output();
  output.text(`${typeof what === "string" ? what : JSON.stringify(what)}\n`);
  return output.flush();
}
