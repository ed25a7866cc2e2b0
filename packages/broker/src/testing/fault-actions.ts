// What a fault does to a request.
import { setMaxListeners } from "node:events";
import type { Clock } from "@strandlog/log";
import { type Api, apis, type Request } from "@strandlog/protocol";
import type { Answer, AnyBody, BrokerContext, Session } from "../context.js";
import { errorBody } from "./error-body.js";
import { isAbout } from "./named-topics.js";
import type { CheckedFault } from "./request-fault.js";

type Handle = () => Promise<Answer<AnyBody>>;
type Act = (handle: Handle) => Promise<Answer<AnyBody>>;

/** Undefined if the request is not one of those that the fault is for, or asks for nothing that could fail. */
export async function actionFor(
  { api, topic, action }: CheckedFault,
  request: Request,
  session: Session,
  broker: BrokerContext,
): Promise<Act | undefined> {
  const body = await allNamed(api, request, broker);
  if (topic !== undefined && !(await isAbout(topic, body, broker.topics))) return undefined;
  if ("delayMs" in action)
    return (handle) => delayed(handle, action.delayMs, session.signal, broker.log.clock);
  if ("drop" in action) return action.drop === "before" ? lost : lostAfter;
  if (api === apis.produce && body["acks"] === 0) return lost; // Nobody would read an error.
  const answer = errorBody(api, request.apiVersion, body, action.error);
  return answer && (async () => ({ ...answer, ...placeOf(api, session, broker) }));
}

/** Metadata of all topics is asked for without naming one. */
async function allNamed(
  api: Api,
  { apiVersion, body }: Request,
  { topics }: BrokerContext,
): Promise<AnyBody> {
  const isAll =
    api === apis.metadata && (body["topics"] === null || (apiVersion === 0 && isEmpty(body["topics"])));
  if (!isAll) return body as AnyBody;
  return { ...body, topics: (await topics.all()).map(({ name, topicId }) => ({ name, topicId })) };
}

function isEmpty(list: unknown): boolean {
  return Array.isArray(list) && list.length === 0;
}

/** Without a broker in it, Metadata would leave a client nowhere to go. */
function placeOf(api: Api, { advertised }: Session, { settings, clusterId }: BrokerContext): AnyBody {
  if (api !== apis.metadata) return {};
  const { nodeId } = settings;
  return { brokers: [{ nodeId, ...advertised }], controllerId: nodeId, clusterId };
}

async function delayed(
  handle: Handle,
  delayMs: number,
  signal: AbortSignal,
  clock: Clock,
): Promise<Answer<AnyBody>> {
  const due = elapsed(delayMs, signal, clock);
  const answer = await handle();
  return async () => {
    const body = typeof answer === "function" ? await answer() : answer;
    await due;
    return body;
  };
}

/** Ends early when the client is not to wait any longer. */
function elapsed(ms: number, signal: AbortSignal, clock: Clock): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  setMaxListeners(0, signal);
  return new Promise((resolve) => {
    const done = (): void => {
      timer.cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = clock.startTimer(ms, done, true);
    signal.addEventListener("abort", done, { once: true });
  });
}

/** What a handler throws ends its connection. */
async function lost(): Promise<never> {
  throw new Error("a fault that the test wanted ends the connection");
}

async function lostAfter(handle: Handle): Promise<Answer<AnyBody>> {
  const answer = await handle();
  return async () => {
    if (typeof answer === "function") await answer();
    return lost();
  };
}
