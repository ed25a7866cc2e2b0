// Kafka's own Java clients against our broker: what java/RoundTrip.java, java/Transactions.java and java/Users.java do, with
// each version of the client, and the first of them again by TLS and a mechanism of SASL.
//
//   node test/dist/interop/clients/java-clients.js
//
// Needs java and mvn, and skips without them. Exits 1 when a client does not get through.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { SaslMechanism } from "strandlog/broker";
import { classpathOf, isInstalled } from "../maven.js";
import { makeCertificate } from "./certificate.js";
import { tryClient, user } from "./client-program.js";

const versions: readonly (readonly [version: string, mechanism: SaslMechanism])[] = [
  ["3.6.2", "PLAIN"],
  ["3.9.1", "SCRAM-SHA-256"],
  ["4.1.0", "SCRAM-SHA-512"],
];
const source = (name: string): string =>
  fileURLToPath(new URL(`../../../interop/clients/java/${name}`, import.meta.url));
const roundTrip = source("RoundTrip.java");
const transactions = source("Transactions.java");
const users = source("Users.java");

async function run(version: string, mechanism: SaslMechanism): Promise<boolean> {
  const classpath = await classpathOf(source("pom.xml"), { "kafka.version": version });
  if (classpath === undefined) {
    console.log(`Java client ${version}: skipped: Maven could not resolve its jars`);
    return process.env["CI"] !== "true";
  }
  const java = (...args: readonly string[]): string[] => ["-cp", classpath, ...args];
  const name = `Java client ${version}`;
  const outcomes = [
    await tryClient(`${name}, round trip`, "java", (bootstrap) => java(roundTrip, bootstrap)),
    // It starts itself again, to be killed.
    await tryClient(`${name}, transactions`, "java", (bootstrap) =>
      java(transactions, bootstrap, transactions),
    ),
    await tryClient(
      `${name}, users`,
      "java",
      (bootstrap, asking = "") => java(users, bootstrap, asking),
      { kafka: 0 },
      { kafka: 0, sasl: ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] },
    ),
    await securely(`${name}, ${mechanism} by TLS`, java, mechanism),
  ];
  return outcomes.every((isFine) => isFine);
}

async function securely(
  name: string,
  java: (...args: readonly string[]) => string[],
  mechanism: SaslMechanism,
): Promise<boolean> {
  if (!isInstalled("openssl")) {
    console.log(`${name}: skipped: openssl not installed`);
    return true;
  }
  const directory = mkdtempSync(join(tmpdir(), "strandlog-java-tls-"));
  try {
    const { key, cert, certFile } = makeCertificate(directory);
    const configs = [
      "security.protocol=SASL_SSL",
      "ssl.truststore.type=PEM",
      `ssl.truststore.location=${certFile}`,
      `sasl.mechanism=${mechanism}`,
      `sasl.jaas.config=${loginModule(mechanism)} required username="${user.name}" password="${user.password}";`,
    ];
    const listener = { kafka: 0, tls: { key, cert }, sasl: [mechanism] };
    return await tryClient(name, "java", (bootstrap) => java(roundTrip, bootstrap, ...configs), listener);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function loginModule(mechanism: SaslMechanism): string {
  const kind = mechanism === "PLAIN" ? "plain.Plain" : "scram.Scram";
  return `org.apache.kafka.common.security.${kind}LoginModule`;
}

const missing = ["java", "mvn"].filter((command) => !isInstalled(command));
if (missing.length > 0) console.log(`Java clients: skipped: ${missing.join(" and ")} not installed`);
else for (const each of versions) if (!(await run(...each))) process.exitCode = 1;
