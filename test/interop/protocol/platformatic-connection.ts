// The connection of @platformatic/kafka, and a broker at its other end that answers as it is told. So headers are
// written and read as its users have them.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import * as library from "@platformatic/kafka";
import { type Api, decodeRequestHeader, FrameSplitter } from "@strandlog/protocol";
import { type ApiVersion, clientId } from "./oracle.js";

type Parse = (correlationId: number, apiKey: number, apiVersion: number, reader: library.Reader) => unknown;

type Callback = (error: Error | null, response: unknown) => void;

interface Sender {
  send(
    apiKey: number,
    apiVersion: number,
    createPayload: () => library.Writer,
    parse: Parse,
    requestHeaderHasTags: boolean,
    responseHeaderHasTags: boolean,
    callback: Callback,
  ): void;
}

/** One version of an API. */
interface Call {
  (sender: Sender, ...args: readonly unknown[]): void;
  readonly key: number;
  readonly version: number;
}

const modules = Object.values(library) as unknown as readonly { readonly api?: Call }[];
const calls = modules.flatMap(({ api }) => (typeof api === "function" ? [api] : []));

export function versionsOf({ key }: Api): number[] {
  return calls.filter((call) => call.key === key).map(({ version }) => version);
}

const connection = new library.Connection(clientId);
let answer: (request: Buffer) => Buffer;

const broker = createServer((socket) => {
  const splitter = new FrameSplitter(2 ** 20);
  socket.on("data", (chunk) => {
    for (const request of splitter.push(chunk)) socket.write(answer(request));
  });
});

export async function connect(): Promise<void> {
  await once(broker.listen(0, "127.0.0.1"), "listening");
  await connection.connect("127.0.0.1", (broker.address() as AddressInfo).port);
}

export async function close(): Promise<void> {
  await connection.close();
  broker.close();
}

/** Answers the frame that arrives. */
export async function sendRequest(at: ApiVersion, args: readonly unknown[]): Promise<Buffer> {
  const requests: Buffer[] = [];
  answer = (request) => {
    requests.push(request);
    const correlationId = request.subarray(4, 8);
    return Buffer.concat([Buffer.of(0, 0, 0, 5), correlationId, Buffer.of(0)]);
  };
  await exchange(at, { args, readWith: () => () => undefined });
  return requests[0] ?? assert.fail("nothing has arrived");
}

/** Answers what is read, which has to be all. */
export function receiveResponse(
  at: ApiVersion,
  respond: (correlationId: number) => Buffer,
): Promise<unknown> {
  answer = (request) => respond(decodeRequestHeader(request).correlationId);
  return exchange(at, {
    createPayload: () => library.Writer.create(),
    readWith: (parse) => (correlationId, apiKey, apiVersion, reader) => {
      const response = parsed(() => parse(correlationId, apiKey, apiVersion, reader));
      // It does not care for the tagged fields that end a flexible message, of which there are none: a zero.
      const left = reader.remaining - (apiVersion >= at.api.flexibleFrom ? 1 : 0);
      assert.equal(left, 0, `${left} bytes are left`);
      return response;
    },
  });
}

/** A response with error codes is thrown, with all that was read. */
function parsed(parse: () => unknown): unknown {
  try {
    return parse();
  } catch (error) {
    if (error instanceof library.ResponseError) return error["response"];
    throw error;
  }
}

interface Changes {
  readonly args?: readonly unknown[];
  /** In place of a request made from arguments. */
  readonly createPayload?: () => library.Writer;
  readWith(parse: Parse): Parse;
}

function exchange({ api, version }: ApiVersion, changes: Changes): Promise<unknown> {
  const call = calls.find((each) => each.key === api.key && each.version === version);
  assert.ok(call);
  const sender = connection as unknown as Sender;
  return new Promise((resolve, reject) => {
    const send: Sender["send"] = (apiKey, apiVersion, createPayload, parse, ...rest) =>
      sender.send(
        apiKey,
        apiVersion,
        changes.createPayload ?? createPayload,
        changes.readWith(parse),
        ...rest,
      );
    const callback: Callback = (error, response) => (error === null ? resolve(response) : reject(error));
    call({ send }, ...(changes.args ?? []), callback);
  });
}
