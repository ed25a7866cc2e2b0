import { apis, ErrorCode, type ResponseOf } from "@strandlog/protocol";
import { type Handler, handler } from "../context.js";

type Body = ResponseOf<typeof apis.apiVersions>;

/** What clients ask first. They use the highest version that both know, and do without what is missing. */
export function apiVersionsHandler(answered: readonly Handler[]): Handler {
  const own: Handler = handler(apis.apiVersions, () => versionsOf([...answered, own], ErrorCode.NONE));
  return own;
}

export function versionsOf(answered: Iterable<Handler>, errorCode: number): Body {
  const apiKeys = Array.from(answered, ({ api, advertisedFrom }) => ({
    apiKey: api.key,
    minVersion: advertisedFrom,
    maxVersion: api.versionMax,
  }));
  return { errorCode, apiKeys };
}
