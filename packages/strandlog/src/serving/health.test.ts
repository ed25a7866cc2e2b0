import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";
import { LogError } from "@strandlog/log";
import { openHealth } from "./health.js";
import { Readiness } from "./readiness.js";

async function opened(t: TestContext) {
  const readiness = new Readiness();
  const health = await openHealth("127.0.0.1:0", readiness);
  t.after(() => health.close());
  const ask = async (path: string, method = "GET") => {
    const response = await fetch(`http://${health.address}${path}`, { method });
    const text = await response.text();
    return [response.status, text === "" ? undefined : (JSON.parse(text) as unknown)];
  };
  return { readiness, health, ask };
}

test("it is ready from when it listens until it drains, and says why not before and after", async (t) => {
  const { readiness, ask } = await opened(t);
  assert.deepEqual(await ask("/readyz"), [503, { status: "not ready", reason: "starting" }]);
  readiness.recovering();
  assert.deepEqual(await ask("/readyz"), [503, { status: "not ready", reason: "recovering" }]);
  readiness.ready(() => undefined);
  assert.deepEqual(await ask("/readyz?verbose"), [200, { status: "ready" }]);
  readiness.draining();
  assert.deepEqual(await ask("/readyz"), [503, { status: "not ready", reason: "draining" }]);
  assert.deepEqual(await ask("/healthz"), [200, { status: "alive" }]);
});

test("a full disk is told and is not unreadiness; a journal that has failed is, for good", async (t) => {
  const { readiness, ask } = await opened(t);
  readiness.ready(() => "checkpoint: the disk is full");
  assert.deepEqual(await ask("/readyz"), [200, { status: "ready", trouble: "checkpoint: the disk is full" }]);
  readiness.failed("the journal has failed");
  assert.deepEqual(await ask("/readyz"), [503, { status: "not ready", reason: "the journal has failed" }]);
  assert.deepEqual(await ask("/healthz"), [200, { status: "alive" }]);
});

test("other paths and methods are refused", async (t) => {
  const { ask } = await opened(t);
  assert.deepEqual(await ask("/"), [404, { error: "there are /healthz and /readyz" }]);
  assert.deepEqual(await ask("/healthz/more"), [404, { error: "there are /healthz and /readyz" }]);
  assert.deepEqual(await ask("/healthz", "POST"), [405, { error: "GET is what is answered" }]);
  assert.deepEqual(await ask("/healthz", "HEAD"), [200, undefined]);
});

test("what is no request, or too long a one, ends its connection and nothing else", async (t) => {
  const { health, ask } = await opened(t);
  const port = Number(health.address.split(":")[1]);
  for (const bytes of ["\x16\x03\x01 hello\r\n\r\n", `GET /${"a".repeat(20_000)} HTTP/1.1\r\n\r\n`]) {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => undefined).resume();
    socket.write(bytes);
    await once(socket, "close");
  }
  assert.deepEqual(await ask("/healthz"), [200, { status: "alive" }]);
});

test("closing ends connections that are silent", async (t) => {
  const { health } = await opened(t);
  const socket = connect(Number(health.address.split(":")[1]), "127.0.0.1");
  await once(socket, "connect");
  const closed = once(
    socket.on("error", () => undefined),
    "close",
  );
  await health.close();
  await closed;
});

test("an address that is taken is told", async (t) => {
  const { health } = await opened(t);
  await assert.rejects(openHealth(health.address, new Readiness()), (error) => {
    return (
      error instanceof LogError &&
      error.code === "IO" &&
      error.message.includes(`listen on ${health.address}`)
    );
  });
});
