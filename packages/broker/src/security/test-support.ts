// Certificates for tests, made while they run: X.509 (RFC 5280) in as few words as TLS takes.
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";

export interface Certificate {
  readonly name: string;
  readonly privateKey: KeyObject;
  /** As PEM. */
  readonly key: string;
  readonly cert: string;
}

const oid = {
  ecdsaWithSha256: "06082a8648ce3d040302",
  commonName: "0603550403",
  subjectAltName: "0603551d11",
  basicConstraints: "0603551d13",
} as const;

/** For localhost and 127.0.0.1. Signed by `issuer`, or by itself: then it may sign others. */
export function certificate(name: string, issuer?: Certificate): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = sequence(hex(oid.ecdsaWithSha256));
  const names = sequence(der(0x82, Buffer.from("localhost")), der(0x87, Buffer.of(127, 0, 0, 1)));
  const isAuthority = issuer === undefined ? sequence(der(0x01, Buffer.of(0xff))) : sequence();
  const extensions = sequence(
    sequence(hex(oid.basicConstraints), der(0x04, isAuthority)),
    sequence(hex(oid.subjectAltName), der(0x04, names)),
  );
  const content = sequence(
    der(0xa0, der(0x02, Buffer.of(2))), // version 3
    der(0x02, Buffer.from(`01${Buffer.from(name).toString("hex")}`.slice(0, 38), "hex")),
    algorithm,
    nameOf(issuer?.name ?? name),
    sequence(der(0x17, Buffer.from("200101000000Z")), der(0x17, Buffer.from("491231235959Z"))),
    nameOf(name),
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, extensions),
  );
  const signature = sign("sha256", content, issuer?.privateKey ?? privateKey);
  const bytes = sequence(content, algorithm, der(0x03, Buffer.of(0), signature));
  return {
    name,
    privateKey,
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${bytes.toString("base64")}\n-----END CERTIFICATE-----\n`,
  };
}

function nameOf(text: string): Buffer {
  return sequence(der(0x31, sequence(hex(oid.commonName), der(0x0c, Buffer.from(text)))));
}

function sequence(...parts: Buffer[]): Buffer {
  return der(0x30, ...parts);
}

function hex(text: string): Buffer {
  return Buffer.from(text, "hex");
}

/** Tag, length, content. */
function der(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  if (length < 128) return Buffer.concat([Buffer.of(tag, length), content]);
  return Buffer.concat([Buffer.of(tag, 0x82, length >> 8, length & 255), content]);
}
