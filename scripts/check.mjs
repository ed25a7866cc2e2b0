// Runs every `check:…` script of package.json and prints a line for each; what the failed ones said comes last.
// Each can be run alone: `npm run check:imports`.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { delimiter, resolve } from "node:path";

const concurrencyMax = 2;
const { scripts } = JSON.parse(readFileSync("package.json", "utf8"));
const env = {
  ...process.env,
  PATH: `${resolve("node_modules/.bin")}${delimiter}${process.env.PATH}`,
  NO_COLOR: "1",
};
const failures = [];

function run(script) {
  const startedMs = performance.now();
  const child = spawn(scripts[script], { shell: true, env, stdio: ["ignore", "pipe", "pipe"] });
  const output = [];
  child.stdout.on("data", (chunk) => output.push(chunk));
  child.stderr.on("data", (chunk) => output.push(chunk));
  return new Promise((done) => {
    child.on("close", (code) => {
      const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
      console.log(`${code === 0 ? "ok  " : "FAIL"}  ${script.padEnd(24)} ${seconds.padStart(5)} s`);
      if (code !== 0) failures.push(`\n--- npm run ${script}\n${Buffer.concat(output)}`);
      done();
    });
  });
}

async function runAll(queue) {
  for (let script = queue.shift(); script !== undefined; script = queue.shift()) await run(script);
}

const checks = Object.keys(scripts).filter((script) => script.startsWith("check:"));
const [types, ...rest] = checks;
await run(types); // it builds what others read
const queue = [...rest];
await Promise.all(Array.from({ length: concurrencyMax }, () => runAll(queue)));

for (const failure of failures) console.log(failure.trimEnd());
console.log(`\n${checks.length - failures.length} checks passed, ${failures.length} failed`);
process.exitCode = failures.length === 0 ? 0 : 1;
