// The response that says that all a request asks for has failed. It is derived from the request and from the schema of
// the response: an error code stands beside whatever the request has named, topic by topic and partition by partition,
// or at the top where it has named nothing of the kind.
import { type Api, ErrorCode, type ErrorName } from "@strandlog/protocol";
import type { AnyBody } from "../context.js";

type Shape = Api["response"]["shape"];
type Field = NonNullable<Shape["fields"]>[number];

const codeNames: ReadonlySet<string> = new Set(["errorCode", "partitionErrorCode"]);

/** Fields by which requests and responses name what they are about. */
const names: ReadonlySet<string> = new Set([
  "groupId",
  "groupInstanceId",
  "index",
  "key",
  "memberId",
  "name",
  "partition",
  "partitionIndex",
  "resourceName",
  "resourceType",
  "topic",
  "topicId",
  "user",
]);

/** Called otherwise in the request. */
const askedAs: Readonly<Record<string, string>> = { partitionIndex: "partition", user: "name" };

/** These are about a group, a session or the whole broker: they stand as far outside as a response has a place for them. */
const outerErrors: ReadonlySet<ErrorName> = new Set<ErrorName>([
  "CLUSTER_AUTHORIZATION_FAILED",
  "COORDINATOR_LOAD_IN_PROGRESS",
  "COORDINATOR_NOT_AVAILABLE",
  "FETCH_SESSION_ID_NOT_FOUND",
  "FETCH_SESSION_TOPIC_ID_ERROR",
  "GROUP_AUTHORIZATION_FAILED",
  "GROUP_ID_NOT_FOUND",
  "INVALID_FETCH_SESSION_EPOCH",
  "INVALID_GROUP_ID",
  "NOT_COORDINATOR",
  "UNSUPPORTED_VERSION",
]);

/** Its results stand for directories, which requests do not name. */
const unnamedResults: ReadonlySet<string> = new Set(["DescribeLogDirs"]);

/** Its results stand for what several lists of the request ask for. */
const severalLists: ReadonlySet<string> = new Set(["AlterUserScramCredentials"]);

interface Asking {
  readonly version: number;
  readonly errorCode: number;
  readonly isOuter: boolean;
  readonly isNamed: boolean;
  readonly isOfSeveral: boolean;
}

/** Undefined where there is no place for the error, since the request asks for nothing that could fail. */
export function errorBody(api: Api, version: number, asked: AnyBody, error: ErrorName): AnyBody | undefined {
  const asking = {
    version,
    errorCode: ErrorCode[error],
    isOuter: outerErrors.has(error),
    isNamed: !unnamedResults.has(api.name),
    isOfSeveral: severalLists.has(api.name),
  };
  return refuse(api.response.shape, api.request.shape, asked, asking);
}

function refuse(shape: Shape, askedShape: Shape, asked: AnyBody, asking: Asking): AnyBody | undefined {
  const fields = fieldsOf(shape, asking.version);
  const code = fields.find(({ name }) => codeNames.has(name));
  const body: Record<string, unknown> = {};
  for (const field of fields) body[field.name] = fieldValue(field, asked, asking.version);
  const inner = code !== undefined && asking.isOuter ? undefined : innerOf(fields, askedShape, asked, asking);
  if (inner !== undefined) return { ...body, ...inner };
  return code === undefined ? undefined : { ...body, [code.name]: asking.errorCode };
}

/** The list in which each part of what is asked gets an error of its own, if there is one. */
function innerOf(
  fields: readonly Field[],
  askedShape: Shape,
  asked: AnyBody,
  asking: Asking,
): AnyBody | undefined {
  const list = fields.find(({ shape }) => hasCode(shape, asking.version));
  const lists = fieldsOf(askedShape, asking.version).filter(({ shape }) => shape.kind === "array");
  const askedList = lists.find(({ name }) => name === list?.name) ?? lists[0];
  if (list === undefined || askedList === undefined || !asking.isNamed) return undefined;
  const element = list.shape.element as Shape;
  const askedElement = askedList.shape.element as Shape;
  const names = asking.isOfSeveral ? lists.map(({ name }) => name) : [askedList.name];
  const parts = names
    .flatMap((name) => (asked[name] ?? []) as readonly unknown[])
    .map((each) => refuse(element, askedElement, asNamed(each, element, askedElement), asking));
  return parts.length === 0 || parts.includes(undefined) ? undefined : { [list.name]: parts };
}

/** A bare number or name stands for what the response puts under a name. */
function asNamed(each: unknown, { fields = [] }: Shape, { kind }: Shape): AnyBody {
  if (kind === "struct") return each as AnyBody;
  const name = fields.find((field) => field.shape.kind === kind && names.has(field.name))?.name;
  return name === undefined ? {} : { [name]: each };
}

function fieldsOf({ fields = [] }: Shape, version: number): readonly Field[] {
  return fields.filter(({ shape }) => shape.since <= version && version <= shape.until);
}

/** Whether it is a list whose elements have an error code. */
function hasCode({ element }: Shape, version: number): boolean {
  return (
    element !== undefined &&
    fieldsOf(element, version).some(({ name, shape }) => codeNames.has(name) || hasCode(shape, version))
  );
}

/** What was asked, where that is a name; otherwise what stands for nothing. */
function fieldValue({ name, shape }: Field, asked: AnyBody, version: number): unknown {
  const named = names.has(name) ? (asked[name] ?? asked[askedAs[name] ?? name]) : undefined;
  if (named !== undefined && named !== null) return named;
  if (shape.tag !== undefined || version >= shape.nullableSince) return shape.defaultValue;
  if (shape.kind === "int64" && shape.defaultValue === 0) return -1;
  return shape.defaultValue ?? (shape.kind === "string" ? "" : []);
}
