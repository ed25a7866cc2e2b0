// Numbers as people write and read them: sizes, durations, counts, and positions in a log.
import type { Position } from "@strandlog/log";
import { InvalidArgumentError } from "commander";

const sizes: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};

const durations: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** "500", "64MiB", "1GB": bytes. */
export function parseSize(text: string): number {
  const [, number, unit = ""] = /^(-1|\d+)([a-zA-Z]*)$/.exec(text) ?? [];
  const factor = sizes[unit];
  if (number === undefined || factor === undefined)
    throw new InvalidArgumentError(`"${text}" is not a size such as 64MiB or 1048576`);
  return Number(number) === -1 ? -1 : Number(number) * factor;
}

/** "500", "250ms", "7d": milliseconds. */
export function parseDuration(text: string): number {
  const [, number, unit = "ms"] = /^(-1|\d+)(ms|s|m|h|d|w)?$/.exec(text) ?? [];
  if (number === undefined)
    throw new InvalidArgumentError(`"${text}" is not a duration such as 7d, 12h or 500ms`);
  return Number(number) === -1 ? -1 : Number(number) * (durations[unit] as number);
}

export function parseInteger(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError(`"${text}" is not a whole number`);
  return Number(text);
}

/** An offset, "earliest", "latest", a date, or a time ago such as -90s. */
export function parsePosition(text: string): Position {
  if (text === "earliest" || text === "latest") return text;
  if (/^\d+$/.test(text)) return parseInteger(text);
  const [, number, unit] = /^-(\d+)(ms|s|m|h|d|w)$/.exec(text) ?? [];
  if (unit !== undefined) return new Date(Date.now() - Number(number) * (durations[unit] as number));
  // What Date makes of other strings depends on the system.
  const date = /^\d{4}-\d{2}-\d{2}/.test(text) ? new Date(text) : undefined;
  if (date !== undefined && !Number.isNaN(date.getTime())) return date;
  const known =
    "an offset, earliest, latest, a date such as 2026-03-31T12:00:00Z, or a time ago such as -90s, -15m, -1h, -7d";
  throw new InvalidArgumentError(`"${text}" is not a position: give ${known}`);
}

export function countText(number: number): string {
  return number.toLocaleString("en-US");
}

export function bytesText(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${value.toFixed(unit === 0 ? 0 : value < 10 ? 2 : 1)} ${units[unit]}`;
}

export function secondsText(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
