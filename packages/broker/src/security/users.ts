// Users and what is kept of their passwords, in the log's metadata store: salted, for both hashes of SCRAM, never the
// password. PLAIN is checked against the same.
import { type Log, LogError } from "@strandlog/log";
import { integer, invalid, refuseUnknown } from "../checked.js";
import {
  credentialFor,
  iterationsMax,
  iterationsMin,
  keyBytesOf,
  type ScramCredential,
  type ScramMechanism,
  scramMechanisms,
} from "./scram.js";

export interface SetUserOptions {
  /** How much work it is to try a password, 4096 to 16384. Default 4096, as with Kafka. */
  readonly iterations?: number;
}

/** Of one mechanism, as it is written. */
type Written = Readonly<Record<keyof ScramCredential, string | number>>;

const prefix = "broker/user/";
export const saltBytes = 16;
export const defaultIterations: number = iterationsMin;
/** In bytes of UTF-8. */
const userNameBytesMax = 255;
const passwordBytesMax = 1024;

/**
 * Makes a user, or gives one a new password; connections that are open stay so.
 *
 * @throws LogError INVALID_ARGUMENT
 */
export async function setUser(
  log: Log,
  name: string,
  password: string,
  options: SetUserOptions = {},
): Promise<void> {
  refuseUnknown(options, ["iterations"]);
  const { iterations = defaultIterations } = options;
  integer("iterations", iterations, iterationsMin, iterationsMax);
  checkName(name);
  if (!fits(password, passwordBytesMax)) {
    throw invalid(
      "password",
      `a password must have 1 to ${passwordBytesMax} bytes, and no control characters`,
    );
  }
  const written: Record<string, Written> = {};
  for (const mechanism of scramMechanisms) {
    const salt = log.clock.randomBytes(saltBytes);
    const credential = await credentialFor(mechanism, password, salt, iterations);
    written[mechanism] = {
      salt: salt.toString("base64"),
      iterations,
      storedKey: credential.storedKey.toString("base64"),
      serverKey: credential.serverKey.toString("base64"),
    };
  }
  await log.storage.metadata.put(keyOf(name), JSON.stringify(written));
}

/** False if there is no such user. Connections that are open stay so. */
export async function deleteUser(log: Log, name: string): Promise<boolean> {
  const key = keyOf(checkName(name));
  if ((await log.storage.metadata.get(key)) === undefined) return false;
  await log.storage.metadata.delete(key);
  return true;
}

/** Their names, in order. */
export async function users(log: Log): Promise<string[]> {
  const entries = await log.storage.metadata.list(prefix);
  return entries.map(({ key }) => nameOf(key)).sort();
}

/** Undefined if there is no such user. `name` may be anything that a client has sent. */
export async function credentialOf(
  { storage }: Log,
  name: string,
  mechanism: ScramMechanism,
): Promise<ScramCredential | undefined> {
  if (!fits(name, userNameBytesMax)) return undefined;
  const key = keyOf(name);
  const found = await storage.metadata.get(key);
  if (found === undefined) return undefined;
  const credential = readCredential(found.value, mechanism);
  if (credential === undefined) throw corrupt(key, `it holds no credential for ${mechanism}`);
  return credential;
}

function readCredential(json: string, mechanism: ScramMechanism): ScramCredential | undefined {
  let written: Partial<Record<ScramMechanism, Partial<Written>>> | null;
  try {
    written = JSON.parse(json);
  } catch {
    return undefined;
  }
  const { salt, iterations, storedKey, serverKey } = written?.[mechanism] ?? {};
  const isInBounds =
    Number.isInteger(iterations) &&
    Number(iterations) >= iterationsMin &&
    Number(iterations) <= iterationsMax;
  const credential = {
    salt: bytesOf(salt, saltBytes),
    storedKey: bytesOf(storedKey, keyBytesOf(mechanism)),
    serverKey: bytesOf(serverKey, keyBytesOf(mechanism)),
  };
  if (!isInBounds || Object.values(credential).includes(undefined)) return undefined;
  return { ...credential, iterations } as ScramCredential;
}

/** Written as we write it, and no other way. */
function bytesOf(base64: unknown, length: number): Buffer | undefined {
  if (typeof base64 !== "string") return undefined;
  const bytes = Buffer.from(base64, "base64");
  return bytes.length === length && bytes.toString("base64") === base64 ? bytes : undefined;
}

function checkName(name: string): string {
  if (fits(name, userNameBytesMax)) return name;
  throw invalid("name", `a user's name must have 1 to ${userNameBytesMax} bytes, and no control characters`);
}

/** Whether it is text that a client could send, too. */
function fits(text: unknown, bytesMax: number): boolean {
  if (typeof text !== "string" || text === "" || /\p{Cc}/u.test(text)) return false;
  const bytes = Buffer.from(text);
  return bytes.length <= bytesMax && bytes.toString() === text;
}

function keyOf(name: string): string {
  return prefix + encodeURIComponent(name);
}

function nameOf(key: string): string {
  try {
    return decodeURIComponent(key.slice(prefix.length));
  } catch {
    throw corrupt(key, "its key is not encoded as it should be");
  }
}

function corrupt(key: string, what: string): LogError {
  const message = `the metadata entry "${key}" cannot be read: ${what}`;
  return new LogError("CORRUPT_METADATA", message, { details: { key } });
}
