// Recovery interrupted at every step, and the recovery of that, and of that: a tree of copies of one machine. Each
// leaf is a log that was opened in the end, and must hold what it held.
import { type Log, openLog } from "@strandlog/log";
import { type CrashKind, Simulation, Violation } from "@strandlog/log/testing";

const kibibyte = 1024;
const settings = { journalFileBytes: 64 * kibibyte, journalBytesMax: 128 * kibibyte, lanes: 1 };
const kinds: readonly CrashKind[] = ["power", "process"];

function openOn(machine: Simulation): Promise<Log> {
  return openLog("/disk/log", { ...settings, ...machine.options() });
}

/** A log that was killed: records in a segment, in the journal and beyond what was synced, and a deletion. */
async function killedLog(): Promise<Simulation> {
  const machine = new Simulation(3);
  await machine.run(fill(machine));
  machine.crash("process");
  return machine;
}

async function fill(machine: Simulation): Promise<void> {
  const first = await openOn(machine);
  const topic = await first.topic("t", { segmentBytes: kibibyte });
  for (let n = 0; n < 4; n++) await topic.append({ value: `${n}`.padEnd(600, ".") });
  await first.topic("gone").then((gone) => gone.append({ value: "deleted" }));
  await first.close();
  const log = await openOn(machine);
  const again = await log.topic("t");
  for (let n = 4; n < 6; n++) await again.append({ value: `${n}`.padEnd(600, ".") });
  await log.transaction((tx) => tx.append(again, { value: "6".padEnd(600, ".") }));
  await again.partition(0).deleteRecords(2);
  await log.deleteTopic("gone");
  await again.append({ value: "7".padEnd(600, ".") }, { durability: "os" });
}

export interface Explored {
  /** How many crashes were tried. */
  points: number;
  /** Steps of an undisturbed recovery. */
  steps: number;
}

/** Opens the log on copies of the machine, with a crash at each step, `depth` of them in a row. */
export async function exploreRecovery(
  depth: number,
  first: (step: number) => boolean = () => true,
): Promise<Explored> {
  const machine = await killedLog();
  const explored: Explored = { points: 0, steps: 0 };
  await explore(machine, depth, explored, [], first);
  return explored;
}

async function explore(
  machine: Simulation,
  depth: number,
  explored: Explored,
  path: readonly string[],
  isWanted: (step: number) => boolean,
): Promise<void> {
  let step = 0;
  if (depth > 0) {
    machine.onChange = async () => {
      const now = step++;
      if (!isWanted(now)) return;
      for (const kind of kinds) {
        const twin = machine.fork(explored.points++);
        twin.disk.looksAtOnce = true;
        twin.crash(kind);
        await explore(twin, depth - 1, explored, [...path, `${kind} at ${now}`], () => true);
      }
    };
  }
  const log = await machine.run(openOn(machine));
  machine.onChange = undefined;
  if (path.length === 0) explored.steps = step;
  await check(machine, log, path);
}

async function check(machine: Simulation, log: Log, path: readonly string[]): Promise<void> {
  const numbers: number[] = [];
  const reading = (async () => {
    if (`${await log.topics()}` !== "t") throw new Violation(`I9: the topics are ${await log.topics()}`);
    const topic = await log.existingTopic("t");
    for await (const record of topic.read()) numbers.push(Number.parseInt(`${record.value}`, 10));
  })();
  await machine.run(reading);
  const isRight = `${numbers}` === "2,3,4,5,6" || `${numbers}` === "2,3,4,5,6,7";
  if (!isRight) throw new Violation(`crashes ${path.join(", ")} left the records ${numbers}`);
}
