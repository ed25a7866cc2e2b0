// Kafka's own Java clients against our broker: what java/RoundTrip.java does, with each version of the client, once as
// it is and once by TLS and a mechanism of SASL.
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
import { type Broker, type ListenerOptions, listen, type SaslMechanism, setUser } from "strandlog/broker";
import { classpathOf, ended, isInstalled } from "../maven.js";
import { makeCertificate } from "./certificate.js";

const versions: readonly (readonly [version: string, mechanism: SaslMechanism])[] = [
  ["3.6.2", "PLAIN"],
  ["3.9.1", "SCRAM-SHA-256"],
  ["4.1.0", "SCRAM-SHA-512"],
];
const runTimeoutMs = 180_000;
const source = (name: string): string =>
  fileURLToPath(new URL(`../../../interop/clients/java/${name}`, import.meta.url));

async function run(version: string, mechanism: SaslMechanism): Promise<boolean> {
  const classpath = await classpathOf(source("pom.xml"), { "kafka.version": version });
  if (classpath === undefined) {
    console.log(`Java client ${version}: skipped: Maven could not resolve its jars`);
    return process.env["CI"] !== "true";
  }
  const isPlainWell = await roundTrip(`Java client ${version}`, classpath, { kafka: 0 }, []);
  const name = `Java client ${version}, ${mechanism} by TLS`;
  if (!isInstalled("openssl")) {
    console.log(`${name}: skipped: openssl not installed`);
    return isPlainWell;
  }
  const directory = mkdtempSync(join(tmpdir(), "strandlog-java-tls-"));
  try {
    const { key, cert, certFile } = makeCertificate(directory);
    const configs = [
      "security.protocol=SASL_SSL",
      "ssl.truststore.type=PEM",
      `ssl.truststore.location=${certFile}`,
      `sasl.mechanism=${mechanism}`,
      `sasl.jaas.config=${loginModule(mechanism)} required username="java" password="secret";`,
    ];
    const listener = { kafka: 0, tls: { key, cert }, sasl: [mechanism] };
    return (await roundTrip(name, classpath, listener, configs)) && isPlainWell;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function loginModule(mechanism: SaslMechanism): string {
  const kind = mechanism === "PLAIN" ? "plain.Plain" : "scram.Scram";
  return `org.apache.kafka.common.security.${kind}LoginModule`;
}

async function roundTrip(
  name: string,
  classpath: string,
  listener: ListenerOptions,
  configs: readonly string[],
): Promise<boolean> {
  const directory = mkdtempSync(join(tmpdir(), "strandlog-java-"));
  const log = await openLog(directory);
  await setUser(log, "java", "secret");
  const broker: Broker = await listen(log, { listeners: [listener] });
  try {
    const args = ["-cp", classpath, source("RoundTrip.java"), broker.bootstrap, ...configs];
    const child = spawn("java", args, { stdio: ["ignore", "pipe", "pipe"], timeout: runTimeoutMs });
    const lines: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => lines.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => lines.push(chunk));
    const { exitCode, signal } = await ended(child);
    const output = Buffer.concat(lines).toString();
    const passed = output.match(/^ok: /gm)?.length ?? 0;
    console.log(`${name}: ${passed} passed, ${exitCode === 0 ? 0 : 1} failed`);
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
else for (const each of versions) if (!(await run(...each))) process.exitCode = 1;
