// Keys and certificates in PEM, as Kafka has them: a file that holds both, or the text itself.
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import type { TlsOptions } from "@strandlog/broker";
import { fileText, type Given } from "./sources.js";
import { type Values, wrong } from "./values.js";

/** `listeners`: where it is said that this one speaks TLS. */
export function tlsOf(values: Values, listener: string, listeners: Given): TlsOptions {
  for (const name of ["ssl.keystore.type", "ssl.truststore.type"]) {
    const type = values.find(name, listener);
    if (type !== undefined && type.text.toUpperCase() !== "PEM") {
      throw wrong(type, `must be PEM, not ${type.text}: openssl turns what others hold into it`);
    }
  }
  const pair = keyPairOf(values, listener, listeners);
  const ca = trustedBy(values, listener);
  return {
    ...pair,
    ...(ca === undefined ? {} : { ca }),
    requestClientCert: wantsClientCert(values, listener, ca !== undefined),
  };
}

function keyPairOf(values: Values, listener: string, listeners: Given): { key: string; cert: string } {
  const find = (name: string): Given | undefined => values.find(name, listener);
  const location = find("ssl.keystore.location");
  const inFile = location === undefined ? undefined : pemOf(location, true);
  const keyFrom = find("ssl.keystore.key") ?? location;
  const certFrom = find("ssl.keystore.certificate.chain") ?? location;
  if (keyFrom === undefined || certFrom === undefined) {
    const hint =
      "ssl.keystore.location, a file with both in PEM, or ssl.keystore.key and ssl.keystore.certificate.chain";
    throw wrong(listeners, `has ${listener}, which needs a key and its certificate: ${hint}`);
  }
  const keyPem = blocks(keyFrom === location ? inFile : pemOf(keyFrom, false), "PRIVATE KEY")[0];
  if (keyPem === undefined) throw wrong(keyFrom, "holds no private key in PEM");
  const certs = blocks(certFrom === location ? inFile : pemOf(certFrom, false), "CERTIFICATE");
  if (certs.length === 0) throw wrong(certFrom, "holds no certificate in PEM");
  const key = privateKey(keyPem, keyFrom, find("ssl.key.password"));
  const cert = certs.join("");
  if (!certificate(certs[0] as string, certFrom).checkPrivateKey(key)) {
    throw wrong(certFrom, "must begin with the certificate of the key, and does not");
  }
  return { key: key.export({ type: "pkcs8", format: "pem" }) as string, cert };
}

function trustedBy(values: Values, listener: string): string | undefined {
  const text = values.find("ssl.truststore.certificates", listener);
  const location = text === undefined ? values.find("ssl.truststore.location", listener) : undefined;
  const given = text ?? location;
  if (given === undefined) return undefined;
  const certs = blocks(pemOf(given, given === location), "CERTIFICATE");
  if (certs.length === 0) throw wrong(given, "holds no certificate in PEM");
  for (const cert of certs) certificate(cert, given);
  return certs.join("");
}

function wantsClientCert(values: Values, listener: string, hasTrusted: boolean): boolean {
  const given = values.find("ssl.client.auth", listener);
  if (given === undefined || given.text === "none") return false;
  if (given.text !== "required") {
    throw wrong(given, `must be none or required, not ${JSON.stringify(given.text)}`);
  }
  if (hasTrusted) return true;
  throw wrong(given, "needs ssl.truststore.location, which says whose certificates are let in");
}

function privateKey(pem: string, given: Given, password: Given | undefined): KeyObject {
  try {
    return createPrivateKey(password === undefined ? pem : { key: pem, passphrase: password.text });
  } catch (cause) {
    const hint = password === undefined ? "" : ` with ssl.key.password (${password.origin})`;
    throw wrong(given, `cannot be read as a private key${hint}: ${(cause as Error).message}`, cause);
  }
}

function certificate(pem: string, given: Given): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw wrong(given, `cannot be read as a certificate: ${(cause as Error).message}`, cause);
  }
}

function pemOf(given: Given, isPath: boolean): string {
  return isPath ? fileText(given.text, given.key) : given.text;
}

/** Whole blocks whose label ends so. What stands in one line, as in a properties file, is brought into its form. */
function blocks(pem: string | undefined, label: string): string[] {
  const found = (pem ?? "").matchAll(/-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----/gs);
  return [...found]
    .filter(([, own = ""]) => own.endsWith(label))
    .map(([, own, body = ""]) => {
      const lines = body.includes("\n")
        ? body.trim()
        : body.replaceAll(/\s+/g, "").replaceAll(/.{64}/g, "$&\n");
      return `-----BEGIN ${own}-----\n${lines.trim()}\n-----END ${own}-----\n`;
    });
}
