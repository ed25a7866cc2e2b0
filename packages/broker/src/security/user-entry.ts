// How a user is written down in the log's metadata: one entry with a credential for each mechanism that the user has.
import { LogError } from "@strandlog/log";
import {
  iterationsMax,
  iterationsMin,
  keyBytesOf,
  type ScramCredential,
  type ScramMechanism,
  scramMechanisms,
} from "./scram.js";

/** One at least. */
export type UserCredentials = ReadonlyMap<ScramMechanism, ScramCredential>;

/** Of one mechanism, as it is written. */
type Written = Readonly<Record<keyof ScramCredential, string | number>>;

export const userPrefix = "broker/user/";
/** Of a salt that a client has chosen; Kafka's own take some 26. */
export const saltBytesMin = 8;
export const saltBytesMax = 128;

export function userKey(name: string): string {
  return userPrefix + encodeURIComponent(name);
}

export function userNameOf(key: string): string {
  try {
    return decodeURIComponent(key.slice(userPrefix.length));
  } catch {
    throw corrupt(key, "its key is not encoded as it should be");
  }
}

export function userText(credentials: UserCredentials): string {
  const written = [...credentials].map(([mechanism, { salt, iterations, storedKey, serverKey }]) => {
    const [s, stored, server] = [salt, storedKey, serverKey].map((bytes) => bytes.toString("base64"));
    return [mechanism, { salt: s, iterations, storedKey: stored, serverKey: server }] as const;
  });
  return JSON.stringify(Object.fromEntries(written));
}

/** @throws LogError CORRUPT_METADATA */
export function readUser(key: string, json: string): UserCredentials {
  let written: Partial<Record<ScramMechanism, Partial<Written>>> | null = null;
  try {
    written = JSON.parse(json);
  } catch {
    // Nothing is written there.
  }
  const credentials = new Map<ScramMechanism, ScramCredential>();
  for (const mechanism of scramMechanisms) {
    const one = written?.[mechanism];
    if (one === undefined) continue;
    const credential = readCredential(one, mechanism);
    if (credential === undefined) throw corrupt(key, `it holds no credential for ${mechanism}`);
    credentials.set(mechanism, credential);
  }
  if (credentials.size === 0) throw corrupt(key, "it holds no credential");
  return credentials;
}

function readCredential(
  written: Partial<Written> | null,
  mechanism: ScramMechanism,
): ScramCredential | undefined {
  const { salt, iterations, storedKey, serverKey } = written ?? {};
  const isInBounds =
    Number.isInteger(iterations) &&
    Number(iterations) >= iterationsMin &&
    Number(iterations) <= iterationsMax;
  const keyBytes = keyBytesOf(mechanism);
  const credential = {
    salt: bytesOf(salt, saltBytesMin, saltBytesMax),
    storedKey: bytesOf(storedKey, keyBytes, keyBytes),
    serverKey: bytesOf(serverKey, keyBytes, keyBytes),
  };
  if (!isInBounds || Object.values(credential).includes(undefined)) return undefined;
  return { ...credential, iterations } as ScramCredential;
}

/** Written as we write it, and no other way. */
function bytesOf(base64: unknown, min: number, max: number): Buffer | undefined {
  if (typeof base64 !== "string") return undefined;
  const bytes = Buffer.from(base64, "base64");
  const isInBounds = bytes.length >= min && bytes.length <= max;
  return isInBounds && bytes.toString("base64") === base64 ? bytes : undefined;
}

function corrupt(key: string, what: string): LogError {
  const message = `the metadata entry "${key}" cannot be read: ${what}`;
  return new LogError("CORRUPT_METADATA", message, { details: { key } });
}
