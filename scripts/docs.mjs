// Runs every js and sh snippet of the README, in order, in an empty directory, and checks that links in the docs lead somewhere.
// The two `npm ci` lines are what .ci/run does itself.
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
let passed = 0;
let failed = 0;

function check(name, action) {
  try {
    action();
    passed++;
  } catch (error) {
    failed++;
    console.error(`not ok: ${name}\n${error.stdout ?? ""}${error.stderr ?? ""}${error.message}\n`);
  }
}

// Below node_modules, so that packages resolve as they do for whoever has installed them.
mkdirSync(join(root, "node_modules/.cache"), { recursive: true });
const directory = mkdtempSync(join(root, "node_modules/.cache/docs-"));
try {
  const snippets = [...readFileSync(join(root, "README.md"), "utf8").matchAll(/```(js|sh)\n(.*?)```/gs)];
  for (const [index, [, language, code]] of snippets.entries()) {
    if (code.includes("npm ci")) continue;
    check(`README.md, snippet ${index + 1}:\n${code}`, () => {
      if (language === "js") {
        writeFileSync(join(directory, "snippet.mjs"), code);
        execFileSync(process.execPath, ["snippet.mjs"], { cwd: directory, stdio: "pipe" });
      } else execFileSync("bash", ["-euo", "pipefail", "-c", code], { cwd: directory, stdio: "pipe" });
    });
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}

const pages = [
  "README.md",
  "ARCHITECTURE.md",
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  ...pagesBelow("docs"),
  ...pagesBelow("bench"),
  ...pagesBelow("examples"),
];
for (const page of pages) {
  for (const [, link] of readFileSync(join(root, page), "utf8").matchAll(/\]\(([^)#]+)[^)]*\)/g)) {
    if (/^[a-z]+:/.test(link)) continue;
    check(`${page}: ${link} leads nowhere`, () => {
      if (!existsSync(join(root, dirname(page), link))) throw new Error("no such file");
    });
  }
}

console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

function pagesBelow(folder) {
  const found = readdirSync(join(root, folder), { recursive: true });
  return found
    .filter((name) => name.endsWith(".md") && !name.includes("node_modules"))
    .map((name) => join(folder, name));
}
