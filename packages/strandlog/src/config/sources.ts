// Where values come from: a file in the syntax of Kafka's server.properties, the environment, the command's options.
import { readFileSync, statSync } from "node:fs";
import { LogError } from "@strandlog/log";
import { Properties } from "properties-file/parser";
import { knownKey } from "./keys.js";

/** A value as somebody has written it. */
export interface Given {
  readonly key: string;
  readonly text: string;
  /** For people: "server.properties, line 3", "STRANDLOG_NUM_PARTITIONS", "--kafka". */
  readonly origin: string;
}

const fileBytesMax = 1024 * 1024;
const variablePrefix = "STRANDLOG_";
/** What another command reads. */
const otherVariables: readonly string[] = ["STRANDLOG_PASSWORD"];
/** What Kubernetes sets in every container beside a service that is called strandlog. */
const servicesVariable =
  /^STRANDLOG_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$/;

/** @throws LogError IO if it cannot be read, INVALID_ARGUMENT if it is not in that syntax. */
export function givenInFile(path: string): Given[] {
  const text = fileText(path, "the configuration");
  try {
    return new Properties(text).getProperties().map(({ key, value, startingLineNumber }) => ({
      key,
      text: value.trim(),
      origin: `${path}, line ${startingLineNumber}`,
    }));
  } catch (cause) {
    const message = `${path} cannot be read as a properties file: ${(cause as Error).message}`;
    throw new LogError("INVALID_ARGUMENT", message, { cause });
  }
}

/** A file of moderate size, whole. `what`: what is in it, for people. */
export function fileText(path: string, what: string): string {
  let bytes: number;
  try {
    bytes = statSync(path).size;
    if (bytes <= fileBytesMax) return readFileSync(path, "utf8");
  } catch (cause) {
    const { code: systemCode, message } = cause as NodeJS.ErrnoException;
    throw new LogError("IO", `cannot read ${what} from ${path}: ${message}`, {
      cause,
      details: { path, systemCode },
    });
  }
  throw new LogError("INVALID_ARGUMENT", `${path} has ${bytes} bytes: ${what} has ${fileBytesMax} at most`);
}

/**
 * As Kafka's container images have it: a dot in a key is an underscore in the variable, an underscore two, a dash three.
 * "strandlog." need not be said twice: STRANDLOG_DURABILITY is strandlog.durability. An empty variable is none.
 */
export function givenInEnvironment(environment: Readonly<Record<string, string | undefined>>): Given[] {
  return Object.entries(environment).flatMap(([variable, text = ""]) => {
    const isOurs = variable.startsWith(variablePrefix) && !otherVariables.includes(variable);
    if (!isOurs || text.trim() === "" || servicesVariable.test(variable)) return [];
    const name = variable
      .slice(variablePrefix.length)
      .toLowerCase()
      .replaceAll(/_+/g, (underscores) => [".", "_", "-"][underscores.length - 1] ?? underscores);
    const key = knownKey(`strandlog.${name}`) === undefined ? name : `strandlog.${name}`;
    return [{ key, text: text.trim(), origin: variable }];
  });
}

/** The variable that says what a key says. */
export function variableOf(key: string): string {
  const name = key.replace(/^strandlog\./, "").replaceAll(/[._-]/g, (character) => {
    return { ".": "_", _: "__", "-": "___" }[character] as string;
  });
  return variablePrefix + name.toUpperCase();
}

/** "KEY=VALUE", as Kafka's start script takes it with --override. */
export function givenByOverride(text: string): Given {
  const [, key, value = ""] = /^\s*([^=\s]+)\s*=(.*)$/s.exec(text) ?? [];
  if (key !== undefined) return { key, text: value.trim(), origin: "--override" };
  throw new LogError("INVALID_ARGUMENT", `--override must be KEY=VALUE, not ${JSON.stringify(text)}`);
}
