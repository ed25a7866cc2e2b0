import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { makeCertificate } from "./test-support.js";
import { tlsOf } from "./tls.js";
import { Values } from "./values.js";

const listeners = { key: "listeners", text: "SSL://:9093", origin: "here" };

function tls(given: Readonly<Record<string, string>>) {
  const source = Object.entries(given).map(([key, text]) => ({ key, text, origin: "here" }));
  return tlsOf(new Values([source]), "SSL", listeners);
}

test("key and certificate come from a file that holds both, or as text, also in one line", (t) => {
  const pem = makeCertificate(t);
  if (pem === undefined) return;
  const path = join(pem.directory, "keystore.pem");
  writeFileSync(path, pem.cert + pem.key);
  const expected = { key: pem.key, cert: pem.cert, requestClientCert: false };
  assert.deepEqual(tls({ "ssl.keystore.type": "PEM", "ssl.keystore.location": path }), expected);
  const texts = { "ssl.keystore.key": pem.key, "ssl.keystore.certificate.chain": pem.cert };
  assert.deepEqual(tls(texts), expected);
  const inOneLine = (text: string) => text.trim().replaceAll("\n", " ");
  const lines = {
    "listener.name.ssl.ssl.keystore.key": inOneLine(pem.key),
    "listener.name.ssl.ssl.keystore.certificate.chain": inOneLine(pem.cert),
    "ssl.keystore.key": "another listener's",
  };
  assert.deepEqual(tls(lines), expected);
});

test("a key under a password is opened with it", (t) => {
  const pem = makeCertificate(t);
  if (pem === undefined) return;
  const key = createPrivateKey(pem.key).export({
    type: "pkcs8",
    format: "pem",
    cipher: "aes-256-cbc",
    passphrase: "secret",
  }) as string;
  const given = { "ssl.keystore.key": key, "ssl.keystore.certificate.chain": pem.cert };
  assert.equal(tls({ ...given, "ssl.key.password": "secret" }).key, pem.key);
  assert.throws(
    () => tls({ ...given, "ssl.key.password": "other" }),
    /ssl.keystore.key cannot be read .* with ssl.key/,
  );
  assert.throws(() => tls(given), /ssl.keystore.key cannot be read as a private key/);
});

test("clients' certificates are asked for if it is said whose are let in", (t) => {
  const pem = makeCertificate(t);
  if (pem === undefined) return;
  const pair = { "ssl.keystore.key": pem.key, "ssl.keystore.certificate.chain": pem.cert };
  const required = { ...pair, "ssl.client.auth": "required" };
  assert.throws(() => tls(required), /ssl.client.auth needs ssl.truststore.location/);
  const path = join(pem.directory, "truststore.pem");
  writeFileSync(path, `some words before\n${pem.cert}${pem.cert}`);
  const { ca, requestClientCert } = tls({ ...required, "ssl.truststore.location": path });
  assert.deepEqual([ca, requestClientCert], [pem.cert + pem.cert, true]);
  const asText = tls({ ...pair, "ssl.client.auth": "none", "ssl.truststore.certificates": pem.cert });
  assert.deepEqual([asText.ca, asText.requestClientCert], [pem.cert, false]);
});

test("what cannot be used is refused by its key", (t) => {
  const pem = makeCertificate(t);
  const other = makeCertificate(t);
  if (pem === undefined || other === undefined) return;
  const pair = { "ssl.keystore.key": pem.key, "ssl.keystore.certificate.chain": pem.cert };
  for (const [given, message] of [
    [{}, /listeners has SSL, which needs a key and its certificate/],
    [{ "ssl.keystore.key": pem.key }, /listeners has SSL, which needs a key and its certificate/],
    [{ ...pair, "ssl.keystore.type": "JKS" }, /ssl.keystore.type must be PEM, not JKS/],
    [{ "ssl.keystore.location": "/nowhere.pem" }, /cannot read ssl.keystore.location from \/nowhere.pem/],
    [{ ...pair, "ssl.keystore.key": pem.cert }, /ssl.keystore.key holds no private key/],
    [{ ...pair, "ssl.keystore.certificate.chain": "none" }, /certificate.chain holds no certificate/],
    [{ ...pair, "ssl.keystore.certificate.chain": other.cert }, /must begin with the certificate of the key/],
    [
      {
        ...pair,
        "ssl.keystore.certificate.chain": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
      },
      /certificate.chain cannot be read as a certificate/,
    ],
    [{ ...pair, "ssl.truststore.certificates": "none" }, /truststore.certificates holds no certificate/],
    [{ ...pair, "ssl.client.auth": "requested" }, /must be none or required, not "requested"/],
  ] as const) {
    assert.throws(() => tls(given), message);
  }
});
