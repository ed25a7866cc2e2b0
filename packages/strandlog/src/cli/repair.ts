// strandlog repair: makes a damaged log readable again, and keeps what it takes away.
import { type LostOffsets, type RepairReport, repairDirectory } from "@strandlog/log/format";
import { Command } from "commander";
import { damageFound } from "./exit.js";
import { Output, styled } from "./output.js";
import { type GlobalOptions, globalOptions, requireLog } from "./session.js";
import { countText } from "./units.js";

const help = `
For a log that nobody has open. Leaves out what cannot be trusted, keeps all that is good, before the damage and after it,
and tells which offsets are lost, by partition. No offset is given twice: what is lost stays a gap. Before anything is
changed a copy of it is durable; a repair that was interrupted can be run again. It asks nothing: see --dry-run.

Exit codes: 0 nothing is lost, or nothing was to be done; 1 records are lost, or with --dry-run would be; or it failed;
3 somebody has the log open; 4 there is no log.

Examples:
  $ strandlog repair --dry-run
  $ strandlog repair
  $ strandlog repair --data /var/lib/strandlog --keep /backup/strandlog-damaged --json
`;

interface RepairCommandOptions extends GlobalOptions {
  readonly dryRun?: boolean;
  readonly keep?: string;
}

export function repairCommand(): Command {
  return new Command("repair")
    .description("make a damaged log readable again")
    .option("--dry-run", "change nothing, only tell what would be done")
    .option("--keep <directory>", "where copies of what is changed go (default: removed-<time> in the log)")
    .addHelpText("after", help)
    .action((_: unknown, command: Command) =>
      repair({ ...command.opts<RepairCommandOptions>(), ...globalOptions(command) }),
    );
}

async function repair({ data, json, dryRun = false, keep }: RepairCommandOptions): Promise<void> {
  requireLog(data);
  const report = await repairDirectory(data, {
    dryRun,
    ...(keep === undefined ? {} : { keepDirectory: keep }),
  });
  if (report.lost.length > 0 || report.losses.length > 0) damageFound();
  const output = new Output();
  output.text(json ? `${JSON.stringify(report)}\n` : inWords(report));
  await output.flush();
}

function inWords({ steps, lost, losses, kept, dryRun }: RepairReport): string {
  if (steps.length === 0) return `${styled("green", "nothing to repair")}\n`;
  const isLossless = lost.length === 0 && losses.length === 0;
  const done = `${countText(steps.length)} ${steps.length === 1 ? "step" : "steps"}`;
  return [
    ...steps.map(({ file, what }) => `${file}: ${what}\n`),
    ...lost.map((range) => `${styled("red", lostText(range))}\n`),
    ...losses.map((what) => `${styled("red", `lost: ${what}`)}\n`),
    isLossless ? "no record is lost\n" : "",
    dryRun
      ? `${done} to do; nothing has been changed\n`
      : `${done} done; what was there before is in ${kept}\n`,
  ].join("");
}

function lostText({ topic, partition, from, to, isUncertain }: LostOffsets): string {
  const range = from === to ? `offset ${from}` : `offsets ${from} to ${to}`;
  return isUncertain
    ? `given up: ${topic}-${partition}: ${range}, as far as there were records`
    : `lost: ${topic}-${partition}: ${range}`;
}
