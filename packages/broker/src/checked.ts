// What all options share: how one is refused.
import { LogError } from "@strandlog/log";

export interface Address {
  readonly host: string;
  readonly port: number;
}

export function invalid(name: string, message: string, cause?: unknown): LogError {
  return new LogError("INVALID_ARGUMENT", message, { cause, details: { name } });
}

/** `what`: whose options they are, "" for the broker's own. */
export function refuseUnknown(options: object, known: readonly string[], what = ""): void {
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const name = what === "" ? unknown : `${what}.${unknown}`;
  throw invalid(name, `unknown option "${name}"; known are ${known.join(", ")}`);
}

export function integer(name: string, value: unknown, min: number, max: number): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max) return value;
  throw invalid(
    name,
    `${name} must be a whole number from ${min} to ${max}, not ${typeof value === "string" ? JSON.stringify(value) : String(value)}`,
  );
}

/** "HOST:PORT", with brackets around an IPv6 address. */
export function addressOf(name: string, text: unknown): Address {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(String(text)) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || host === "" || Number(port) > 65_535) {
    throw invalid(name, `${name} must be a port or HOST:PORT, not ${JSON.stringify(text)}`);
  }
  return { host, port: Number(port) };
}

export function addressText({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
