import assert from "node:assert/strict";
import { test } from "node:test";
import { type Api, apis, decodeResponse, ErrorCode, encodeResponse } from "@strandlog/protocol";
import type { AnyBody } from "../context.js";
import { errorBody } from "./error-body.js";

type Shape = Api["request"]["shape"];

/** A request of the kind: two of whatever there may be several of, and a value of its own in each field. */
function sampleOf(shape: Shape, version: number, count = { n: 0 }): unknown {
  const n = ++count.n;
  switch (shape.kind) {
    case "array":
      return [
        sampleOf(shape.element as Shape, version, count),
        sampleOf(shape.element as Shape, version, count),
      ];
    case "struct":
      return Object.fromEntries(
        (shape.fields ?? []).map(({ name, shape: field }) => [
          name,
          field.since <= version && version <= field.until
            ? sampleOf(field, version, count)
            : field.defaultValue,
        ]),
      );
    case "string":
      return `s${n}`;
    case "uuid":
      return Buffer.alloc(16, n).toString("base64url");
    case "boolean":
      return true;
    case "bytes":
    case "records":
      return Buffer.alloc(1);
    default:
      return n % 100;
  }
}

/** All error codes in a body. */
function codesIn(value: unknown): number[] {
  if (Array.isArray(value)) return value.flatMap(codesIn);
  if (typeof value !== "object" || value === null || Buffer.isBuffer(value)) return [];
  return Object.entries(value).flatMap(([name, field]) =>
    name === "errorCode" || name === "partitionErrorCode" ? [field as number] : codesIn(field),
  );
}

function versionsOf({ versionMin, versionMax }: Api): number[] {
  return Array.from({ length: versionMax - versionMin + 1 }, (_, n) => versionMin + n);
}

/** As the client reads it. */
function answer(
  api: Api,
  version: number,
  asked: AnyBody,
  error: keyof typeof ErrorCode,
): AnyBody | undefined {
  const body = errorBody(api, version, asked, error);
  if (body === undefined) return undefined;
  const frame = Buffer.concat(encodeResponse(api, version, 1, body));
  return decodeResponse(api, version, frame.subarray(4)).body as AnyBody;
}

test("every API but one can say in each of its versions that a request has failed", () => {
  const mute: string[] = [];
  for (const api of Object.values(apis) as Api[]) {
    for (const version of versionsOf(api)) {
      const asked = sampleOf(api.request.shape, version) as AnyBody;
      for (const error of ["NOT_COORDINATOR", "NOT_LEADER_OR_FOLLOWER"] as const) {
        const body = answer(api, version, asked, error);
        const codes = codesIn(body).filter((code) => code !== ErrorCode.NONE);
        if (body === undefined) mute.push(`${api.name} ${version}`);
        else assert.deepEqual(new Set(codes), new Set([ErrorCode[error]]), `${api.name} ${version}`);
      }
    }
  }
  assert.deepEqual([...new Set(mute)], ["DescribeLogDirs 1", "DescribeLogDirs 2"]);
});

function answered(...asked: Parameters<typeof answer>): AnyBody {
  const body = answer(...asked);
  assert.ok(body !== undefined);
  return body;
}

test("an error stands beside each partition that was named", () => {
  const { NONE, NOT_LEADER_OR_FOLLOWER: code } = ErrorCode;
  const partitionData = [7, 8].map((index) => ({ index, records: null }));
  const produced = answered(
    apis.produce as Api,
    9,
    { acks: -1, topicData: [{ name: "a", partitionData }] },
    "NOT_LEADER_OR_FOLLOWER",
  );
  const [response] = produced["responses"] as { name: string; partitionResponses: AnyBody[] }[];
  assert.deepEqual(
    response?.partitionResponses.map(({ index, errorCode, baseOffset }) => [index, errorCode, baseOffset]),
    [
      [7, code, -1],
      [8, code, -1],
    ],
  );
  const partitions = [{ partition: 3, fetchOffset: 5 }];
  const fetched = answered(
    apis.fetch as Api,
    12,
    { topics: [{ topic: "a", partitions }], forgottenTopicsData: [] },
    "NOT_LEADER_OR_FOLLOWER",
  );
  assert.equal(fetched["errorCode"], NONE);
  const [topic] = fetched["responses"] as { topic: string; partitions: AnyBody[] }[];
  assert.equal(topic?.topic, "a");
  const [{ partitionIndex, errorCode, highWatermark, records } = {}] = topic?.partitions ?? [];
  assert.deepEqual([partitionIndex, errorCode, highWatermark, records], [3, code, -1, null]);
});

