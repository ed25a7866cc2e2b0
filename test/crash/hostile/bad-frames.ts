// Bytes that are no request, or not one that a broker could read: each has to end its connection, or get an error.
const mebibyte = 1024 * 1024;
export const requestBytesMax: number = 100 * mebibyte;

interface BadFrame {
  readonly name: string;
  readonly bytes: Buffer;
}

function length(value: number): Buffer {
  const head = Buffer.alloc(4);
  head.writeInt32BE(value);
  return head;
}

function framed(hex: string, rest: Buffer = Buffer.alloc(0)): Buffer {
  const body = Buffer.concat([Buffer.from(hex, "hex"), rest]);
  return Buffer.concat([length(body.length), body]);
}

/** API, version, correlation id 1, no client id. */
function request(apiKey: number, version: number, rest: string, tail?: Buffer): Buffer {
  const head = Buffer.alloc(10);
  head.writeInt16BE(apiKey);
  head.writeInt16BE(version, 2);
  head.writeInt32BE(1, 4);
  head.writeInt16BE(-1, 8);
  return framed(head.toString("hex") + rest, tail);
}

const tlsHello = Buffer.from("160301020001fc030300".repeat(32), "hex");

export const badFrames: readonly BadFrame[] = [
  { name: "length 0", bytes: length(0) },
  { name: "length -1", bytes: length(-1) },
  { name: "length 2^31 - 1", bytes: length(2 ** 31 - 1) },
  { name: "length -2^31", bytes: length(-(2 ** 31)) },
  { name: "length one above the limit", bytes: length(requestBytesMax + 1) },
  { name: "TLS on a plain port", bytes: tlsHello },
  { name: "HTTP", bytes: Buffer.from("GET / HTTP/1.1\r\nhost: here\r\n\r\n") },
  { name: "a header that is cut", bytes: framed("0003") },
  { name: "a client id of length -2", bytes: framed("0003000100000001fffe") },
  { name: "a client id beyond the frame", bytes: framed("00030001000000017fff") },
  { name: "an API that there is not", bytes: request(999, 0, "") },
  { name: "an API for brokers", bytes: request(4, 1, "") },
  { name: "a version that is yet to come", bytes: request(3, 99, "") },
  { name: "a negative version", bytes: request(3, -1, "") },
  { name: "ApiVersions of a version that is yet to come", bytes: request(18, 99, "") },
  { name: "Produce 0, which is only advertised", bytes: request(0, 0, "0001000003e800000000") },
  { name: "2^31 - 1 topics", bytes: request(3, 1, "7fffffff") },
  { name: "-2 topics", bytes: request(3, 1, "fffffffe") },
  { name: "more topics than bytes", bytes: request(3, 1, "00000010") },
  { name: "600,000 empty names", bytes: request(3, 1, "000927c0", Buffer.alloc(1_200_000)) },
  { name: "a name of length -2", bytes: request(3, 1, "00000001fffe") },
  { name: "a name longer than the frame", bytes: request(3, 1, "000000017fff61") },
  { name: "a compact count of 2^32 - 1", bytes: request(3, 9, "00ffffffff0f") },
  { name: "a varint that stands for -1 if it wraps", bytes: request(3, 9, "00ffffffff7f") },
  { name: "a varint of six bytes", bytes: request(3, 9, "00ffffffffff01") },
  { name: "a varint without an end", bytes: request(3, 9, "00ff".repeat(40)) },
  { name: "2^32 - 1 tagged fields", bytes: request(3, 9, "ffffffff0f") },
  { name: "a tagged field longer than the frame", bytes: request(3, 9, "0105ffffff7f") },
  { name: "tags that do not rise", bytes: request(18, 3, "0001610161" + "020500050000") },
  { name: "null where there cannot be null", bytes: request(17, 1, "ffff") },
  {
    name: "a number beyond 2^53",
    bytes: request(2, 1, "ffffffff0000000100016100000001000000007fffffffffffffff"),
  },
];
