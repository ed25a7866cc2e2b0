// What `strandlog serve` is to do, from all that has been given: checked before anything is opened, so that a mistake is
// told with its key and its place and nothing has happened yet.
import {
  type BrokerOptions,
  brokerDefaults,
  checkBrokerOptions,
  configEntries,
  type ListenerOptions,
  parseChanges,
} from "@strandlog/broker";
import { LogError, type LogSettings, logSettings, type TopicConfig, topicConfig } from "@strandlog/log";
import { type Setting, settings, type Target } from "./keys.js";
import { listenersOf } from "./listeners.js";
import type { Given } from "./sources.js";
import { Values, type Warning, wrong } from "./values.js";

const logLevels = ["debug", "info", "warn", "error"] as const;

export interface Configuration {
  readonly data: string;
  readonly log: Partial<LogSettings>;
  readonly broker: BrokerOptions & { readonly listeners: readonly ListenerOptions[] };
  /** "HOST:PORT"; undefined if nobody shall ask. */
  readonly health: string | undefined;
  readonly logLevel: (typeof logLevels)[number];
  readonly warnings: readonly Warning[];
  /** What counts, in the order of the table of keys. */
  readonly effective: readonly Effective[];
}

export interface Effective {
  readonly key: string;
  readonly value: string;
  readonly origin: string;
}

/** Options under the names that they have where they are checked, and where each comes from. */
interface Options {
  readonly values: Record<string, number | boolean>;
  readonly origins: Map<string, Given>;
}

/**
 * @param sources the one that counts least first
 * @throws LogError INVALID_ARGUMENT with key, origin and what is allowed; IO
 */
export function configurationOf(sources: readonly (readonly Given[])[]): Configuration {
  const values = new Values(sources);
  const log = optionsOf(values, "log");
  const broker = optionsOf(values, "broker");
  checked(log.origins, () => logSettings(log.values));
  checked(broker.origins, () => checkBrokerOptions(broker.values));
  const listeners = listenersOf(values);
  checkBrokerOptions({ listeners });
  return {
    data: dataOf(values),
    log: log.values,
    broker: { ...broker.values, listeners, topicDefaults: topicDefaultsOf(values) },
    health: healthOf(values),
    logLevel: logLevelOf(values),
    warnings: values.warnings,
    effective: effectiveOf(values),
  };
}

function optionsOf(values: Values, of: "log" | "broker"): Options {
  const options: Options = { values: {}, origins: new Map() };
  for (const { target, given, setting } of targets(values)) {
    if (target.of !== of || given === undefined) continue;
    const isBoolean = target.option === "autoCreateTopics";
    options.values[target.option] = isBoolean ? boolean(given) : integer(given, setting);
    options.origins.set(target.option, given);
  }
  return options;
}

function topicDefaultsOf(values: Values): Partial<TopicConfig> {
  let defaults: Partial<TopicConfig> = {};
  const origins = new Map<string, Given>();
  for (const { target, given, setting } of targets(values)) {
    if (target.of !== "topic" || given === undefined) continue;
    const text = setting.factors === undefined ? given.text : String(integer(given, setting));
    const parsed = checked(new Map([[target.config, given]]), () =>
      parseChanges(new Map([[target.config, text]])),
    );
    for (const option of Object.keys(parsed)) origins.set(option, given);
    defaults = { ...defaults, ...parsed };
  }
  checked(origins, () => topicConfig(defaults));
  return defaults;
}

function* targets(values: Values): Generator<{ setting: Setting; target: Target; given: Given | undefined }> {
  for (const setting of settings) {
    yield { setting, target: setting.target, given: values.find(setting.names[0] as string) };
  }
}

/** What is refused there is told under its key here. */
function checked<T>(origins: ReadonlyMap<string, Given>, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof LogError)) throw error;
    for (const [name, given] of origins) {
      if (!error.message.startsWith(`${name} `)) continue;
      throw wrong(given, error.message.slice(name.length + 1), error);
    }
    throw error;
  }
}

function integer(given: Given, { factors }: Setting): number {
  if (!/^-?\d{1,19}$/.test(given.text)) {
    throw wrong(given, `must be a whole number, not ${JSON.stringify(given.text)}`);
  }
  const number = Number(given.text);
  // Below zero it is no quantity, but says that there is no limit.
  return number < 0 ? number : Math.min(number * (factors?.[given.key] ?? 1), Number.MAX_SAFE_INTEGER);
}

function boolean(given: Given): boolean {
  const text = given.text.toLowerCase();
  if (text === "true" || text === "false") return text === "true";
  throw wrong(given, `must be true or false, not ${JSON.stringify(given.text)}`);
}

function dataOf(values: Values): string {
  const data = values.text("log.dirs");
  const given = values.find("log.dirs");
  // Of these two only one is a list: a directory may have a comma in its name.
  if (given?.key === "log.dirs" && data.includes(",")) {
    throw wrong(given, `must be one directory, not ${JSON.stringify(data)}: there is one copy of the data`);
  }
  return data;
}

function healthOf(values: Values): string | undefined {
  const given = values.find("strandlog.health");
  if (given === undefined) return undefined;
  const [, port] = /^(?:\[[^\]]+\]|[^:/]+):(\d{1,5})$/.exec(given.text) ?? [];
  if (port !== undefined && Number(port) <= 65_535) return given.text;
  throw wrong(given, `must be HOST:PORT, not ${JSON.stringify(given.text)}`);
}

function logLevelOf(values: Values): Configuration["logLevel"] {
  const text = values.text("strandlog.log.level");
  const level = logLevels.find((each) => each === text.toLowerCase());
  if (level !== undefined) return level;
  throw wrong(
    values.find("strandlog.log.level") as Given,
    `must be one of ${logLevels.join(", ")}, not ${JSON.stringify(text)}`,
  );
}

function effectiveOf(values: Values): Effective[] {
  const ofTopics = new Map(
    configEntries(topicConfig({}), topicConfig({})).map(({ name, value }) => [name, value]),
  );
  const defaults = { log: logSettings({}), broker: brokerDefaults };
  const fallbackOf = ({ target, fallback = "" }: Setting): string => {
    if (target.of === "serve") return fallback;
    if (target.of === "topic") return ofTopics.get(target.config) ?? "";
    return String(target.of === "log" ? defaults.log[target.option] : defaults.broker[target.option]);
  };
  const shown = (setting: Setting, { key, text, origin }: Given): Effective => ({
    key,
    value: setting.isSecret === true ? "[hidden]" : text,
    origin,
  });
  const all = [...targets(values)].map(({ setting, given }) =>
    given === undefined
      ? { key: setting.names[0] as string, value: fallbackOf(setting), origin: "default" }
      : shown(setting, given),
  );
  const ofListeners = values.ofListeners.map((given) => shown(secretAware(given.key), given));
  return [...all, ...ofListeners];
}

function secretAware(key: string): Setting {
  return settings.find(({ names }) => key.endsWith(`.${names[0]}`)) as Setting;
}