test("an error stands beside each user, in whichever list the request has named it", () => {
  const none = { iterations: 4096, salt: Buffer.alloc(0), saltedPassword: Buffer.alloc(0) };
  const asked = {
    deletions: [{ name: "zoe", mechanism: 1 }],
    upsertions: [{ name: "alice", mechanism: 1, ...none }],
  };
  const api = apis.alterUserScramCredentials as Api;
  const { results } = answered(api, 0, asked, "UNACCEPTABLE_CREDENTIAL") as { results: AnyBody[] };
  const code = ErrorCode.UNACCEPTABLE_CREDENTIAL;
  assert.deepEqual(
    results.map(({ user, errorCode }) => [user, errorCode]),
    [
      ["zoe", code],
      ["alice", code],
    ],
  );
});

test("what concerns the whole stands at the top, where a response has a place for it", () => {
  const asked = {
    groupId: "billing",
    topics: [{ name: "a", partitionIndexes: [0] }],
    groups: [{ groupId: "billing", topics: [{ name: "a", partitionIndexes: [0] }] }],
  };
  const { NOT_COORDINATOR, UNSTABLE_OFFSET_COMMIT } = ErrorCode;
  const at = (version: number, error: keyof typeof ErrorCode) =>
    answer(apis.offsetFetch as Api, version, asked, error) as {
      errorCode: number;
      topics: { name: string; partitions: AnyBody[] }[];
      groups: { groupId: string; errorCode: number; topics: unknown[] }[];
    };
  assert.deepEqual(
    [at(5, "NOT_COORDINATOR").errorCode, at(5, "NOT_COORDINATOR").topics],
    [NOT_COORDINATOR, []],
  );
  const [topic] = at(5, "UNSTABLE_OFFSET_COMMIT").topics;
  assert.deepEqual([topic?.name, topic?.partitions[0]?.["errorCode"]], ["a", UNSTABLE_OFFSET_COMMIT]);
  const [group] = at(8, "NOT_COORDINATOR").groups;
  assert.deepEqual([group?.groupId, group?.errorCode, group?.topics], ["billing", NOT_COORDINATOR, []]);
  assert.equal(codesIn(answer(apis.offsetFetch as Api, 1, asked, "NOT_COORDINATOR"))[0], NOT_COORDINATOR);
});

test("what is named by a bare name or number is named in the answer", () => {
  const deleted = answered(apis.deleteTopics as Api, 5, { topicNames: ["a", "b"] }, "NOT_CONTROLLER");
  assert.deepEqual(
    (deleted["responses"] as AnyBody[]).map(({ name }) => name),
    ["a", "b"],
  );
  const topics = [{ name: "a", partitions: [4, 5] }];
  const added = answered(
    apis.addPartitionsToTxn as Api,
    3,
    { transactionalId: "t", topics },
    "INVALID_TXN_STATE",
  );
  const [result] = added["resultsByTopic"] as { resultsByPartition: AnyBody[] }[];
  assert.deepEqual(
    result?.resultsByPartition.map(({ partitionIndex }) => partitionIndex),
    [4, 5],
  );
});

test("where nothing is asked for, nothing can fail", () => {
  assert.equal(answer(apis.metadata as Api, 9, { topics: [] }, "LEADER_NOT_AVAILABLE"), undefined);
  assert.equal(
    answer(apis.produce as Api, 9, { acks: 1, topicData: [] }, "NOT_LEADER_OR_FOLLOWER"),
    undefined,
  );
  const fetched = answered(apis.fetch as Api, 12, { topics: [] }, "FETCH_SESSION_ID_NOT_FOUND");
  assert.equal(fetched?.["errorCode"], ErrorCode.FETCH_SESSION_ID_NOT_FOUND);
});
