// One case of the row "index": a log drawn by lot, some of its index files spoilt, every record asked for by offset and
// by time in an order drawn by lot, before and after the log has been opened again.
import { type Log, openLog } from "@strandlog/log";
import { makeRandom } from "../content.js";
import { type Contents, contentsOf } from "./contents.js";
import { lookThrough } from "./look.js";
import { MemoryFiles } from "./memory-files.js";
import { quickClock } from "./quick-clock.js";
import { directory } from "./sample.js";

export interface CheckedIndexes {
  /** What was done to the files. */
  readonly what: string;
  readonly rebuilt: number;
  readonly problems: readonly string[];
}

type Random = () => number;

export async function checkIndexCase(seed: number): Promise<CheckedIndexes> {
  const random = makeRandom(seed);
  const files = new MemoryFiles();
  await files.makeDirectory(directory);
  await writeLog(files, seed, random);
  const whole = files.copy();
  const expected = await contentsOf(await open(whole.copy(), seed));
  const spoilings = spoilSome(files, random);
  const spoilt = files.copy();
  const problems: string[] = [];
  for (const isAgain of [false, true]) {
    const log = await open(files, seed + (isAgain ? 1 : 2));
    const glance = { focus: "indexed-0", concerned: undefined, step: 1 + Math.floor(random() * 9), first: 0 };
    const { errors, wrong } = await lookThrough(log, expected, glance);
    problems.push(...wrong, ...errors.map(({ message }) => `an error: ${message}`));
    await seekEach(log, expected);
    await log.close();
  }
  let rebuilt = 0;
  for (const path of spoilings.keys()) {
    const before = whole.content(path);
    // What lies beyond what counts stays until something is written there.
    if (files.content(path).subarray(0, before.length).equals(before)) rebuilt++;
    else if (!files.content(path).equals(spoilt.content(path)))
      problems.push(`${path} is made anew and not what it was`);
  }
  const what = [...spoilings].map(([path, how]) => `${how} ${path.slice(directory.length + 1)}`).join(", ");
  return { what, rebuilt, problems };
}

/** Makes use of every time index that any time leads to. */
async function seekEach(log: Log, { partitions }: Contents): Promise<void> {
  const partition = (await log.existingTopic("indexed")).partition(0);
  for (const time of partitions.get("indexed-0")?.timestamps.values() ?? [])
    await partition.offsetOf(new Date(time));
}

/** Batches of all sizes, now and then a gap, times that go back and forth, at times over several openings. */
async function writeLog(files: MemoryFiles, seed: number, random: Random): Promise<void> {
  const openings = 1 + Math.floor(random() * 3);
  const settings = { segmentBytes: 8 * 1024 + Math.floor(random() * 40_000) };
  for (let opening = 0; opening < openings; opening++) {
    const log = await open(files, seed + opening * 1000);
    const topic = await log.topic("indexed", opening === 0 ? settings : {});
    const batches = 30 + Math.floor(random() * 60);
    for (let n = 0; n < batches; n++) {
      const timestamp =
        1_760_000_000_000 + opening * 90_000 + n * 1000 + Math.floor((random() - 0.5) * 20_000);
      const value = "x".repeat(Math.floor(random() * (random() < 0.1 ? 6000 : 900)));
      if (random() < 0.06) {
        const { logEndOffset } = await topic.partition(0).describe();
        await topic.append({ value, timestamp }, { offset: logEndOffset + Math.floor(random() * 50) });
      } else await topic.append({ key: `${n}`, value, timestamp });
    }
    await log.close();
  }
}

/** By path: what was done to it. Empty files are no index yet. */
function spoilSome(files: MemoryFiles, random: Random): Map<string, string> {
  const paths = files.paths().filter((path) => /index$/.test(path) && files.content(path).length > 0);
  const spoilt = new Map<string, string>();
  for (let wanted = 1 + Math.floor(random() * 4); wanted > 0 && paths.length > 0; wanted--) {
    const path = paths[Math.floor(random() * paths.length)] as string;
    if (!spoilt.has(path)) spoilt.set(path, spoil(files, path, paths, random));
  }
  return spoilt;
}

function spoil(files: MemoryFiles, path: string, paths: readonly string[], random: Random): string {
  const content = Buffer.from(files.content(path));
  const position = Math.floor(random() * content.length);
  switch (Math.floor(random() * 7)) {
    case 0:
      files.drop(path);
      return "removed";
    case 1:
      files.put(path, Buffer.alloc(0));
      return "emptied";
    case 2:
      files.put(path, content.subarray(0, position));
      return `cut at ${position}`;
    case 3:
      content[position] = (content[position] as number) ^ (1 << Math.floor(random() * 8));
      files.put(path, content);
      return `flipped a bit at ${position} of`;
    case 4:
      files.put(path, content.fill(random() < 0.5 ? 0 : 0xff));
      return "overwritten";
    case 5:
      for (let at = 0; at < content.length; at++) content[at] = Math.floor(random() * 256);
      files.put(path, content);
      return "made random";
    default:
      return exchange(files, path, paths, random);
  }
}

/** The same kind of index, of another segment if there is one. */
function exchange(files: MemoryFiles, path: string, paths: readonly string[], random: Random): string {
  const suffix = path.slice(path.lastIndexOf("."));
  const others = paths.filter((other) => other !== path && other.endsWith(suffix));
  const other = others[Math.floor(random() * others.length)] ?? path;
  if (files.content(other).equals(files.content(path))) {
    files.drop(path);
    return "removed";
  }
  files.put(path, files.content(other));
  return `replaced by ${other.slice(other.lastIndexOf("/") + 1)}:`;
}

function open(files: MemoryFiles, seed: number): Promise<Log> {
  const settings = { journalFileBytes: 256 * 1024, journalBytesMax: 1024 * 1024 };
  return openLog(directory, { ...settings, fileSystem: files, clock: quickClock(seed) });
}
