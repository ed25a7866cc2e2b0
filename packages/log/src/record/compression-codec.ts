/** One compression, ready to use. Broken or oversized input makes it throw any Error. */
export interface Codec {
  compress(bytes: Buffer): Uint8Array;
  /** Allocates no more than about `bytesMax`; that the result is within it, the caller checks once more. */
  decompress(bytes: Buffer, bytesMax: number): Uint8Array;
}
