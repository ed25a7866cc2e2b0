// Runs the five programs, one after the other, and sums up: `npm run examples`. Exit code 1 if one of them fails.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

const programs = ["a-message-log", "b-partitioned-store", "c-many-queues", "d-log-service", "e-key-store"];

/** Shows what the program prints, and answers how it went. */
async function run(program: string): Promise<string> {
  const path = join(import.meta.dirname, `${program}.js`);
  const child = spawn(process.execPath, [path], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "close");
  let claims = 0;
  for await (const line of createInterface(child.stdout)) {
    console.log(line);
    if (line.startsWith("  ✓")) claims++;
  }
  const [code] = await ended;
  if (code === 0) return `  ✓ ${program.padEnd(20)} ${claims} claims came true`;
  process.exitCode = 1;
  return `  ✗ ${program.padEnd(20)} FAILED`;
}

const summary: string[] = [];
for (const program of programs) summary.push(await run(program));
console.log(`\n${summary.join("\n")}\n`);
