// There are no access control lists: whoever is let in may do everything. Clients know that as disabled security.
import { apis, ErrorCode } from "@strandlog/protocol";
import { type Handler, handler } from "../context.js";

const disabled = {
  errorCode: ErrorCode.SECURITY_DISABLED,
  errorMessage: "there are no access control lists",
};

export const aclHandlers: readonly Handler[] = [
  handler(apis.describeAcls, () => ({ ...disabled, resources: [] })),
  handler(apis.createAcls, ({ body }) => ({ results: body.creations.map(() => disabled) })),
  handler(apis.deleteAcls, ({ body }) => ({
    filterResults: body.filters.map(() => ({ ...disabled, matchingAcls: [] })),
  })),
];
