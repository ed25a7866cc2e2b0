import assert from "node:assert/strict";
import { test } from "node:test";
import { LogError } from "@strandlog/log";
import { withAdvice } from "./advice.js";

function failed(code: string): Error {
  return Object.assign(new Error(`it failed with ${code}`), { code });
}

function foreign(file: string): LogError {
  return new LogError("FOREIGN_DIRECTORY", "not ours", { details: { file } });
}

test("a start that fails says what may help", () => {
  for (const [error, advice] of [
    [
      new LogError("IO", "cannot listen on :1", { cause: failed("EADDRINUSE") }),
      /another program listens there/,
    ],
    [new LogError("IO", "cannot listen on :1", { cause: failed("EACCES") }), /ports below 1024/],
    [new LogError("IO", "cannot listen on :1", { cause: failed("EADDRNOTAVAIL") }), /no such address/],
    [new LogError("IO", "cannot write", { cause: failed("EACCES") }), /\/data must be writable/],
    [new LogError("LOCKED", "process 1 has it open"), /a directory has one broker/],
    [foreign("meta.properties"), /a Kafka broker's directory cannot be taken over/],
    [foreign("lost+found"), /give one below it/],
    [new LogError("CORRUPT_JOURNAL", "damage"), /strandlog verify --data \/data/],
    [new LogError("DISK_FULL", "full"), /free some space/],
  ] as const) {
    const advised = withAdvice(error, "/data") as LogError;
    assert.match(advised.message, advice);
    assert.ok(advised.message.startsWith(error.message));
    assert.deepEqual([advised.code, advised.cause], [error.code, error.cause]);
  }
});

test("where nothing is known to help, the error stays as it is", () => {
  for (const error of [new LogError("IO", "odd"), new TypeError("a bug"), foreign("notes.txt")]) {
    assert.equal(withAdvice(error, "/data"), error);
  }
});
