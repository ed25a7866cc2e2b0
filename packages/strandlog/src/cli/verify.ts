// strandlog verify: the whole directory against itself.
import { type Damage, type VerifyReport, verifyDirectory } from "@strandlog/log/format";
import { Command } from "commander";
import { damageFound } from "./exit.js";
import { Output, styled } from "./output.js";
import { showProgress } from "./progress.js";
import { type GlobalOptions, globalOptions, requireLog } from "./session.js";
import { bytesText, countText, secondsText } from "./units.js";

const help = `
Reads everything that counts: checkpoint, journal, every batch and record, both indexes of every segment. Takes no lock,
writes nothing, and may run beside a process that appends. For each damage file, position, what it means, and what
"strandlog repair" would do about it. Notes are no damage: what an interrupted checkpoint left, files that are not the
log's.

Exit codes: 0 no damage, 1 damage was found, 4 there is no log.

Examples:
  $ strandlog verify
  $ strandlog verify --data /var/lib/strandlog --json
`;

export function verifyCommand(): Command {
  return new Command("verify")
    .description("check the whole directory for damage")
    .addHelpText("after", help)
    .action((_: unknown, command: Command) => verify(globalOptions(command)));
}

async function verify({ data, json }: GlobalOptions): Promise<void> {
  requireLog(data);
  const started = performance.now();
  const progress = showProgress();
  const report = await verifyDirectory(data, {
    onProgress: ({ file, bytes, bytesTotal }) =>
      progress.show(() => `${bytesText(bytes)} of ${bytesText(bytesTotal)}  ${file}`),
  }).finally(() => progress.clear());
  if (report.damages.length > 0) damageFound();
  const output = new Output();
  output.text(json ? `${JSON.stringify(report)}\n` : inWords(report, performance.now() - started));
  await output.flush();
}

function inWords(report: VerifyReport, ms: number): string {
  const { damages, notes, partitions, segments, batches, records, journalBlocks, bytes } = report;
  const read = `${countText(partitions)} partitions, ${countText(segments)} segments, ${countText(journalBlocks)} journal blocks, ${countText(batches)} batches, ${countText(records)} records, ${bytesText(bytes)} in ${secondsText(ms)}`;
  const verdict =
    damages.length === 0
      ? styled("green", "no damage found")
      : styled("red", `${countText(damages.length)} ${damages.length === 1 ? "damage" : "damages"} found`);
  return [
    ...damages.map(
      (damage) => `${styled("red", damageText(damage))}\n  ${damage.effect}\n  repair ${damage.repair}\n`,
    ),
    ...notes.map(({ file, what }) => `${styled("dim", `note: ${file}: ${what}`)}\n`),
    `${verdict}: ${read}\n`,
  ].join("");
}

function damageText({ file, position, code, what, offsets }: Damage): string {
  const affected = offsets === undefined ? "" : ` (offsets ${offsets.from} to ${offsets.to})`;
  return `${file}:${position}: ${what}${affected} [${code}]`;
}
