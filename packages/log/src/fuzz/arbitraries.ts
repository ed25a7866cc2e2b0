// Building blocks of structured inputs: fields that are mostly right and sometimes anything.
import fc from "fast-check";

/** The right value seven times of eight. */
export function mostly<T>(right: T, wrong: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ weight: 7, arbitrary: fc.constant(right) }, { weight: 1, arbitrary: wrong });
}

export const int64: fc.Arbitrary<bigint> = fc.oneof(
  fc.bigInt({ min: -3n, max: 1000n }),
  fc.constantFrom(2n ** 31n, 2n ** 53n - 2n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n)),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
);

export const int32: fc.Arbitrary<number> = fc.oneof(
  fc.integer({ min: -3, max: 100 }),
  fc.constantFrom(2 ** 31 - 1, -(2 ** 31)),
  fc.integer(),
);

/** A 64-bit offset that could be one. */
export const smallOffset: fc.Arbitrary<bigint> = fc.bigInt({ min: 0n, max: 20n });

/** Whatever JSON can say, in place of a value of another shape. */
export const anyJson: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(null, true, "", "x", [], {}, -1, 0, 1, 1.5, 2 ** 53, -(2 ** 53), 1e300),
  fc.jsonValue({ maxDepth: 2 }),
);

/** A value in which something is of another shape. */
export function mangled(value: unknown): fc.Arbitrary<unknown> {
  const places = placesIn(value);
  return fc
    .tuple(fc.nat({ max: places.length - 1 }), anyJson, fc.boolean())
    .map(([index, other, isRemoved]) => replaceAt(value, places[index] ?? [], other, isRemoved));
}

type Place = readonly (string | number)[];

function placesIn(value: unknown, path: Place = []): Place[] {
  if (typeof value !== "object" || value === null) return [path];
  const keys = Array.isArray(value) ? [...value.keys()] : Object.keys(value);
  const inner = keys.flatMap((key) =>
    placesIn((value as Record<string | number, unknown>)[key], [...path, key]),
  );
  return [path, ...inner];
}

function replaceAt(value: unknown, [key, ...rest]: Place, other: unknown, isRemoved: boolean): unknown {
  if (key === undefined) return other;
  if (Array.isArray(value)) {
    if (rest.length === 0 && isRemoved) return value.filter((_, index) => index !== key);
    return value.map((item, index) => (index === key ? replaceAt(item, rest, other, isRemoved) : item));
  }
  const fields = { ...(value as Record<string, unknown>) };
  if (rest.length === 0 && isRemoved) delete fields[key];
  else fields[key] = replaceAt(fields[key], rest, other, isRemoved);
  return fields;
}
