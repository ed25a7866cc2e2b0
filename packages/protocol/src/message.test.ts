import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type Api,
  apiOf,
  apis,
  decodeRequest,
  decodeRequestHeader,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  ProtocolError,
} from "./index.js";
import { anyMessage, type Side, toEncodable } from "./test-support.js";

const runs = { numRuns: 20 };
const sides: readonly Side[] = ["request", "response"];

function versionsOf({ versionMin, versionMax }: Api): number[] {
  return Array.from({ length: versionMax - versionMin + 1 }, (_, n) => versionMin + n);
}

/** Without the length. */
function encode(api: Api, side: Side, apiVersion: number, body: unknown): Buffer {
  const message = toEncodable(api[side].shape, body);
  const chunks =
    side === "request"
      ? encodeRequest(api, { apiVersion, correlationId: 77, clientId: "me" }, message)
      : encodeResponse(api, apiVersion, 77, message);
  const whole = Buffer.concat(chunks);
  assert.equal(whole.readInt32BE(0), whole.length - 4);
  return whole.subarray(4);
}

function decode(api: Api, side: Side, version: number, frame: Buffer): unknown {
  return side === "request" ? decodeRequest(api, frame).body : decodeResponse(api, version, frame).body;
}

for (const api of Object.values(apis)) {
  for (const side of sides) {
    test(`${api.name} ${side}: what is decoded is what was encoded, in every version`, () => {
      for (const version of versionsOf(api)) {
        fc.assert(
          fc.property(anyMessage(api, side, version), (body) => {
            assert.deepEqual(decode(api, side, version, encode(api, side, version, body)), body);
          }),
          runs,
        );
      }
    });

    test(`${api.name} ${side}: a frame that ends early is refused, wherever it ends`, () => {
      for (const version of versionsOf(api)) {
        const [body] = fc.sample(anyMessage(api, side, version), { numRuns: 1, seed: version });
        const frame = encode(api, side, version, body);
        for (let length = 0; length < frame.length; length += 1 + Math.floor(frame.length / 200)) {
          const cut = () => decode(api, side, version, frame.subarray(0, length));
          assert.throws(cut, ProtocolError, `version ${version}, ${length} of ${frame.length} bytes`);
        }
      }
    });

    test(`${api.name} ${side}: a frame with a byte changed is read or refused`, () => {
      for (const version of versionsOf(api)) {
        fc.assert(
          fc.property(anyMessage(api, side, version), fc.nat(), fc.nat({ max: 255 }), (body, place, byte) => {
            const frame = encode(api, side, version, body);
            const at = 8 + (place % (frame.length - 4)); // not the version
            if (at < frame.length) frame[at] = byte;
            try {
              decode(api, side, version, frame);
            } catch (error) {
              if (!(error instanceof ProtocolError)) throw error;
            }
          }),
          runs,
        );
      }
    });
  }
}

test("an API is found by its key, and there is one for each key", () => {
  for (const api of Object.values(apis)) assert.equal(apiOf(api.key), api);
  assert.equal(apiOf(4), undefined);
});

test("the header of an unknown API is read all the same", () => {
  const frame = Buffer.from("7fff0063000000050002", "hex");
  assert.deepEqual(decodeRequestHeader(frame), { apiKey: 0x7fff, apiVersion: 99, correlationId: 5 });
  assert.throws(() => decodeRequestHeader(frame.subarray(0, 7)), ProtocolError);
});

test("a version that is not in the schema is refused", () => {
  const header = { apiVersion: 2, correlationId: 1, clientId: null };
  const topics = { acks: 1, timeoutMs: 1, topicData: [] };
  assert.throws(() => encodeRequest(apis.produce, header, topics), /Produce has versions 3 to 11, not 2/);
  const frame = Buffer.from("0000000200000001ffff", "hex");
  assert.throws(() => decodeRequest(apis.produce, frame), /versions 3 to 11/);
});

test("a request is not read as one of another API", () => {
  assert.throws(() => decodeRequest(apis.fetch, Buffer.from("0000000400000001ffff", "hex")), /API 0/);
});

test("a client id may be missing, and not have a negative length", () => {
  assert.equal(decodeRequest(apis.apiVersions, Buffer.from("0012000000000001ffff", "hex")).clientId, null);
  assert.throws(
    () => decodeRequest(apis.apiVersions, Buffer.from("0012000000000001fffe", "hex")),
    ProtocolError,
  );
});

