// What one listener can be told: where it is, whether it speaks TLS, how clients say who they are.
import { createSecureContext } from "node:tls";
import { type Address, addressOf, invalid, refuseUnknown } from "./checked.js";
import { listenersMax } from "./limits.js";

/** As Kafka calls them. */
export type SaslMechanism = "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512";

export interface TlsOptions {
  /** The private key and its certificate, or the chain that begins with it, as PEM. */
  readonly key: string | Uint8Array;
  readonly cert: string | Uint8Array;
  /** Who vouches for clients, as PEM. */
  readonly ca?: string | Uint8Array;
  /** Only clients with a certificate that `ca` vouches for are let in. Default false. */
  readonly requestClientCert?: boolean;
}

export interface ListenerOptions {
  /** Tells it from the others; default: Kafka's name for what it speaks, "SASL_SSL" for example. */
  readonly name?: string;
  /** Where to listen: a port, or "HOST:PORT". Port 0 takes any that is free. */
  readonly kafka: number | string;
  /** What its clients are told to connect to, as "HOST:PORT"; default: the address that they have connected to. */
  readonly advertise?: string;
  /** Without it, all is sent as it is. */
  readonly tls?: TlsOptions;
  /** By which of these a client has to say who it is, before anything else; without it, everybody is let in. */
  readonly sasl?: readonly SaslMechanism[];
}

/** The options, all of them there and checked. */
export interface ListenerSettings {
  readonly name: string;
  readonly listenOn: Address;
  readonly advertised: Address | undefined;
  readonly tls: TlsSettings | undefined;
  readonly sasl: readonly SaslMechanism[] | undefined;
}

/** PEM that is known to go together. */
export interface TlsSettings {
  readonly key: string;
  readonly cert: string;
  readonly ca?: string;
  readonly requestClientCert: boolean;
}

const known = ["name", "kafka", "advertise", "tls", "sasl"];
const knownOfTls = ["key", "cert", "ca", "requestClientCert"];
const mechanisms: readonly unknown[] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];
const defaultHost = "127.0.0.1";

export function listenersSettings(all: readonly ListenerOptions[]): readonly ListenerSettings[] {
  if (!Array.isArray(all) || all.length === 0 || all.length > listenersMax) {
    throw invalid("listeners", `listeners must be a list of 1 to ${listenersMax}`);
  }
  const settings = all.map((options, index) => listenerSettings(options, `listeners[${index}]`));
  const names = settings.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw invalid("listeners", `two listeners are called "${twice}": give each a name of its own`);
  }
  return settings;
}

/** `what`: where the options stand, "" for the broker's own. */
export function listenerSettings(options: ListenerOptions, what = ""): ListenerSettings {
  const path = what === "" ? "" : `${what}.`;
  if (typeof options !== "object" || options === null) throw invalid(what, `${what} must be an object`);
  refuseUnknown(options, known, what);
  const { kafka, advertise, tls, sasl } = options;
  const { name = `${sasl === undefined ? "" : "SASL_"}${tls === undefined ? "PLAINTEXT" : "SSL"}` } = options;
  if (typeof name !== "string" || !/^[a-zA-Z0-9._-]{1,64}$/.test(name)) {
    throw invalid(`${path}name`, `${path}name must be 1 to 64 of the characters a-z A-Z 0-9 . _ -`);
  }
  return {
    name,
    listenOn: addressOf(`${path}kafka`, typeof kafka === "number" ? `${defaultHost}:${kafka}` : kafka),
    advertised: advertise === undefined ? undefined : addressOf(`${path}advertise`, advertise),
    tls: tls === undefined ? undefined : tlsSettings(tls, `${path}tls`),
    sasl: sasl === undefined ? undefined : saslSettings(sasl, `${path}sasl`),
  };
}

function tlsSettings(options: TlsOptions, what: string): TlsSettings {
  if (typeof options !== "object" || options === null) throw invalid(what, `${what} must be an object`);
  refuseUnknown(options, knownOfTls, what);
  const { ca, requestClientCert = false } = options;
  if (typeof requestClientCert !== "boolean") {
    throw invalid(`${what}.requestClientCert`, `${what}.requestClientCert must be true or false`);
  }
  // Otherwise whoever has a certificate of any public authority would be let in.
  if (requestClientCert && ca === undefined) {
    throw invalid(`${what}.ca`, `${what}.requestClientCert needs ${what}.ca, which says whom to let in`);
  }
  const pem = {
    key: pemOf(options.key, `${what}.key`),
    cert: pemOf(options.cert, `${what}.cert`),
    ...(ca === undefined ? {} : { ca: pemOf(ca, `${what}.ca`) }),
  };
  try {
    createSecureContext(pem);
  } catch (cause) {
    throw invalid(what, `${what}: key and certificate cannot be used: ${(cause as Error).message}`, cause);
  }
  return { ...pem, requestClientCert };
}

function pemOf(value: unknown, what: string): string {
  const text = value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : value;
  if (typeof text === "string" && text.includes("-----BEGIN ")) return text;
  throw invalid(what, `${what} must be PEM, as text or bytes`);
}

function saslSettings(value: readonly SaslMechanism[], what: string): readonly SaslMechanism[] {
  const isList = Array.isArray(value) && value.length > 0 && value.every((each) => mechanisms.includes(each));
  if (!isList) throw invalid(what, `${what} must be a list of ${mechanisms.join(", ")}, and not empty`);
  return [...new Set(value)];
}
