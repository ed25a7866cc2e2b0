// Runs every js and sh snippet of the README and of the guides, a page's in order and in an empty directory of its own. What
// a js snippet says that it prints (`// => …`, line by line) is what it has to print. Checks too that the docs' links lead
// somewhere. The two `npm ci` lines are what .ci/run does itself.
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
const cache = join(root, "node_modules/.cache");
mkdirSync(cache, { recursive: true });

/** One page's snippets share a directory that is empty at first; each is a process of its own. */
function runSnippets(page) {
  const directory = mkdtempSync(join(cache, "docs-"));
  // So long none takes, on whatever machine, unless it never ends.
  const options = { cwd: directory, stdio: "pipe", encoding: "utf8", timeout: 300_000 };
  try {
    const snippets = [...readFileSync(join(root, page), "utf8").matchAll(/```(js|sh)\n(.*?)```/gs)];
    for (const [index, [, language, code]] of snippets.entries()) {
      if (code.includes("npm ci")) continue;
      check(`${page}, snippet ${index + 1}:\n${code}`, () => {
        if (language === "sh") return void execFileSync("bash", ["-euo", "pipefail", "-c", code], options);
        writeFileSync(join(directory, "snippet.mjs"), code);
        const printed = execFileSync(process.execPath, ["snippet.mjs"], options);
        const promised = [...code.matchAll(/\/\/ => (.*)$/gm)].map(([, line]) => line).join("\n");
        if (promised !== "" && printed.trimEnd() !== promised)
          throw new Error(`it says that it prints\n${promised}\nand prints\n${printed}`);
      });
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

runSnippets("README.md");
for (const page of pagesBelow("docs/guides")) runSnippets(page);

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