test("the header of an ApiVersions response has no tagged fields, though the body may", () => {
  const frame = Buffer.concat(encodeResponse(apis.apiVersions, 3, 9, { errorCode: 0, apiKeys: [] }));
  assert.equal(frame.toString("hex"), "0000000c" + "00000009" + "0000" + "01" + "00000000" + "00");
});

test("tagged fields that are not known are skipped, in the header and in the body", () => {
  const header = "001200030000000100026d65" + "01" + "05" + "02" + "abcd";
  const body = "0261" + "0262" + "02" + "00" + "01" + "ff" + "7f" + "00";
  assert.deepEqual(decodeRequest(apis.apiVersions, Buffer.from(header + body, "hex")).body, {
    clientSoftwareName: "a",
    clientSoftwareVersion: "b",
  });
});

test("tags that do not rise and fields of another length than they say are refused", () => {
  const response = (tagged: string) => () =>
    decodeResponse(apis.apiVersions, 3, Buffer.from(`00000009000001${"00000000"}${tagged}`, "hex"));
  assert.equal(response("01" + "01" + "08" + "0000000000000005")().body.finalizedFeaturesEpoch, 5);
  assert.throws(response("01" + "01" + "09" + "000000000000000500"), /finalizedFeaturesEpoch should end/);
  assert.throws(response("02" + "09" + "00" + "09" + "00"), /tag 9 follows tag 9/);
});

test("a count that the frame cannot hold is refused before anything is taken for it", () => {
  const frame = (count: string) => Buffer.from(`0003000100000001ffff${count}`, "hex");
  assert.throws(() => decodeRequest(apis.metadata, frame("7fffffff")), /2147483647 elements cannot be/);
  assert.throws(() => decodeRequest(apis.metadata, frame("fffffffe")), /a length is -2/);
  assert.equal(decodeRequest(apis.metadata, frame("ffffffff")).body.topics, null);
});

test("arrays that hold too many elements together are refused, however small those are", () => {
  const count = Buffer.alloc(4);
  count.writeInt32BE(600_000);
  const names = Buffer.alloc(1_200_000);
  const frame = Buffer.concat([Buffer.from("0003000100000001ffff", "hex"), count, names]);
  assert.throws(() => decodeRequest(apis.metadata, frame), /more than 500000 elements/);
});

test("null where there cannot be null is refused, both ways", () => {
  assert.throws(
    () => decodeRequest(apis.saslHandshake, Buffer.from("0011000100000001ffffffff", "hex")),
    /null, which this string cannot be/,
  );
  const header = { apiVersion: 1, correlationId: 1, clientId: null };
  assert.throws(() => encodeRequest(apis.saslHandshake, header, { mechanism: null as never }), TypeError);
});

test("what a message holds as bytes is not copied, neither in nor out", () => {
  const batch = Buffer.alloc(2000, 1);
  const body = {
    acks: 1,
    timeoutMs: 5,
    topicData: [{ name: "a", partitionData: [{ index: 0, records: [batch] }] }],
  };
  const chunks = encodeRequest(apis.produce, { apiVersion: 9, correlationId: 1, clientId: null }, body);
  assert.ok(chunks.some((chunk) => chunk.buffer === batch.buffer && chunk.byteOffset === batch.byteOffset));
  const frame = Buffer.concat(chunks).subarray(4);
  const records = decodeRequest(apis.produce, frame).body.topicData[0]?.partitionData[0]?.records;
  assert.equal(records?.buffer, frame.buffer);
  assert.deepEqual(records, batch);
});

test("fields with a default need not be given, and those a version lacks are left out", () => {
  const response = {
    errorCode: 0,
    generationId: 3,
    protocolName: "range",
    leader: "a",
    memberId: "a",
    members: [],
  };
  for (const version of [0, 9]) {
    const frame = Buffer.concat(encodeResponse(apis.joinGroup, version, 1, response)).subarray(4);
    const { body } = decodeResponse(apis.joinGroup, version, frame);
    assert.deepEqual(body, { ...response, throttleTimeMs: 0, protocolType: null, skipAssignment: false });
  }
});
