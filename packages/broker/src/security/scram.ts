// SCRAM (RFC 5802, RFC 7677) on the server's side, without I/O: a client proves that it knows the password and learns
// that the server knows what it keeps of it, and neither says anything that would let others in.
import { createHash, createHmac, pbkdf2, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";

export type ScramMechanism = "SCRAM-SHA-256" | "SCRAM-SHA-512";

/** What is kept of a password for one mechanism: enough to check it, not enough to be let in with it. */
export interface ScramCredential {
  readonly salt: Buffer;
  readonly iterations: number;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

export const scramMechanisms: readonly ScramMechanism[] = ["SCRAM-SHA-256", "SCRAM-SHA-512"];
export const iterationsMin = 4096;
export const iterationsMax = 16_384;

const algorithms = { "SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512" } as const;
const keyBytes = { "SCRAM-SHA-256": 32, "SCRAM-SHA-512": 64 } as const;
const stretch = promisify(pbkdf2);

export function keyBytesOf(mechanism: ScramMechanism): number {
  return keyBytes[mechanism];
}

/** Takes some milliseconds of another thread's time. Passwords are taken byte by byte, as Kafka does. */
export async function credentialFor(
  mechanism: ScramMechanism,
  password: string | Buffer,
  salt: Buffer,
  iterations: number,
): Promise<ScramCredential> {
  const salted = await stretch(password, salt, iterations, keyBytes[mechanism], algorithms[mechanism]);
  return credentialOfSalted(mechanism, salted, salt, iterations);
}

/** `salted`: what PBKDF2 makes of the password, which is as good as the password itself. */
export function credentialOfSalted(
  mechanism: ScramMechanism,
  salted: Buffer,
  salt: Buffer,
  iterations: number,
): ScramCredential {
  const storedKey = createHash(algorithms[mechanism])
    .update(hmac(mechanism, salted, "Client Key"))
    .digest();
  return { salt, iterations, storedKey, serverKey: hmac(mechanism, salted, "Server Key") };
}

/** What a client says first: "n,,n=user,r=nonce". */
export interface ClientFirst {
  /** "n,,": that it binds to no channel. It says so again in its second message. */
  readonly gs2Header: string;
  readonly bare: string;
  readonly user: string;
  readonly nonce: string;
}

/** Undefined for what is malformed, and for what we do not offer: channel binding, another's name, delegation tokens. */
export function clientFirstOf(token: Buffer): ClientFirst | undefined {
  const [, gs2Header, authorized, bare] = /^([ny],(?:a=([^,]*))?,)(.*)$/s.exec(textOf(token)) ?? [];
  const [, name, nonce, extensions = ""] = /^n=([^,]+),r=([!-+\--~]+)((?:,[^,]+)*)$/.exec(bare ?? "") ?? [];
  const user = nameOf(name);
  if (gs2Header === undefined || bare === undefined || user === undefined || nonce === undefined) return;
  if (authorized !== undefined && nameOf(authorized) !== user) return;
  if (extensions.split(",").includes("tokenauth=true")) return;
  return { gs2Header, bare, user, nonce };
}

/** What the server answers to that. `nonce`: the client's, and the server's behind it. */
export function serverFirst(nonce: string, { salt, iterations }: ScramCredential): string {
  return `r=${nonce},s=${salt.toString("base64")},i=${iterations}`;
}

/** The server's proof that it knows the credential, if what the client says last proves that it knows the password. */
export function serverFinal(
  mechanism: ScramMechanism,
  credential: ScramCredential,
  first: ClientFirst,
  challenge: string,
  nonce: string,
  token: Buffer,
): string | undefined {
  const final = textOf(token);
  const [, withoutProof, binding, repeated, proof] =
    /^(c=([^,]*),r=([^,]*)(?:,[^,]+)*),p=([A-Za-z0-9+/]+=*)$/.exec(final) ?? [];
  // librdkafka before 2.6.1 puts its own part before it once more; the proof covers what it says.
  const isRepeated = repeated === nonce || repeated === first.nonce + nonce;
  if (withoutProof === undefined || !isRepeated) return;
  if (binding !== Buffer.from(first.gs2Header).toString("base64")) return;
  const { storedKey, serverKey } = credential;
  const clientKey = Buffer.from(proof ?? "", "base64");
  if (clientKey.length !== storedKey.length || clientKey.toString("base64") !== proof) return;
  const message = `${first.bare},${challenge},${withoutProof}`;
  const signature = hmac(mechanism, storedKey, message);
  for (const [n, byte] of signature.entries()) clientKey[n] = (clientKey[n] ?? 0) ^ byte;
  const key = createHash(algorithms[mechanism]).update(clientKey).digest();
  if (!timingSafeEqual(key, storedKey)) return;
  return `v=${hmac(mechanism, serverKey, message).toString("base64")}`;
}

function hmac(mechanism: ScramMechanism, key: Buffer, text: string): Buffer {
  return createHmac(algorithms[mechanism], key).update(text).digest();
}

/** What is no UTF-8 is no message. */
function textOf(token: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(token);
  } catch {
    return "";
  }
}

/** A name in which "," and "=" have been written as "=2C" and "=3D". */
function nameOf(escaped = ""): string | undefined {
  const isWhole = escaped !== "" && !/=(?!2C|3D)/.test(escaped);
  return isWhole ? escaped.replaceAll("=2C", ",").replaceAll("=3D", "=") : undefined;
}
