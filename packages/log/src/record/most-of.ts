/**
 * The first bytes of what was read; copied if they are less than half of it: whoever keeps little must not keep much more
 * alive than is counted.
 */
export function mostOf(chunk: Buffer, length: number): Buffer {
  const part = chunk.subarray(0, length);
  return length * 2 < chunk.length ? Buffer.from(part) : part;
}
