// What JSON that was read must look like. A checksum says that bytes are as they were written, not that it was we who
// wrote them; so nothing that was parsed is used before its shape has been looked at.

/** Answers where a value does not fit, as ".partitions[3].number", or undefined where all of it does. */
export type Shape = (value: unknown) => string | undefined;

export const text: Shape = (value) => (typeof value === "string" ? undefined : "");

/** A whole number from `min` on that a double holds exactly. */
export function whole(min = 0, max: number = Number.MAX_SAFE_INTEGER): Shape {
  // No −0: it would be another number when written again.
  const fits = (value: unknown): boolean => Number.isSafeInteger(value) && !Object.is(value, -0);
  return (value) => (fits(value) && Number(value) >= min && Number(value) <= max ? undefined : "");
}

export function oneOf(...values: readonly unknown[]): Shape {
  return (value) => (values.includes(value) ? undefined : "");
}

export function nullOr(shape: Shape): Shape {
  return (value) => (value === null ? undefined : shape(value));
}

/** Of a field that need not be there. */
export function orMissing(shape: Shape): Shape {
  return (value) => (value === undefined ? undefined : shape(value));
}

export function listOf(item: Shape): Shape {
  return (value) =>
    Array.isArray(value)
      ? firstMisfit(
          value.entries(),
          (index) => `[${index}]`,
          () => item,
        )
      : "";
}

/** A list of fixed length. */
export function tuple(...items: readonly Shape[]): Shape {
  return (value) => {
    if (!Array.isArray(value) || value.length !== items.length) return "";
    return firstMisfit(
      value.entries(),
      (index) => `[${index}]`,
      (index) => items[index] as Shape,
    );
  };
}

/** An object that has these fields; others do no harm, since nothing looks at them. */
export function fields(shapes: Readonly<Record<string, Shape>>): Shape {
  const names = Object.keys(shapes);
  return (value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return "";
    const found = value as Readonly<Record<string, unknown>>;
    return firstMisfit(
      names.map((name) => [name, Object.hasOwn(found, name) ? found[name] : undefined]),
      (name) => `.${name}`,
      (name) => shapes[name] as Shape,
    );
  };
}

/** Parses JSON and looks at its shape. `refuse` makes the error for what does not fit. */
export function parseShaped<T>(
  json: string,
  shape: Shape,
  refuse: (what: string, cause?: unknown) => Error,
): T {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw refuse("it is no JSON", cause);
  }
  const misfit = shape(value);
  if (misfit !== undefined)
    throw refuse(`${misfit === "" ? "the whole" : misfit.replace(/^\./, "")} is not what it should be`);
  return value as T;
}

function firstMisfit<K>(
  entries: Iterable<readonly [K, unknown]>,
  place: (key: K) => string,
  shapeOf: (key: K) => Shape,
): string | undefined {
  for (const [key, value] of entries) {
    const misfit = shapeOf(key)(value);
    if (misfit !== undefined) return place(key) + misfit;
  }
  return undefined;
}
