// Jars by way of Maven, for what only Java programs can tell.
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const runTimeoutMs = 600_000;

export function isInstalled(command: string): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * The classpath of a pom's dependencies, with these properties; undefined where Maven cannot resolve them. It takes
 * seconds to say where the jars are, so its answer is kept beside the compiled files.
 */
export async function classpathOf(
  pom: string,
  properties: Readonly<Record<string, string>> = {},
): Promise<string | undefined> {
  const pairs = Object.entries(properties).map((pair) => pair.join("="));
  const name = [pom, ...pairs]
    .join(" ")
    .replaceAll(/[^a-z0-9.]+/gi, "-")
    .slice(-100);
  const cache = fileURLToPath(new URL(`classpath${name}.txt`, import.meta.url));
  if (existsSync(cache) && statSync(cache).mtimeMs > statSync(pom).mtimeMs) {
    const kept = readFileSync(cache, "utf8");
    if (kept.length > 0 && kept.split(delimiter).every((jar) => existsSync(jar))) return kept;
  }
  const ask = async (options: readonly string[]): Promise<string | undefined> => {
    const goal = [
      "dependency:build-classpath",
      `-Dmdep.outputFile=${cache}`,
      ...pairs.map((pair) => `-D${pair}`),
    ];
    const child = spawn("mvn", ["--quiet", "--batch-mode", "--file", pom, ...options, ...goal], {
      stdio: "ignore",
      timeout: runTimeoutMs,
    });
    return (await ended(child)).exitCode === 0 ? readFileSync(cache, "utf8") : undefined;
  };
  // What is fetched may fail once. Offline it also answers with what happens to be there, and leaves out the rest.
  return (await ask([])) ?? (await ask([])) ?? (await ask(["--offline"]));
}

export function ended(child: ChildProcess): Promise<{ exitCode: number; signal: string | null }> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ exitCode: code ?? -1, signal }));
  });
}
