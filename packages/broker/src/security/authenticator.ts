// What all connections share that ask who a client is: the users, and how much work may go into passwords at a time.
import { createHmac, timingSafeEqual } from "node:crypto";
import { type Log, LogError } from "@strandlog/log";
import { credentialFor, keyBytesOf, type ScramCredential, type ScramMechanism } from "./scram.js";
import { credentialOf, credentialsOf, defaultIterations, saltBytes } from "./users.js";

const secretKey = "broker/scram-secret";
const secretBytes = 32;
/** What passwords that come as they are get checked against; the other one, if a user has only that. */
const plainMechanism = "SCRAM-SHA-256";
const otherMechanism = "SCRAM-SHA-512";

export class Authenticator {
  readonly #log: Log;
  readonly #secret: Buffer;
  #lastCheck: Promise<unknown> = Promise.resolve();

  constructor(log: Log, secret: Buffer) {
    this.#log = log;
    this.#secret = secret;
  }

  static async open(log: Log): Promise<Authenticator> {
    return new Authenticator(log, await secretOf(log));
  }

  randomBytes(count: number): Buffer {
    return this.#log.clock.randomBytes(count);
  }

  /** The user's; or one that is made up, which no password fits, so that nobody can find out who is a user. */
  async credentialOf(name: string, mechanism: ScramMechanism): Promise<ScramCredential> {
    const found = await credentialOf(this.#log, name, mechanism);
    return found ?? this.#madeUp(name, mechanism);
  }

  /**
   * One at a time, in order: whoever tries passwords must not take up the threads that write the log's files. Each
   * connection has no more than one in this line.
   */
  async isPassword(name: string, password: Buffer, isGone: () => boolean): Promise<boolean> {
    const check = this.#lastCheck.then(async () => {
      if (isGone()) return false;
      const known = await credentialsOf(this.#log, name);
      const mechanism = known?.has(plainMechanism) === false ? otherMechanism : plainMechanism;
      const { salt, iterations, storedKey } = known?.get(mechanism) ?? this.#madeUp(name, mechanism);
      const given = await credentialFor(mechanism, password, salt, iterations);
      return timingSafeEqual(given.storedKey, storedKey);
    });
    this.#lastCheck = check.catch(() => undefined);
    return check;
  }

  /** The same each time, also in the next process. */
  #madeUp(name: string, mechanism: ScramMechanism): ScramCredential {
    const made = (what: string): Buffer =>
      createHmac("sha512", this.#secret).update(`${what} ${mechanism} ${name}`).digest();
    return {
      salt: made("salt").subarray(0, saltBytes),
      iterations: defaultIterations,
      storedKey: made("stored").subarray(0, keyBytesOf(mechanism)),
      serverKey: made("server").subarray(0, keyBytesOf(mechanism)),
    };
  }
}

async function secretOf({ storage, clock }: Log): Promise<Buffer> {
  const found = await storage.metadata.get(secretKey);
  if (found !== undefined) {
    const secret = Buffer.from(found.value, "base64");
    if (secret.length === secretBytes) return secret;
    const message = `the metadata entry "${secretKey}" cannot be read: it does not hold ${secretBytes} bytes`;
    throw new LogError("CORRUPT_METADATA", message, { details: { key: secretKey } });
  }
  const made = clock.randomBytes(secretBytes);
  if (!storage.manifest.readOnly) await storage.metadata.put(secretKey, made.toString("base64"));
  return made;
}
