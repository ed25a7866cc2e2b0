// Kafka's words for where a broker listens, what it speaks there and what it is called from outside.
import type { ListenerOptions } from "@strandlog/broker";
import type { Given } from "./sources.js";
import { tlsOf } from "./tls.js";
import { type Values, wrong } from "./values.js";

const protocols = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] as const;
const mechanisms = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] as const;

type Protocol = (typeof protocols)[number];

interface Place {
  /** In capitals. */
  readonly name: string;
  /** Otherwise only the address has been said. */
  readonly isNamed: boolean;
  readonly host: string;
  readonly port: number;
}

/** @throws LogError INVALID_ARGUMENT, IO if a file with keys cannot be read. */
export function listenersOf(values: Values): ListenerOptions[] {
  const given = required(values, "listeners");
  const left = new Set(list(values.text("controller.listener.names")).map((name) => name.toUpperCase()));
  const places = placesOf(given).filter(({ name }) => !left.has(name));
  if (places.length === 0) throw wrong(given, "names no listener for clients");
  const names = places.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw wrong(given, `has ${twice} twice: each needs a name of its own`);
  const advertised = advertisedOf(values, places, left);
  return places.map(({ name, host, port }): ListenerOptions => {
    const protocol = protocolOf(name, values, given);
    const advertise = advertised.get(name);
    return {
      name,
      // Kafka's: on all interfaces.
      kafka: `${host === "" ? "0.0.0.0" : host}:${port}`,
      ...(advertise === undefined ? {} : { advertise }),
      ...(protocol.endsWith("SSL") ? { tls: tlsOf(values, name, given) } : {}),
      ...(protocol.startsWith("SASL") ? { sasl: mechanismsOf(values, name, given) } : {}),
    };
  });
}

/** What is called so in the file, or stands for it if nobody says. */
function required(values: Values, name: string): Given {
  return values.find(name) ?? { key: name, text: values.text(name), origin: "default" };
}

function placesOf(given: Given): Place[] {
  return list(given.text).map((text) => {
    const [, name, host, port] = /^(?:([\w.-]+):\/\/)?(\[[^\]]+\]|[^:/]*):(\d{1,5})$/.exec(text) ?? [];
    if (host !== undefined && Number(port) <= 65_535) {
      return {
        name: name?.toUpperCase() ?? "PLAINTEXT",
        isNamed: name !== undefined,
        host,
        port: Number(port),
      };
    }
    const form = "HOST:PORT, or a list of NAME://HOST:PORT such as PLAINTEXT://0.0.0.0:9092";
    throw wrong(given, `must be ${form}, not ${JSON.stringify(text)}`);
  });
}

/** By the name of the listener. */
function advertisedOf(
  values: Values,
  places: readonly Place[],
  left: ReadonlySet<string>,
): Map<string, string> {
  const advertised = new Map<string, string>();
  const given = values.find("advertised.listeners");
  if (given === undefined) return advertised;
  const names = places.map(({ name }) => name);
  for (const { name: said, isNamed, host, port } of placesOf(given)) {
    if (!isNamed && names.length > 1) {
      throw wrong(given, `must say which of the listeners is meant: ${names.join(", ")}`);
    }
    const name = isNamed ? said : (names[0] as string);
    if (left.has(name)) continue;
    if (!names.includes(name)) throw wrong(given, `names ${name}, but listeners are ${names.join(", ")}`);
    if (host === "" || host === "0.0.0.0" || host === "[::]") {
      throw wrong(given, "must have a host that clients can connect to");
    }
    advertised.set(name, `${host}:${port}`);
  }
  return advertised;
}

function protocolOf(name: string, values: Values, given: Given): Protocol {
  const map = values.find("listener.security.protocol.map");
  for (const pair of list(map?.text ?? "")) {
    const [key = "", protocol = "", ...more] = pair.split(":").map((part) => part.trim().toUpperCase());
    if (map !== undefined && (more.length > 0 || !isProtocol(protocol))) {
      throw wrong(map, `must be a list of NAME:PROTOCOL with one of ${protocols.join(", ")}, not "${pair}"`);
    }
    if (key === name) return protocol as Protocol;
  }
  if (isProtocol(name)) return name;
  const hint = `say ${name}:PROTOCOL in listener.security.protocol.map, with one of ${protocols.join(", ")}`;
  throw wrong(given, `does not tell what ${name} speaks: ${hint}`);
}

function mechanismsOf(values: Values, name: string, listeners: Given): (typeof mechanisms)[number][] {
  const given = values.find("sasl.enabled.mechanisms", name);
  const hint = `one or several of ${mechanisms.join(", ")}`;
  if (given === undefined) {
    throw wrong(listeners, `has ${name}, which needs sasl.enabled.mechanisms: ${hint}`);
  }
  return list(given.text).map((text) => {
    const mechanism = mechanisms.find((each) => each === text.toUpperCase());
    if (mechanism === undefined) throw wrong(given, `must be ${hint}, not ${JSON.stringify(text)}`);
    return mechanism;
  });
}

function isProtocol(text: string): text is Protocol {
  return (protocols as readonly string[]).includes(text);
}

function list(text: string): string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}
