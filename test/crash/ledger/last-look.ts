// Looks at a directory that nobody disturbs any more: what it holds is compared with the ledger by the engine, once
// beside nobody and once as its writer, then by the reader that shares nothing with it; and the log must go on.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type LogOptions, openLog } from "@strandlog/log";
import { verifyDirectory } from "@strandlog/log/format";
import { checkDirectory, readPartition } from "../../interop/format-reader.js";
import { Author } from "./author.js";
import type { Ledger } from "./ledger.js";
import type { Survival } from "./partition-ledger.js";
import { lineOf } from "./words.js";

/** No child's opening has this number. */
const lastRound = 1000;

/** What is found wrong is in the ledger's problems. */
export async function lastLook(
  directory: string,
  options: LogOptions,
  ledger: Ledger,
  survival: Survival,
): Promise<void> {
  try {
    if (existsSync(join(directory, "checkpoint"))) {
      await using log = await openLog(directory, { ...options, readOnly: true });
      await ledger.check(log, survival);
    }
    await goOn(directory, options, ledger);
    if (ledger.problems.length > 0) return;
    const log = await openLog(directory, options);
    await ledger.check(log, "disk");
    await log.close();
    await checkFiles(directory, ledger, survival);
  } catch (error) {
    ledger.problems.push(`looking at what is left: ${error instanceof Error ? error.stack : error}`);
  }
}

/** Appends to all that is there, and closes. */
async function goOn(directory: string, options: LogOptions, ledger: Ledger): Promise<void> {
  const author = new Author(directory, options, lastRound, (word, ...args) =>
    ledger.take(lineOf(word, args)),
  );
  const refusals = ledger.refusals.length;
  if (await author.open()) {
    if (author.places.length > 0) await author.append(author.places.map((place) => [...place, 3] as const));
    await author.close();
  }
  if (ledger.refusals.length > refusals || author.isStuck)
    ledger.problems.push(`the log cannot be used again: ${ledger.refusals.at(-1) ?? ledger.stuckAt}`);
}

/**
 * Files that are never synced: indexes, which are made anew from their log when they differ, and what only Kafka's
 * tools read. A killed process leaves them whole, a power cut does not.
 */
const unsyncedFile = /(\.(index|timeindex)|partition\.metadata|leader-epoch-checkpoint)$/;

async function checkFiles(directory: string, ledger: Ledger, survival: Survival): Promise<void> {
  const isLost = (file: string): boolean => survival === "disk" && unsyncedFile.test(file);
  const { damages, notes } = await verifyDirectory(directory);
  const findings = [...damages, ...notes].filter(({ file }) => !isLost(file));
  ledger.problems.push(...findings.map((finding) => `verify: ${JSON.stringify(finding)}`));
  for (const problem of checkDirectory(directory).problems) {
    // A partition whose records were all deleted keeps no segment, other than in Kafka.
    const isEmpty =
      problem.endsWith("the partition has no segment") &&
      ledger.isEmpty(problem.slice(0, problem.indexOf("/")));
    if (!isEmpty && !isLost(problem.slice(0, problem.indexOf("@")))) ledger.problems.push(problem);
  }
  ledger.compareFiles((name) => {
    const partition = join(directory, "topics", name);
    return hasSegments(partition) ? readPartition(partition) : undefined;
  });
}

function hasSegments(partition: string): boolean {
  return existsSync(partition) && readdirSync(partition).some((file) => file.endsWith(".log"));
}
