import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { LogError } from "@strandlog/log";
import { errorFields, readable } from "./logger.js";

const time = "2026-01-02T03:04:05.678Z";

function words(line: object): string {
  return stripVTControlCharacters(readable(JSON.stringify(line)));
}

test("for people a line is time, level, message and what belongs to it", () => {
  const line = { level: "info", time, event: "listening", kafka: "127.0.0.1:9092", ms: 35, msg: "listening" };
  assert.equal(words(line), "03:04:05.678 info  listening kafka=127.0.0.1:9092 ms=35\n");
  assert.equal(words({ level: "warn", time, msg: "hm" }), "03:04:05.678 warn  hm\n");
  const why = { why: 'said "no"', list: ["a", 1] };
  assert.equal(
    words({ level: "warn", time, ...why, msg: "hm" }),
    `03:04:05.678 warn  hm why="said \\"no\\"" list=["a",1]\n`,
  );
});

test("what a client has sent cannot command a terminal", () => {
  const line = readable(
    JSON.stringify({ level: "warn", time, error: "a\u001b[2Jb\u009bc", msg: "d\u001b]0;e\u0007\r" }),
  );
  const controls = [...stripVTControlCharacters(line)].filter((character) => /\p{Cc}/u.test(character));
  assert.deepEqual(controls, ["\n"]);
});

test("an error that was foreseen has a code, another one a stack", () => {
  assert.deepEqual(errorFields(new LogError("IO", "no")), { error: "no", code: "IO" });
  const { error, stack } = errorFields(new TypeError("oh"));
  assert.deepEqual([error, /TypeError: oh\n +at /.test(String(stack))], ["oh", true]);
  assert.deepEqual(errorFields("oh"), { error: "oh" });
  assert.match(
    words({ level: "error", time, msg: "m", stack: "E: oh\n    at x" }),
    /error m\nE: oh\n {6}at x\n/,
  );
});
