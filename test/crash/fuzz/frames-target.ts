// Kafka's protocol as it comes in from a socket: a stream that is cut anywhere, the frames in it, and the requests and
// responses in those, of all APIs in all versions. It is no room of the engine, which knows nothing of the protocol, so
// the target is at home here.
import { isDeepStrictEqual } from "node:util";
import {
  type Api,
  apiOf,
  apis,
  decodeRequest,
  decodeRequestHeader,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  FrameSplitter,
  ProtocolError,
} from "@strandlog/protocol";
import fc from "fast-check";
import { Random } from "strandlog/testing";
import { FrameForger, type Side } from "./frame-forger.js";
import type { MadeTarget } from "./fuzz-target.js";

type Shape = Api[Side]["shape"];

const all: readonly Api[] = Object.values(apis);
/** Before the stream: which side it is and how it is cut; of responses, which API's and version they are. */
const headBytes = 3;
const frameBytesMax = 64 * 1024;
/** What is longer is not written again. */
const rewrittenBytesMax = 8 * 1024;
/** In bytes; 0 does not cut. */
const cuts = [0, 1, 3, 7, 64, 1000];
const sides: readonly Side[] = ["request", "response"];

export function framesTarget(): MadeTarget {
  return {
    name: "frames",
    share: 20,
    codes: [],
    isRefusal: (error) => error instanceof ProtocolError,
    corpus: corpus(),
    read,
    repair,
    // What the seed stands for is drawn by lot, so a smaller one is no simpler.
    fields: fc.noShrink(fc.nat()).map((seed) => forgedStream(new Random(seed))),
  };
}

/** One of each side in the versions in which most changes, all as they should be. */
function corpus(): Buffer[] {
  const random = new Random(1);
  return all.flatMap((api, index) => {
    const { versionMin, versionMax, flexibleFrom } = api;
    const versions = new Set([
      versionMin,
      Math.min(Math.max(flexibleFrom - 1, versionMin), versionMax),
      versionMax,
    ]);
    return sides.flatMap((side) =>
      [...versions].map((version) => {
        const frame = new FrameForger(random, 0).frame(api, side, version);
        return Buffer.concat([Buffer.from([sides.indexOf(side), index, version - versionMin]), frame]);
      }),
    );
  });
}

function forgedStream(random: Random): Buffer {
  const index = random.below(all.length);
  const api = all[index] as Api;
  const side = random.pick(sides);
  const version = random.between(api.versionMin, api.versionMax);
  const forger = new FrameForger(random, random.pick([0, 0.01, 0.05, 0.2]));
  const head = sides.indexOf(side) | (random.below(cuts.length) << 1);
  const frames = Array.from({ length: random.pick([1, 1, 1, 2, 3]) }, () => forger.frame(api, side, version));
  return Buffer.concat([Buffer.from([head, index, version - api.versionMin]), ...frames]);
}

function read(input: Buffer): boolean {
  if (input.length < headBytes) return false;
  const [head = 0, index = 0, step = 0] = input;
  const stream = input.subarray(headBytes);
  const frames = split(stream, cuts[(head >> 1) % cuts.length] || stream.length);
  const side = sides[head & 1] as Side;
  const api = all[index % all.length] as Api;
  const version = api.versionMin + (step % (api.versionMax - api.versionMin + 1));
  for (const frame of frames)
    if (!(side === "request" ? readRequest(frame) : readResponse(api, version, frame))) return false;
  return frames.length > 0;
}

/** The frames of a stream that arrives in pieces, which are those that are in it however it is cut. */
function split(stream: Buffer, pieceBytes: number): Buffer[] {
  const splitter = new FrameSplitter(frameBytesMax);
  const frames: Buffer[] = [];
  let end = 0;
  for (let at = 0; at < stream.length; at += pieceBytes) {
    for (const frame of splitter.push(stream.subarray(at, at + pieceBytes))) {
      const length = stream.readInt32BE(end);
      expect(
        frame.equals(stream.subarray(end + 4, end + 4 + length)),
        `frame ${frames.length} is another one`,
      );
      end += 4 + length;
      frames.push(frame);
    }
  }
  expect(
    end + splitter.pendingBytes === stream.length,
    `${splitter.pendingBytes} bytes are pending after ${end}`,
  );
  return frames;
}

function readRequest(frame: Buffer): boolean {
  const { apiKey, apiVersion, correlationId } = decodeRequestHeader(frame);
  const api = apiOf(apiKey);
  if (api === undefined) return false;
  const request = decodeRequest(api, frame);
  const isHeld = request.apiVersion === apiVersion && request.correlationId === correlationId;
  expect(isHeld, "its header is another one");
  if (frame.length > rewrittenBytesMax) return true;
  const chunks = encodeRequest(api, request, encodable(api.request.shape, request.body));
  const again = decodeRequest(api, Buffer.concat(chunks).subarray(4));
  expect(isDeepStrictEqual(again, request), `${api.name} is another one when written again`);
  return true;
}

function readResponse(api: Api, version: number, frame: Buffer): boolean {
  const response = decodeResponse(api, version, frame);
  if (frame.length > rewrittenBytesMax) return true;
  const { correlationId, body } = response;
  const chunks = encodeResponse(api, version, correlationId, encodable(api.response.shape, body));
  const again = decodeResponse(api, version, Buffer.concat(chunks).subarray(4));
  expect(isDeepStrictEqual(again, response), `${api.name} is another one when written again`);
  return true;
}

/** Records are read as one piece and written as several. */
function encodable(shape: Shape, value: unknown): never {
  return asEncodable(shape, value) as never;
}

function asEncodable({ kind, element, fields = [] }: Shape, value: unknown): unknown {
  if (value === null) return null;
  if (kind === "records") return [value];
  if (kind === "array") return (value as unknown[]).map((each) => asEncodable(element as Shape, each));
  if (kind !== "struct") return value;
  const given = value as Readonly<Record<string, unknown>>;
  return Object.fromEntries(fields.map(({ name, shape }) => [name, asEncodable(shape, given[name])]));
}

/** The frames as far as their lengths lead; the last one takes the rest. */
function repair(input: Buffer): Buffer {
  for (let at = headBytes; at + 4 < input.length; ) {
    const end = at + 4 + input.readInt32BE(at);
    const isWithin = end > at + 4 && end <= input.length;
    if (!isWithin) input.writeInt32BE(input.length - at - 4, at);
    at = isWithin ? end : input.length;
  }
  return input;
}

function expect(isSo: boolean, message: string): asserts isSo {
  if (!isSo) throw new Error(message);
}
