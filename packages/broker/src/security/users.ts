// Users and what is kept of their passwords, in the log's metadata store: salted, for both hashes of SCRAM, never the
// password. PLAIN is checked against the same.
import type { Log } from "@strandlog/log";
import { integer, invalid, refuseUnknown } from "../checked.js";
import {
  credentialFor,
  iterationsMax,
  iterationsMin,
  type ScramCredential,
  type ScramMechanism,
  scramMechanisms,
} from "./scram.js";
import { readUser, type UserCredentials, userKey, userNameOf, userPrefix, userText } from "./user-entry.js";

export interface SetUserOptions {
  /** How much work it is to try a password, 4096 to 16384. Default 4096, as with Kafka. */
  readonly iterations?: number;
}

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
  const credentials = new Map<ScramMechanism, ScramCredential>();
  for (const mechanism of scramMechanisms) {
    const salt = log.clock.randomBytes(saltBytes);
    credentials.set(mechanism, await credentialFor(mechanism, password, salt, iterations));
  }
  await log.storage.metadata.put(userKey(name), userText(credentials));
}

/** False if there is no such user. Connections that are open stay so. */
export async function deleteUser(log: Log, name: string): Promise<boolean> {
  const key = userKey(checkName(name));
  if ((await log.storage.metadata.get(key)) === undefined) return false;
  await log.storage.metadata.delete(key);
  return true;
}

/** Their names, in order. */
export async function users(log: Log): Promise<string[]> {
  const entries = await log.storage.metadata.list(userPrefix);
  return entries.map(({ key }) => userNameOf(key)).sort();
}

/** Undefined if there is no such user, or none who has it. `name` may be anything that a client has sent. */
export async function credentialOf(
  log: Log,
  name: string,
  mechanism: ScramMechanism,
): Promise<ScramCredential | undefined> {
  return (await credentialsOf(log, name))?.get(mechanism);
}

/** All that is kept of a user; undefined if there is no such user. */
export async function credentialsOf({ storage }: Log, name: string): Promise<UserCredentials | undefined> {
  if (!isUserName(name)) return undefined;
  const key = userKey(name);
  const found = await storage.metadata.get(key);
  return found === undefined ? undefined : readUser(key, found.value);
}

/**
 * Makes of a user what `change` answers; of one without credentials nothing is kept. It is asked again if somebody else
 * has changed the user meanwhile.
 */
export async function changeUser(
  { storage: { metadata } }: Log,
  name: string,
  change: (known: UserCredentials | undefined) => UserCredentials | undefined,
): Promise<void> {
  const key = userKey(checkName(name));
  for (;;) {
    const found = await metadata.get(key);
    const changed = change(found === undefined ? undefined : readUser(key, found.value));
    if (changed === undefined) return;
    const version = found?.version ?? 0;
    try {
      if (changed.size > 0) await metadata.put(key, userText(changed), version);
      else await metadata.delete(key, version);
      return;
    } catch (error) {
      if ((error as { code?: unknown }).code !== "VERSION_CONFLICT") throw error;
    }
  }
}

export function isUserName(name: string): boolean {
  return fits(name, userNameBytesMax);
}

function checkName(name: string): string {
  if (isUserName(name)) return name;
  throw invalid("name", `a user's name must have 1 to ${userNameBytesMax} bytes, and no control characters`);
}

/** Whether it is text that a client could send, too. */
function fits(text: unknown, bytesMax: number): boolean {
  if (typeof text !== "string" || text === "" || /\p{Cc}/u.test(text)) return false;
  const bytes = Buffer.from(text);
  return bytes.length <= bytesMax && bytes.toString() === text;
}
