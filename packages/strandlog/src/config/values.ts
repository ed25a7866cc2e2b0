// All that has been given, one value a setting: what comes later counts more, the environment more than the file and the
// command's options more than both. What is unknown is refused here, what sets nothing is told.
import { LogError } from "@strandlog/log";
import { kafkaKey, kafkaKeyNames } from "./kafka-keys.js";
import { knownKey, type Setting, settings } from "./keys.js";
import { nearestName } from "./nearest-name.js";
import { type Given, variableOf } from "./sources.js";

/** A key that sets nothing, or not what one might think. */
export interface Warning {
  readonly key: string;
  readonly origin: string;
  readonly why: string;
}

export class Values {
  readonly #found = new Map<string, Given>();
  readonly warnings: Warning[] = [];

  /**
   * An empty value is none where none is what it is by default, as with `advertised.listeners`.
   *
   * @param sources the one that counts least first
   * @throws LogError INVALID_ARGUMENT for a key that is unknown, has no value, or that somebody may rely on in vain
   */
  constructor(sources: readonly (readonly Given[])[]) {
    for (const source of sources) this.#add(source);
  }

  /** By the setting's first name; if there is one for the listener, that one. */
  find(name: string, listener?: string): Given | undefined {
    const own = listener === undefined ? undefined : this.#found.get(place(name, listener.toLowerCase()));
    return own ?? this.#found.get(name);
  }

  text(name: string, listener?: string): string {
    return this.find(name, listener)?.text ?? settingOf(name).fallback ?? "";
  }

  /** What has been said for single listeners. */
  get ofListeners(): readonly Given[] {
    return [...this.#found].filter(([name]) => name.startsWith("listener.name.")).map(([, given]) => given);
  }

  #add(source: readonly Given[]): void {
    const byKey = new Map<string, Given>();
    for (const given of source) {
      const before = byKey.get(given.key);
      if (before !== undefined) this.#warn(before, `it is said again (${given.origin})`);
      byKey.set(given.key, given);
    }
    const ranks = new Map<string, number>();
    for (const given of byKey.values()) {
      const known = knownKey(given.key);
      if (known === undefined) {
        this.#without(given);
        continue;
      }
      const { names, fallback } = known.setting;
      const isNone = given.text === "";
      if (isNone && (fallback !== "" || known.listener !== undefined)) throw wrong(given, "has no value");
      const name = place(names[0] as string, known.listener);
      const rank = names.indexOf(given.key);
      const other = ranks.get(name);
      if (other === undefined || rank < other) {
        if (other !== undefined) this.#warn(this.#found.get(name) as Given, `${given.key} counts`);
        refuseOpening(this.#found.get(name), given);
        if (isNone) this.#found.delete(name);
        else this.#found.set(name, given);
        ranks.set(name, rank);
      } else {
        this.#warn(given, `${this.#found.get(name)?.key} counts`);
      }
    }
  }

  #without(given: Given): void {
    const known = kafkaKey(given.key, given.text);
    if (known === undefined) throw unknownKey(given);
    if (known.isRefused) throw wrong(given, `cannot be ${JSON.stringify(given.text)}: ${known.why}`);
    this.#warn(given, known.why);
  }

  #warn({ key, origin }: Given, why: string): void {
    this.warnings.push({ key, origin, why });
  }
}

/** What is wrong with a value, with its key and where it comes from. An option of the command is its own key. */
export function wrong({ key, origin }: Given, what: string, cause?: unknown): LogError {
  const isOption = origin.startsWith("--") && origin !== "--override";
  const message = isOption ? `${origin} ${what}` : `${key} ${what} (${origin})`;
  return new LogError("INVALID_ARGUMENT", message, { cause, details: { key, origin } });
}

/** An option that says where to listen must not open to everybody what asks its clients who they are. */
function refuseOpening(before: Given | undefined, given: Given): void {
  if (before?.key !== "listeners" || !given.origin.startsWith("--kafka")) return;
  if (/^PLAINTEXT:\/\/[^,]*$/.test(before.text)) return;
  throw wrong(given, `would replace listeners=${before.text} (${before.origin}): leave one of them out`);
}

function settingOf(name: string): Setting {
  return knownKey(name)?.setting as Setting;
}

function place(name: string, listener: string | undefined): string {
  return listener === undefined ? name : `listener.name.${listener}.${name}`;
}

function unknownKey(given: Given): LogError {
  const nearest = nearestName(given.key, [...settings.flatMap(({ names }) => names), ...kafkaKeyNames]);
  const isVariable = variableOf(given.key) === given.origin;
  const hint = nearest === undefined ? "" : `: did you mean ${isVariable ? variableOf(nearest) : nearest}?`;
  return wrong(given, `is not known${hint}`);
}
