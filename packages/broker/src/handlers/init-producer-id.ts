import { apis, ErrorCode } from "@strandlog/protocol";
import { type Handler, handler } from "../context.js";
import { refusalOf } from "../error-codes.js";

/** Idempotent producers get an id; a new one if they ask again, which begins their sequences anew. */
export const initProducerIdHandler: Handler = handler(
  apis.initProducerId,
  async ({ body }, _session, broker) => {
    const refused = { producerId: -1, producerEpoch: -1 };
    // There are no transactions yet: a client that wants them should learn it now.
    if (body.transactionalId !== null) return { ...refused, errorCode: ErrorCode.UNSUPPORTED_VERSION };
    try {
      return { errorCode: ErrorCode.NONE, producerId: await broker.producerIds.next(), producerEpoch: 0 };
    } catch (error) {
      return { ...refused, errorCode: refusalOf(error).errorCode };
    }
  },
);
