// Kafka's own Java clients against our broker: what java/RoundTrip.java and java/Transactions.java do, with each version
// of the client.
//
//   node test/dist/interop/clients/java-clients.js
//
// Needs java and mvn, and skips without them. Exits 1 when a client does not get through.
import { fileURLToPath } from "node:url";
import { classpathOf, isInstalled } from "../maven.js";
import { tryClient } from "./client-program.js";

const versions = ["3.6.2", "3.9.1", "4.1.0"];
const programs = ["RoundTrip", "Transactions"];
const source = (name: string): string =>
  fileURLToPath(new URL(`../../../interop/clients/java/${name}`, import.meta.url));

async function run(version: string): Promise<boolean> {
  const classpath = await classpathOf(source("pom.xml"), { "kafka.version": version });
  if (classpath === undefined) {
    console.log(`Java client ${version}: skipped: Maven could not resolve its jars`);
    return process.env["CI"] !== "true";
  }
  let isFine = true;
  for (const program of programs) {
    const file = source(`${program}.java`);
    const argsFor = (bootstrap: string) => ["-cp", classpath, file, bootstrap, file];
    isFine = (await tryClient(`Java client ${version}, ${program}`, "java", argsFor)) && isFine;
  }
  return isFine;
}

const missing = ["java", "mvn"].filter((command) => !isInstalled(command));
if (missing.length > 0) console.log(`Java clients: skipped: ${missing.join(" and ")} not installed`);
else for (const version of versions) if (!(await run(version))) process.exitCode = 1;
