// Certificates for tests, made while they run: X.509 (RFC 5280) in as few words as TLS takes. And a client's side of
// SCRAM, as RFC 5802 tells it.
import {
  createHash,
  createHmac,
  generateKeyPairSync,
  type KeyObject,
  pbkdf2Sync,
  randomBytes,
  sign,
} from "node:crypto";
import type { ScramMechanism } from "./scram.js";

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

export class ScramClient {
  readonly #algorithm: string;
  readonly #bare: string;
  readonly #password: string;
  #expected = "";

  constructor(
    mechanism: ScramMechanism,
    user: string,
    password: string,
    nonce: string = randomBytes(12).toString("base64"),
  ) {
    this.#algorithm = mechanism === "SCRAM-SHA-256" ? "sha256" : "sha512";
    this.#bare = `n=${user},r=${nonce}`;
    this.#password = password;
  }

  get first(): Buffer {
    return Buffer.from(`n,,${this.#bare}`);
  }

  /** What it says last; it should repeat the nonce as the server has said it. */
  final(challenge: Buffer, repeated?: string): Buffer {
    const { r: nonce = "", s = "", i = "" } = attributesOf(challenge);
    const r = repeated ?? nonce;
    const { length } = this.#hash(Buffer.alloc(0));
    const salt = Buffer.from(s, "base64");
    const salted = pbkdf2Sync(this.#password, salt, Number(i), length, this.#algorithm);
    const clientKey = this.#hmac(salted, "Client Key");
    const message = `${this.#bare},${challenge},c=biws,r=${r}`;
    const signature = this.#hmac(this.#hash(clientKey), message);
    const proof = clientKey.map((byte, n) => byte ^ (signature[n] ?? 0));
    this.#expected = `v=${this.#hmac(this.#hmac(salted, "Server Key"), message).toString("base64")}`;
    return Buffer.from(`c=biws,r=${r},p=${Buffer.from(proof).toString("base64")}`);
  }

  /** Whether the server knows the credential, too. */
  isProof(token: Buffer): boolean {
    return token.toString() === this.#expected;
  }

  #hash(bytes: Buffer): Buffer {
    return createHash(this.#algorithm).update(bytes).digest();
  }

  #hmac(key: Buffer, text: string): Buffer {
    return createHmac(this.#algorithm, key).update(text).digest();
  }
}

export function attributesOf(message: Buffer): Partial<Record<string, string>> {
  const parts = message.toString().split(",");
  return Object.fromEntries(parts.map((part) => [part.slice(0, 1), part.slice(2)]));
}
