// franz-go, the client of choice in Go, against our broker: what go/ does.
//
//   node test/dist/interop/clients/franz-go.js
//
// Needs go, and skips without it. Exits 1 when the client does not get through.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isInstalled } from "../maven.js";
import { tryClient } from "./client-program.js";

const source: string = fileURLToPath(new URL("../../../interop/clients/go", import.meta.url));
const buildTimeoutMs = 600_000;

/** Why there is no program, or where it is. */
function build(directory: string): { readonly program?: string; readonly skipped?: string } {
  if (!isInstalled("go")) return { skipped: "go not installed" };
  const program = join(directory, "franz-go");
  const options = { cwd: source, encoding: "utf8", timeout: buildTimeoutMs } as const;
  const tryOnce = () => spawnSync("go", ["build", "-o", program, "."], options);
  // What is fetched may fail once.
  const first = tryOnce();
  const { status, stderr } = first.status === 0 ? first : tryOnce();
  return status === 0 ? { program } : { skipped: `it could not be built: ${stderr.trim().slice(-500)}` };
}

const directory = mkdtempSync(join(tmpdir(), "strandlog-franz-go-"));
try {
  const version = /franz-go (v\S+)/.exec(readFileSync(join(source, "go.mod"), "utf8"))?.[1];
  const { program, skipped } = build(directory);
  const name = `franz-go ${version}`;
  if (program === undefined) {
    console.log(`${name}: skipped: ${skipped}`);
    // Where the tool is there, a CI run that checks nothing must not pass.
    if (process.env["CI"] === "true" && isInstalled("go")) process.exitCode = 1;
  } else if (!(await tryClient(name, program, (bootstrap) => [bootstrap]))) process.exitCode = 1;
} finally {
  rmSync(directory, { recursive: true });
}
