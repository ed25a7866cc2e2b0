// Packs every package as npm would publish it, then asks publint and attw whether it can be imported.
import { execSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const dir = mkdtempSync(join(tmpdir(), "strandlog-pack-"));
try {
  const run = (command) => execSync(command, { stdio: "inherit" });
  run(`npm pack --workspaces --loglevel=error --pack-destination "${dir}"`);
  for (const name of readdirSync(dir)) {
    const tarball = join(dir, name);
    run(`publint --strict "${tarball}"`);
    run(`attw --profile esm-only "${tarball}"`);
  }
} catch {
  process.exitCode = 1; // the tool has said what is wrong
} finally {
  rmSync(dir, { recursive: true });
}
