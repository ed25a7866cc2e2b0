import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { cliTest } from "./test-support.js";

cliTest("users are made, listed and deleted; passwords come by standard input", async (cli) => {
  for (const name of ["billing", "audit"]) {
    const made = await cli.pipe(`pass of ${name}\r\nsecond line\n`, "users", "set", name);
    assert.equal(made.stdout.toString(), `set the user ${name}\n`, made.stderr);
  }
  const changed = await cli.pipe("other", "users", "set", "audit", "--iterations", "8192", "--json");
  assert.deepEqual(JSON.parse(changed.stdout.toString()), { user: "audit" });
  assert.equal((await cli.run("users", "list")).stdout.toString(), "audit\nbilling\n");
  const deleted = await cli.run("users", "delete", "audit");
  assert.equal(deleted.stdout.toString(), "deleted the user audit\n");
  const { stdout } = await cli.run("users", "list", "--json");
  assert.equal(stdout.toString(), '{"user":"billing"}\n');
});

cliTest("a password may come by the environment, and is nowhere in the files", async (cli) => {
  const made = await cli.runWith({ STRANDLOG_PASSWORD: "open sesame" }, "users", "set", "billing");
  assert.equal(made.code, 0, made.stderr);
  for (const entry of readdirSync(cli.data, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    assert.equal(readFileSync(join(entry.parentPath, entry.name)).includes("sesame"), false);
  }
});

cliTest("what cannot be done about users ends with a code that says so", async (cli) => {
  const nowhere = await cli.run("users", "list");
  assert.match(nowhere.stderr, /NO_LOG/);
  const silent = await cli.pipe("\n", "users", "set", "billing");
  assert.deepEqual([silent.code, /no password/.test(silent.stderr)], [1, true]);
  for (const [name, ...options] of [["a\tb"], [""], ["billing", "--iterations", "7"]] as const) {
    const { code, stderr } = await cli.pipe("secret", "users", "set", name, ...options);
    assert.deepEqual([code, /INVALID_ARGUMENT/.test(stderr)], [2, true], stderr);
  }
  const unknown = await cli.run("users", "delete", "nobody");
  assert.deepEqual([unknown.code, /NO_USER/.test(unknown.stderr)], [4, true]);
});
