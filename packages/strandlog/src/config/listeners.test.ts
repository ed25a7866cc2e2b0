import assert from "node:assert/strict";
import { test } from "node:test";
import { listenersOf } from "./listeners.js";
import { Values } from "./values.js";

function listeners(given: Readonly<Record<string, string>>) {
  const source = Object.entries(given).map(([key, text]) => ({ key, text, origin: "here" }));
  return listenersOf(new Values([source]));
}

test("a listener is a name and an address; an address alone is one for everybody, an empty host all interfaces", () => {
  assert.deepEqual(listeners({ listeners: "127.0.0.1:9092" }), [
    { name: "PLAINTEXT", kafka: "127.0.0.1:9092" },
  ]);
  assert.deepEqual(listeners({ listeners: "plaintext://:9092" }), [
    { name: "PLAINTEXT", kafka: "0.0.0.0:9092" },
  ]);
  assert.deepEqual(listeners({ listeners: "PLAINTEXT://[::1]:0" }), [
    { name: "PLAINTEXT", kafka: "[::1]:0" },
  ]);
});

test("several listeners have names, protocols and addresses of their own", () => {
  const found = listeners({
    listeners: "INTERNAL://127.0.0.1:9092, EXTERNAL://0.0.0.0:9094",
    "advertised.listeners": "EXTERNAL://broker.example:9094",
    "listener.security.protocol.map": "INTERNAL:PLAINTEXT,EXTERNAL:SASL_PLAINTEXT",
    "sasl.enabled.mechanisms": "PLAIN",
    "listener.name.external.sasl.enabled.mechanisms": "SCRAM-SHA-256, scram-sha-512",
  });
  assert.deepEqual(found, [
    { name: "INTERNAL", kafka: "127.0.0.1:9092" },
    {
      name: "EXTERNAL",
      kafka: "0.0.0.0:9094",
      advertise: "broker.example:9094",
      sasl: ["SCRAM-SHA-256", "SCRAM-SHA-512"],
    },
  ]);
});

test("what a single listener is called from outside needs no name", () => {
  const given = { listeners: "INTERNAL://:9092", "listener.security.protocol.map": "INTERNAL:PLAINTEXT" };
  const [found] = listeners({ ...given, "advertised.listeners": "broker.example:9092" });
  assert.equal(found?.advertise, "broker.example:9092");
});

test("listeners that cannot be are refused by the key that is wrong", () => {
  const internal = { listeners: "INTERNAL://:9092" };
  const sasl = { listeners: "SASL_PLAINTEXT://:9092" };
  for (const [given, message] of [
    [{ listeners: "nowhere" }, /listeners must be HOST:PORT, or a list .* not "nowhere" \(here\)/],
    [{ listeners: "PLAINTEXT://host" }, /listeners must be/],
    [{ listeners: "PLAINTEXT://:65536" }, /listeners must be/],
    [{ listeners: "A://:1,a://:2" }, /listeners has A twice/],
    [{ listeners: "," }, /listeners names no listener/],
    [{ listeners: "A://:1", "controller.listener.names": "A" }, /listeners names no listener/],
    [internal, /what INTERNAL speaks: say INTERNAL:PROTOCOL in listener.security.protocol.map/],
    [
      { ...internal, "listener.security.protocol.map": "INTERNAL:TLS" },
      /NAME:PROTOCOL .* not "INTERNAL:TLS"/,
    ],
    [sasl, /needs sasl.enabled.mechanisms: one or several of PLAIN, /],
    [{ ...sasl, "sasl.enabled.mechanisms": "GSSAPI" }, /must be one or several of .* not "GSSAPI"/],
    [{ "advertised.listeners": "OTHER://a:1" }, /names OTHER, but listeners are PLAINTEXT/],
    [{ "advertised.listeners": "0.0.0.0:1" }, /must have a host that clients can connect to/],
    [
      { listeners: "PLAINTEXT://:1,SASL_PLAINTEXT://:2", "advertised.listeners": "a:1" },
      /which of the listeners is meant: PLAINTEXT, SASL_PLAINTEXT/,
    ],
    [
      { listeners: "SSL://:9092" },
      /listeners has SSL, which needs a key and its certificate: ssl.keystore.location/,
    ],
  ] as const) {
    assert.throws(() => listeners(given), message);
  }
});
