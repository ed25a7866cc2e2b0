// What a test may ask for, and whether it makes sense.
import { LogError } from "@strandlog/log";
import { type Api, apis, ErrorCode, type ErrorName } from "@strandlog/protocol";
import { namesTopics } from "./named-topics.js";

/** Kafka's name of a kind of request: "Produce". */
export type ApiName = Capitalize<keyof typeof apis>;

/**
 * What happens to a request. An `error` is the answer to all that it asks for, and nothing of that is done. `delayMs`:
 * it is done at once, and answered when so much of the broker's time has passed. `drop`: its connection ends "before" it
 * is done, or "after" it, in place of the answer.
 */
export type FaultAction =
  | { readonly error: Exclude<ErrorName, "NONE"> }
  | { readonly delayMs: number }
  | { readonly drop: "before" | "after" };

/** Something that shall go wrong with requests of a kind. */
export interface RequestFault {
  /** What kind. */
  readonly api: ApiName;
  /** Only requests that name this topic, be it besides others. */
  readonly topic?: string;
  /** How many of these requests pass before it strikes. Default 0. */
  readonly skip?: number;
  /** How many it strikes then. Default 1; Infinity for all. */
  readonly times?: number;
  /** What happens to each of them. */
  readonly action: FaultAction;
}

export interface CheckedFault extends Required<Omit<RequestFault, "api" | "topic">> {
  readonly api: Api;
  readonly topic: string | undefined;
}

const known: ReadonlyMap<string, Api> = new Map(Object.values(apis).map((api) => [api.name, api]));
const faultOptions = ["api", "topic", "skip", "times", "action"];
const actionOptions = ["error", "delayMs", "drop"];

/** @throws LogError INVALID_ARGUMENT */
export function checkedFault(fault: RequestFault): CheckedFault {
  refuseUnknown("fault option", fault, faultOptions);
  const { api: name, topic, skip = 0, times = 1, action } = fault;
  const api = known.get(name);
  if (api === undefined)
    throw invalid("api", `there is no API "${name}"; there are ${[...known.keys()].sort().join(", ")}`);
  if (topic !== undefined && (typeof topic !== "string" || !namesTopics(api)))
    throw invalid("topic", `"${topic}" is no topic, or requests of ${name} name none`);
  if (!isCount(skip, 0)) throw invalid("skip", `skip must be a whole number, not ${skip}`);
  if (!isCount(times, 1) && times !== Number.POSITIVE_INFINITY)
    throw invalid("times", `times must be a whole number from 1 on, or Infinity, not ${times}`);
  checkAction(action);
  return { api, topic, skip, times, action };
}

function checkAction(action: FaultAction): void {
  refuseUnknown("action", action, actionOptions);
  const { error, delayMs, drop } = action as Readonly<Record<string, unknown>>;
  if (Object.keys(action).length !== 1)
    throw invalid("action", `an action is one of ${actionOptions.join(", ")}`);
  if (error !== undefined && (error === "NONE" || !Object.hasOwn(ErrorCode, String(error))))
    throw invalid("error", `"${error}" is none of Kafka's errors`);
  if (delayMs !== undefined && !isCount(delayMs, 0))
    throw invalid("delayMs", `delayMs must be a whole number of milliseconds, not ${delayMs}`);
  if (drop !== undefined && drop !== "before" && drop !== "after")
    throw invalid("drop", `drop is "before" or "after", not "${drop}"`);
}

function isCount(value: unknown, min: number): boolean {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= min;
}

function refuseUnknown(what: string, given: unknown, options: readonly string[]): void {
  if (typeof given !== "object" || given === null)
    throw invalid(what, `${what === "action" ? "an" : "a"} ${what} must be an object`);
  const unknown = Object.keys(given).find((name) => !options.includes(name));
  if (unknown !== undefined)
    throw invalid(unknown, `unknown ${what} "${unknown}"; known are ${options.join(", ")}`);
}

function invalid(name: string, message: string): LogError {
  return new LogError("INVALID_ARGUMENT", message, { details: { name } });
}
