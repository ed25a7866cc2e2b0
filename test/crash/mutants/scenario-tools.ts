// What scenarios are told with: a log on a simulated machine, crashes, and what must be there afterwards.
import type { Log, LogOptions, Topic, TopicConfig } from "@strandlog/log";
import { openLog } from "@strandlog/log";
import { type VerifyReport, verifyDirectory } from "@strandlog/log/format";
import { Crashed, Simulation, Violation } from "@strandlog/log/testing";

export const kibibyte = 1024;
/** How often something is tried that a lucky crash may spare. */
export const lots = 12;

export function open(machine: Simulation, options: LogOptions = {}): Promise<Log> {
  const settings = { journalFileBytes: 64 * kibibyte, journalBytesMax: 1024 * kibibyte, lanes: 1 };
  return openLog("/disk/log", { ...settings, ...machine.options(), ...options });
}

export async function topicOf(machine: Simulation): Promise<Topic> {
  return (await open(machine)).topic("t");
}

/** A log of one topic, made and closed. */
export async function openedLog(seed = 1): Promise<Simulation> {
  const machine = new Simulation(seed);
  const log = await machine.run(open(machine));
  await machine.run(log.topic("t"));
  await machine.run(log.close());
  return machine;
}

/** A log with these records in its segment, each in a batch of its own. */
export async function closedLog(
  records: readonly string[],
  config: Partial<TopicConfig> = {},
  seed = 1,
): Promise<Simulation> {
  const machine = new Simulation(seed);
  const log = await machine.run(open(machine));
  const topic = await machine.run(log.topic("t", config));
  for (const value of records) await machine.run(topic.append({ value }));
  await machine.run(log.close());
  return machine;
}

/** Several lots: a power failure may happen to spare what it could have taken. */
export async function often(story: (machine: Simulation) => Promise<void>): Promise<void> {
  for (let seed = 1; seed <= lots; seed++) await story(await openedLog(seed));
}

/** Lets the power fail at each step from `begun` on, and then looks what is left. */
export async function atEveryStep(
  story: (machine: Simulation, begun: () => void) => Promise<void>,
  look: (machine: Simulation) => Promise<void>,
): Promise<void> {
  let isOver = false;
  for (let step = 0; !isOver; step++) {
    for (let seed = 1; seed <= lots; seed++) {
      const machine = await openedLog(seed);
      isOver = await machine.run(story(machine, () => machine.crashAfter(step, "power"))).then(
        () => true,
        (error: unknown) => {
          unlessCrashed(error);
          return false;
        },
      );
      machine.disarm();
      machine.crash("power");
      await machine.run(look(machine));
    }
  }
}

export function unlessCrashed(error: unknown): void {
  if (!(error instanceof Crashed)) throw error;
}

export function pause(machine: Simulation, milliseconds: number): Promise<void> {
  return new Promise((resolve) => machine.clock.startTimer(milliseconds, resolve));
}

/** So long that two of them do not go into one segment of a kibibyte. */
export function long(value: string): string {
  return value.padEnd(600, ".");
}

export async function values(topic: Topic): Promise<string[]> {
  const found: string[] = [];
  for await (const record of topic.read()) found.push(`${record.value}`);
  return found;
}

export function expectSame(found: readonly string[], expected: readonly string[]): void {
  if (`${found}` !== `${expected}`) throw new Violation(`${expected} were expected, but there is ${found}`);
}

/** The files hold what counts and nothing else. */
export async function expectClean(machine: Simulation): Promise<VerifyReport> {
  const { fileSystem } = machine.options();
  const options = fileSystem === undefined ? {} : { fileSystem };
  const report = await machine.run(verifyDirectory("/disk/log", options));
  const found = [...report.damages, ...report.notes];
  expectSame(
    found.map(({ file, what }) => `${file}: ${what}`),
    [],
  );
  return report;
}

export async function mustFail(
  machine: Simulation,
  code: string,
  action: () => Promise<unknown>,
): Promise<void> {
  const outcome = await machine.run(action()).then(
    () => "nothing",
    (error: { code?: string; message: string }) => error.code ?? error.message,
  );
  if (outcome !== code) throw new Violation(`${code} was expected, but there was ${outcome}`);
}

/** Changes one bit of a file, at rest. */
export function flip(machine: Simulation, path: string, positionIn: (content: Buffer) => number): void {
  const file = machine.disk.file(path);
  if (file === undefined) throw new Error(`there is no file ${path}`);
  const { content } = file;
  const position = positionIn(content);
  file.damage(position, Buffer.from([(content[position] as number) ^ 1]));
}

/** Where the journal was changed meanwhile. */
export async function journalChange(
  machine: Simulation,
  action: PromiseLike<unknown>,
): Promise<[path: string, position: number]> {
  const files = [...machine.disk.root.files("")].filter(([path]) => path.endsWith(".journal"));
  const before = files.map(([, file]) => file.content);
  await machine.run(Promise.resolve(action));
  for (const [index, [path, file]] of files.entries()) {
    const position = file.content.findIndex((byte, at) => byte !== before[index]?.[at]);
    if (position >= 0) return [path, position];
  }
  throw new Error("the journal did not change");
}
