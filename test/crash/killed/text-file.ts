// A real text file of any size, made of the sources that are on the machine.
import { once } from "node:events";
import { createWriteStream, type Dirent, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";

const fileBytesMax = 512 * 1024; // So no line is longer than a record may be.
const roots: readonly string[] = [
  new URL("../../../../node_modules", import.meta.url).pathname,
  join(dirname(process.execPath), "..", "lib", "node_modules"),
];

/** Writes at least `bytes` to `path`: whole lines, and the same sources again when there are too few. */
export async function makeTextFile(path: string, bytes: number): Promise<void> {
  const output = createWriteStream(path);
  let written = 0;
  while (written < bytes) {
    const before = written;
    for (const root of roots) {
      for (const source of sources(root)) {
        const content = readFileSync(source);
        const text = content.at(-1) === 10 ? content : Buffer.concat([content, Buffer.from("\n")]);
        if (!output.write(text)) await once(output, "drain");
        written += text.length;
        if (written >= bytes) break;
      }
      if (written >= bytes) break;
    }
    if (written === before) throw new Error(`there are no sources below ${roots.join(" and ")}`);
  }
  output.end();
  await once(output, "close");
}

function* sources(directory: string): Generator<string, void, void> {
  for (const entry of list(directory)) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* sources(path);
    else if (entry.isFile() && /\.([cm]?[jt]s|md|json|txt)$/.test(entry.name)) {
      const { size } = statSync(path);
      if (size > 0 && size <= fileBytesMax) yield path;
    }
  }
}

function list(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch {
    return []; // Not on this machine.
  }
}
