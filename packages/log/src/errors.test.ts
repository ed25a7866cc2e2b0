// The table of codes and its page, docs/errors.md, say the same.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type ErrorCode, errorCodes, LogError, systemCode } from "./errors.js";

interface Row {
  readonly code: string;
  readonly retriable: string;
  readonly meaning: string;
  readonly advice: string;
}

function documented(): Row[] {
  const page = readFileSync(new URL("../../../docs/errors.md", import.meta.url), "utf8");
  const rows = page.split("\n").filter((line) => line.startsWith("| `"));
  return rows.map((line) => {
    const [, code = "", retriable = "", meaning = "", advice = ""] = line
      .split("|")
      .map((cell) => cell.trim());
    return { code: code.replaceAll("`", ""), retriable, meaning, advice };
  });
}

const codes = Object.keys(errorCodes) as ErrorCode[];

test("the page explains every code of the table, once and in order", () => {
  assert.deepEqual(
    documented().map(({ code }) => code),
    codes,
  );
});

test("the page gives each code the meaning that the table gives it", () => {
  const meanings = Object.fromEntries(documented().map(({ code, meaning }) => [code, meaning]));
  assert.deepEqual(meanings, errorCodes);
});

test("the page says of each code whether it is retriable", () => {
  for (const { code, retriable } of documented()) {
    const expected = new LogError(code as ErrorCode, "").retriable ? "yes" : "no";
    assert.equal(retriable, expected, code);
  }
});

test("the page says for each code what to do", () => {
  for (const { code, advice } of documented()) assert.match(advice, /^[A-Z`].*\.$/, code);
});

test("the codes are in alphabetical order", () => {
  assert.deepEqual(codes, [...codes].sort());
});

test("an error carries its code, its details and its cause", () => {
  const cause = new Error("underneath");
  const error = new LogError("IO", "cannot write x", { cause, details: { path: "x" } });
  assert.ok(error instanceof Error);
  assert.deepEqual([error.name, error.code, error.message], ["LogError", "IO", "cannot write x"]);
  assert.deepEqual(error.details, { path: "x" });
  assert.equal(error.cause, cause);
});

test("an error without details has empty ones and no cause", () => {
  const error = new LogError("CLOSED", "closed");
  assert.deepEqual(error.details, {});
  assert.equal("cause" in error, false);
});

test("the system's code is found behind any number of errors", () => {
  const system = Object.assign(new Error("no space"), { code: "ENOSPC" });
  const inner = new LogError("DISK_FULL", "full", { cause: system });
  assert.equal(systemCode(new LogError("JOURNAL_FAILED", "failed", { cause: inner })), "ENOSPC");
  assert.equal(systemCode(new Error("none")), undefined);
});
