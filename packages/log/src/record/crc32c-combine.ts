// The checksum of two pieces from the checksums of each, without looking at their bytes again. CRCs are polynomials over
// GF(2): appending n zero bits multiplies by x^n, modulo the CRC's own polynomial. The method is Mark Adler's, of zlib.
const polynomial = 0x82f63b78;
/** x^1; bits are reflected, so the highest stands for x^0. */
const one = 0x8000_0000 | 0;
/** x^(2^n), for each n. */
const powers: readonly number[] = powersOfTwo();

/** The checksum of a first piece whose checksum is `first`, followed by `length` bytes whose checksum is `second`. */
export function combineCrc32c(first: number, second: number, length: number): number {
  return (product(zeroBytes(length), first) ^ second) >>> 0;
}

/** What appending so many zero bytes multiplies by. */
function zeroBytes(length: number): number {
  let factor = one;
  // Eight bits a byte: from x^(2^3) on. A length beyond 2^32 would not be a buffer's.
  for (let left = length, n = 3; left > 0; left = Math.floor(left / 2), n++)
    if (left % 2 === 1) factor = product(powers[n % powers.length] as number, factor);
  return factor;
}

/** Of two polynomials, modulo the CRC's. */
function product(left: number, right: number): number {
  let result = 0;
  let factor = right;
  for (let bit = one; bit !== 0; bit >>>= 1) {
    if ((left & bit) !== 0) result ^= factor;
    factor = (factor & 1) !== 0 ? (factor >>> 1) ^ polynomial : factor >>> 1;
  }
  return result;
}

function powersOfTwo(): number[] {
  const found = [one >>> 1];
  // x^(2^31) times itself is x^1 again for a polynomial like this one, so that 31 of them are all.
  for (let n = 1; n < 31; n++) found.push(product(found[n - 1] as number, found[n - 1] as number));
  return found;
}
