// What may be on the disk after a clean close: the files that count, and nothing else.
import { type Simulation, Violation } from "@strandlog/log/testing";

/** Throws a Violation for the first file that is no topic's, or that was to be renamed. */
export function checkLeftovers({ disk }: Simulation, topics: Iterable<string>): void {
  const names = new Set(topics);
  for (const [path] of disk.root.files("")) {
    const topic = /\/topics\/(.+)-\d+\//.exec(path)?.[1];
    if (topic !== undefined && !names.has(topic))
      throw new Violation(`I9: ${path} is left of a deleted topic`);
    if (path.endsWith(".tmp")) throw new Violation(`${path} is left over`);
  }
}
