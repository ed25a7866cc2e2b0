// The tests that another implementation of Kafka's protocol has to agree to: what it writes we read, and what we write
// it reads, in every version of every API that both have.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type Api, apis, decodeRequest, encodeRequest, encodeResponse } from "@strandlog/protocol";
import { type ApiName, mapRecords, nullings, type Side, type Struct, sampleOf } from "./samples.js";

/** One version of an API. */
export interface ApiVersion {
  readonly name: ApiName;
  readonly api: Api;
  readonly version: number;
}

/** Bytes are in hexadecimal. */
export interface SampleRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: string | null;
  readonly value: string | null;
}

interface Fault {
  /** What it does wrong. */
  readonly it: string;
  /** How that shows: another fault should not be taken for this one. */
  readonly error: RegExp;
}

export interface Oracle {
  readonly name: string;
  versionsOf(api: Api): readonly number[];
  /** The request with what it cannot write left out, and what it writes by itself put in. */
  adjust(at: ApiVersion, request: Struct): Struct | Promise<Struct>;
  /** The frame that it sends. */
  writeRequest(at: ApiVersion, request: Struct): Promise<Buffer>;
  /** What it reads, in our words and with {@link SampleRecord}s. Fails if not every byte is read. */
  readResponse(at: ApiVersion, respond: (correlationId: number) => Buffer): Promise<unknown>;
  /** Where it differs from Kafka itself. */
  readonly faults: Readonly<Record<string, Fault>>;
  /** In how many versions of all APIs there is no fault. There may not be fewer unnoticed. */
  readonly agreed: Readonly<Record<Side, number>>;
}

/** What the clients of all oracles are called. */
export const clientId = "oracle ü";

export function testAgainst(oracle: Oracle): void {
  const faultOf = (pair: Pair) => oracle.faults[keyOf(pair)];
  const pairs = pairsOf(oracle);
  const agreed = pairs.filter((pair) => faultOf(pair) === undefined);

  for (const pair of agreed) {
    const { side, api, version } = pair;
    const does =
      side === "request" ? `we read what ${oracle.name} writes` : `${oracle.name} reads what we write`;
    void test(`${api.name} ${side}, version ${version}: ${does}`, () => check(oracle, pair));
  }

  for (const pair of pairs) {
    const fault = faultOf(pair);
    if (fault === undefined) continue;
    void test(`${keyOf(pair)}: ${oracle.name} ${fault.it}`, () =>
      assert.rejects(check(oracle, pair), fault.error));
  }

  void test(`each version that ${oracle.name} and we have is checked, and the known faults are all there are`, () => {
    const present = new Set(pairs.map(keyOf));
    for (const key of Object.keys(oracle.faults)) assert.ok(present.has(key), `nobody has ${key}`);
    const count = (side: Side) => agreed.filter((pair) => pair.side === side).length;
    assert.deepEqual({ request: count("request"), response: count("response") }, oracle.agreed);
  });
}

interface Pair extends ApiVersion {
  readonly side: Side;
}

function keyOf({ name, side, version }: Pair): string {
  return `${name} ${side} ${version}`;
}

function pairsOf(oracle: Oracle): Pair[] {
  return (Object.entries(apis) as [ApiName, Api][]).flatMap(([name, api]) => {
    const versions = oracle.versionsOf(api).filter((v) => api.versionMin <= v && v <= api.versionMax);
    const sides: readonly Side[] = ["request", "response"];
    return sides.flatMap((side) => versions.map((version) => ({ side, name, api, version })));
  });
}

const golden = ["platformatic-plain", "kafkajs-gaps"].map((name) => {
  const file = (extension: string) =>
    readFileSync(new URL(`../../../../docs/format/golden/${name}.${extension}`, import.meta.url));
  return { batch: file("batch"), ...(JSON.parse(String(file("json"))) as { records: SampleRecord[] }) };
});
/** As a broker sends them, one behind the other. */
const batches = Buffer.concat(golden.map(({ batch }) => batch));
const records = golden.flatMap((each) =>
  each.records.map(({ offset, timestamp, key, value }): SampleRecord => ({ offset, timestamp, key, value })),
);

async function check(oracle: Oracle, pair: Pair): Promise<void> {
  for (const isNull of nullings) {
    const sample = sampleOf(pair.api[pair.side].shape, pair.version, isNull, batches);
    if (pair.side === "request") await checkRequest(oracle, pair, await oracle.adjust(pair, sample));
    else await checkResponse(oracle, pair, sample);
  }
}

async function checkRequest(oracle: Oracle, at: ApiVersion, request: Struct): Promise<void> {
  const { api, version } = at;
  const written = await oracle.writeRequest(at, request);
  const { correlationId, ...read } = decodeRequest(api, written);
  assert.deepEqual(read, { apiKey: api.key, apiVersion: version, clientId, body: request });
  // That we write the same also tells that no byte was left unread.
  const body = mapRecords(api.request.shape, read.body, (whole) => [whole]) as never;
  const again = encodeRequest(api, { apiVersion: version, correlationId, clientId }, body);
  assert.equal(Buffer.concat(again).toString("hex", 4), written.toString("hex"));
}

async function checkResponse(oracle: Oracle, at: ApiVersion, response: Struct): Promise<void> {
  const { api, version } = at;
  const { shape } = api.response;
  const body = mapRecords(shape, response, (whole) => [whole]) as never;
  const read = await oracle.readResponse(at, (correlationId) =>
    Buffer.concat(encodeResponse(api, version, correlationId, body)),
  );
  assert.deepEqual(
    read,
    mapRecords(shape, response, () => records),
  );
}
