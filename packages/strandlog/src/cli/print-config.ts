// The configuration that counts, as a file that can be given to --config again: what is a default is a comment.
import type { Configuration, Effective } from "../config/index.js";
import { Output } from "./output.js";

export async function printConfiguration(
  { effective, warnings }: Configuration,
  json: boolean,
): Promise<void> {
  const output = new Output();
  for (const each of effective) output.text(`${json ? JSON.stringify(each) : propertyText(each)}\n`);
  for (const { key, origin, why } of warnings) {
    process.stderr.write(`strandlog: ${key} has no effect (${origin}): ${why}\n`);
  }
  await output.flush();
}

function propertyText({ key, value, origin }: Effective): string {
  if (origin === "default") return `#${key}=${value}`;
  const escaped = value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
  return `# ${origin}:\n${key}=${escaped}`;
}
