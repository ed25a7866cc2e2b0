// A damaged log after its repair: it opens, verify finds nothing, every record that is left is right, every one that is
// gone was told, and no offset is given twice. A repair that only looks changes nothing, one that was interrupted can be
// run again.
import type { Log } from "@strandlog/log";
import { type RepairReport, repairDirectory, verifyDirectory } from "@strandlog/log/format";
import { type Contents, contentsOf, type PartitionContents } from "./contents.js";
import type { MemoryFiles } from "./memory-files.js";
import { quickClock } from "./quick-clock.js";
import { directory, openSample } from "./sample.js";

export async function repairProblems(
  damaged: MemoryFiles,
  expected: Contents,
  mayBeTorn: boolean,
  turn: number,
  isNeeded: boolean,
): Promise<string[]> {
  const files = damaged.copy();
  const dry = turn % 4 === 0 ? await dryRun(files) : undefined;
  const first = await interrupted(files, turn);
  const report = withEarlier(files, first ?? (await repair(files, 7)));
  const problems: string[] = [];
  if (dry !== undefined) problems.push(...dry.problems);
  problems.push(...copyProblems(damaged, files));
  if (isNeeded && report.steps.length === 0) problems.push("there was nothing to repair");
  const { damages } = await verifyDirectory(directory, { fileSystem: files });
  problems.push(...damages.map(({ file, what }) => `verify still finds: ${file}: ${what}`));
  const log = await openSample(files, 11 + turn);
  const found = await contentsOf(log);
  problems.push(...compare(expected, found, report, mayBeTorn));
  problems.push(...(await appendAgain(log, expected)));
  await log.close();
  return problems;
}

function repair(files: MemoryFiles, seed: number): Promise<RepairReport> {
  return repairDirectory(directory, { fileSystem: files, clock: quickClock(seed) });
}

async function dryRun(files: MemoryFiles): Promise<{ problems: string[] }> {
  files.touched.clear();
  await repairDirectory(directory, { fileSystem: files, clock: quickClock(7), dryRun: true });
  const { size } = files.touched;
  return { problems: size === 0 ? [] : [`a dry run has changed ${[...files.touched].join(", ")}`] };
}

/** Now and then the process dies on the way. Answers the report if it got to the end all the same. */
async function interrupted(files: MemoryFiles, turn: number): Promise<RepairReport | undefined> {
  if (turn % 3 !== 0) return undefined;
  files.changesLeft = turn % 23;
  try {
    return await repair(files, 6);
  } catch (error) {
    if ((error as Error).message === "the process died") return undefined;
    throw error;
  } finally {
    files.changesLeft = Number.POSITIVE_INFINITY;
  }
}

/** What was lost is told in the directory with the copies, too: the repair that told it may have been interrupted. */
function withEarlier(files: MemoryFiles, report: RepairReport): RepairReport {
  const { steps, lost, losses } = report;
  const all = { ...report, steps: [...steps], lost: [...lost], losses: [...losses] };
  for (const path of files.paths().filter((one) => /removed-[^/]+\/repair\.json$/.test(one))) {
    const text = files.content(path).toString();
    if (!text.endsWith("}\n")) continue;
    const told = JSON.parse(text) as RepairReport;
    all.steps.push(...told.steps);
    all.lost.push(...told.lost);
    all.losses.push(...told.losses);
  }
  return all;
}

/** All that was changed or removed is kept as it was. */
function copyProblems(before: MemoryFiles, after: MemoryFiles): string[] {
  const copies = after.paths().filter((path) => path.includes("/removed-"));
  return before.paths().flatMap((path) => {
    const content = before.content(path);
    if (after.has(path) && after.content(path).equals(content)) return [];
    const name = path.slice(directory.length);
    const isKept = copies.some((copy) => copy.endsWith(name) && after.content(copy).equals(content));
    return isKept || content.length === 0 ? [] : [`${path} was changed and no copy kept`];
  });
}

function compare(expected: Contents, found: Contents, report: RepairReport, mayBeTorn: boolean): string[] {
  const problems: string[] = [];
  const isVague = report.losses.length > 0 || mayBeTorn;
  for (const [name, wanted] of expected.partitions) {
    const left = found.partitions.get(name);
    if (left === undefined) {
      if (!isVague) problems.push(`${name} is gone`);
      continue;
    }
    problems.push(...compareRecords(name, wanted, left, report, isVague));
  }
  for (const [place, offset] of expected.committed)
    if (found.committed.get(place) !== offset && !isVague) problems.push(`${place} is not committed`);
  return problems;
}

function compareRecords(
  name: string,
  wanted: PartitionContents,
  left: PartitionContents,
  report: RepairReport,
  isVague: boolean,
): string[] {
  const problems: string[] = [];
  const isLost = (offset: number): boolean =>
    report.lost.some(
      ({ topic, partition, from, to }) => `${topic}-${partition}` === name && offset >= from && offset <= to,
    );
  for (const [offset, text] of left.records) {
    if (wanted.records.get(offset) === text) continue;
    // What was deleted may come back where the deletion is what was lost.
    if (!isVague || offset >= wanted.start) problems.push(`${name} has a wrong record ${offset}`);
  }
  for (const offset of wanted.records.keys()) {
    if (!left.records.has(offset) && !isLost(offset))
      problems.push(`${name} lacks ${offset}, which was not told`);
  }
  return problems;
}

/** What was there once has an offset that nothing else gets. */
async function appendAgain(log: Log, expected: Contents): Promise<string[]> {
  const problems: string[] = [];
  for (const name of await log.topics()) {
    const topic = await log.existingTopic(name);
    for (let partition = 0; partition < topic.partitionCount; partition++) {
      const { offset } = await topic.append({ key: "k", value: "after the repair", partition });
      const end = expected.partitions.get(`${name}-${partition}`)?.end ?? 0;
      if (offset < end) problems.push(`${name}-${partition} gives ${offset} again`);
      const { record } = await topic.partition(partition).get(offset);
      if (record?.value?.toString() !== "after the repair") problems.push(`${name} does not go on`);
    }
  }
  return problems;
}
