import { apis, ErrorCode } from "@strandlog/protocol";
import { type Handler, handler } from "../context.js";

const keyTypes = { group: 0, transaction: 1 } as const;

/** Whatever it is that is to be coordinated: there is one broker. */
export const findCoordinatorHandler: Handler = handler(
  apis.findCoordinator,
  ({ body }, { advertised }, broker) => {
    const { keyType, coordinatorKeys } = body;
    const isKnown = (Object.values(keyTypes) as number[]).includes(keyType);
    const errorCode = isKnown ? ErrorCode.NONE : ErrorCode.INVALID_REQUEST;
    const place = isKnown
      ? { nodeId: broker.settings.nodeId, ...advertised }
      : { nodeId: -1, host: "", port: -1 };
    return {
      errorCode,
      ...place,
      coordinators: coordinatorKeys.map((each) => ({ key: each, errorCode, ...place })),
    };
  },
);
