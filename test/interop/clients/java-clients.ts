// Kafka's own Java clients against our broker: what java/RoundTrip.java does, with each version of the client.
//
//   node test/dist/interop/clients/java-clients.js
//
// Needs java and mvn, and skips without them. Exits 1 when a client does not get through.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openLog } from "@strandlog/log";
import { listen } from "strandlog/broker";
import { classpathOf, ended, isInstalled } from "../maven.js";

const versions = ["3.6.2", "3.9.1", "4.1.0"];
const runTimeoutMs = 180_000;
const source = (name: string): string =>
  fileURLToPath(new URL(`../../../interop/clients/java/${name}`, import.meta.url));

async function run(version: string): Promise<boolean> {
  const classpath = await classpathOf(source("pom.xml"), { "kafka.version": version });
  if (classpath === undefined) {
    console.log(`Java client ${version}: skipped: Maven could not resolve its jars`);
    return process.env["CI"] !== "true";
  }
  const directory = mkdtempSync(join(tmpdir(), "strandlog-java-"));
  const log = await openLog(directory);
  const broker = await listen(log, { kafka: 0 });
  try {
    const args = ["-cp", classpath, source("RoundTrip.java"), broker.bootstrap];
    const child = spawn("java", args, { stdio: ["ignore", "pipe", "pipe"], timeout: runTimeoutMs });
    const lines: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => lines.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => lines.push(chunk));
    const { exitCode, signal } = await ended(child);
    const output = Buffer.concat(lines).toString();
    const passed = output.match(/^ok: /gm)?.length ?? 0;
    console.log(`Java client ${version}: ${passed} passed, ${exitCode === 0 ? 0 : 1} failed`);
    if (exitCode !== 0) console.log(`${signal ?? `exit code ${exitCode}`}\n${output}`);
    return exitCode === 0;
  } finally {
    await broker.close();
    await log.close();
    rmSync(directory, { recursive: true });
  }
}

const missing = ["java", "mvn"].filter((command) => !isInstalled(command));
if (missing.length > 0) console.log(`Java clients: skipped: ${missing.join(" and ")} not installed`);
else for (const version of versions) if (!(await run(version))) process.exitCode = 1;
